//! A cluster that is restored from a backup forgets what was granted since.

use std::process::Command;
use std::time::Duration;

use ha_conformance::servers::Program;
use ha_conformance::servers::etcd::Etcd;
use ha_core::Coordinator;

use super::Test;
use super::site;

pub(crate) const TESTS: &[Test] =
    &[("restore::a_restored_backup_ends_all_grants_and_no_token_comes_again", restored)];

/// So long that holders still believe when the cluster is back.
const TTL: Duration = Duration::from_secs(10);

fn etcdctl(arguments: &[String]) {
    let program = match Program::find("etcdctl") {
        Ok(program) => program,
        Err(missing) => panic!("{missing}"),
    };
    let output = Command::new(program.path()).env("ETCDCTL_API", "3").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// Ends all members, and starts them with what `snapshot` contains, as an operator does.
fn restore(etcd: &Etcd, snapshot: &str) {
    etcd.members().iter().for_each(|member| member.kill());
    for member in etcd.members() {
        std::fs::remove_dir_all(member.data()).unwrap();
        let own = |part: &&str| part.starts_with(&format!("{}=", member.name()));
        let (_, peers) = member.initial_cluster().split(',').find(own).unwrap().split_once('=').unwrap();
        etcdctl(&[
            "snapshot".to_owned(),
            "restore".to_owned(),
            snapshot.to_owned(),
            format!("--name={}", member.name()),
            format!("--data-dir={}", member.data().display()),
            format!("--initial-cluster={}", member.initial_cluster()),
            format!("--initial-advertise-peer-urls={peers}"),
        ]);
    }
    etcd.members().iter().for_each(|member| member.launch());
    etcd.wait_until_ready();
}

async fn node(etcd: &Etcd, name: &str) -> Coordinator {
    let builder = Coordinator::builder(site::connect(&site::url(etcd))).namespace(site::NAMESPACE).node(name);
    builder.ttl(TTL).connect().await.unwrap()
}

fn restored() {
    let etcd = site::cluster();
    let snapshot = etcd.folder().path().join("backup.db").display().to_string();
    site::runtime().block_on(async {
        let (node, other) = (node(&etcd, "node").await, node(&etcd, "other").await);
        let known = node.mutex("known").unwrap().acquire().await.unwrap();
        etcdctl(&[
            format!("--endpoints={}", etcd.member(0).url()),
            "snapshot".to_owned(),
            "save".to_owned(),
            snapshot.clone(),
        ]);
        let forgotten = node.mutex("forgotten").unwrap().acquire().await.unwrap();
        let since = tokio::time::Instant::now();
        restore(&etcd, &snapshot);
        for (old, name) in [(forgotten, "forgotten"), (known, "known")] {
            let mutex = other.mutex(name).unwrap();
            let next =
                tokio::time::timeout(site::LONG, mutex.acquire()).await.expect("nobody gets it").unwrap();
            // The backup knows one of them and not the other; nothing that it says about sessions is believed.
            assert!(!old.is_valid(), "two hold {name}");
            assert!(next.token() > old.token(), "{:?} after {:?}", next.token(), old.token());
            assert!(since.elapsed() >= TTL, "{name} was granted before everybody had given up");
            next.release().await.unwrap();
        }
        for node in [node, other] {
            node.shutdown(Duration::from_secs(10)).await.unwrap();
        }
    });
}
