//! Servers that are restored from a backup forget what was granted since.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ha_conformance::servers::zookeeper::{Member, ZooKeeper};
use ha_core::Coordinator;

use super::Test;
use super::site::{self, LONG};

pub(crate) const TESTS: &[Test] = &[
    ("restore::a_restored_ensemble_ends_all_grants_and_no_token_comes_again", ensemble),
    ("restore::a_restored_server_ends_all_grants_and_no_token_comes_again", alone),
];

/// So long that holders still believe when the servers are back.
const TTL: Duration = Duration::from_secs(20);

fn ensemble() {
    restored(3);
}

fn alone() {
    restored(1);
}

/// The backup of a member's data.
fn backup_of(member: &Member) -> PathBuf {
    member.data().with_extension("backup")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(source, target).unwrap();
        }
    }
}

/// Copies the data of each member, as an operator does who backs servers up while they run.
fn back_up(zookeeper: &ZooKeeper) {
    zookeeper.members().iter().for_each(|member| copy(member.data(), &backup_of(member)));
}

/// Ends all members, and starts them with what the backup contains.
fn restore(zookeeper: &ZooKeeper) {
    zookeeper.members().iter().for_each(|member| member.kill());
    for member in zookeeper.members() {
        std::fs::remove_dir_all(member.data()).unwrap();
        copy(&backup_of(member), member.data());
    }
    zookeeper.members().iter().for_each(|member| member.launch());
    zookeeper.wait_until_ready();
}

async fn node(zookeeper: &ZooKeeper, name: &str) -> Coordinator {
    let builder =
        Coordinator::builder(site::connect(&site::url(zookeeper))).namespace(site::NAMESPACE).node(name);
    builder.ttl(TTL).connect().await.unwrap()
}

fn restored(members: usize) {
    let zookeeper = ZooKeeper::builder().members(members).start();
    let zookeeper = zookeeper.unwrap_or_else(|missing| panic!("{missing}"));
    site::runtime().block_on(async {
        let (first, other) = (node(&zookeeper, "first").await, node(&zookeeper, "other").await);
        let known = first.mutex("known").unwrap().acquire().await.unwrap();
        // Everybody goes on after the backup, also who has done nothing but renew.
        back_up(&zookeeper);
        let late = node(&zookeeper, "late").await;
        let forgotten = first.mutex("forgotten").unwrap().acquire().await.unwrap();
        let lates = late.mutex("lates").unwrap().acquire().await.unwrap();
        tokio::time::sleep(TTL / 5).await;
        let since = tokio::time::Instant::now();
        restore(&zookeeper);
        for (old, name) in [(forgotten, "forgotten"), (lates, "lates"), (known, "known")] {
            let mutex = other.mutex(name).unwrap();
            let next =
                tokio::time::timeout(LONG * 2, mutex.acquire()).await.expect("nobody gets it").unwrap();
            // The backup knows one of them and not the others; nothing that it says about sessions is believed.
            assert!(!old.is_valid(), "two hold {name}");
            assert!(next.token() > old.token(), "{:?} after {:?}", next.token(), old.token());
            assert!(since.elapsed() >= TTL, "{name} was granted before everybody had given up");
            next.release().await.unwrap();
        }
        for node in [first, other, late] {
            drop(node.shutdown(Duration::from_secs(10)).await);
        }
    });
}
