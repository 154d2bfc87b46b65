//! What operators remove by hand: markers and collections.

use std::process::{Command, Output};
use std::time::Duration;

use ha_conformance::servers::Program;
use ha_conformance::servers::zookeeper::ZooKeeper;
use ha_core::LossReason;
use ha_core::spi::{Collection, Name, Outcome, Page, Txn};

use super::Test;
use super::site::{self, LONG};

pub(crate) const TESTS: &[Test] = &[
    ("removed::a_session_whose_marker_is_deleted_is_lost", marker),
    ("removed::a_collection_that_is_deleted_is_made_again", collection),
];

/// What an operator types into the shell of ZooKeeper.
fn shell(zookeeper: &ZooKeeper, line: &[&str]) -> Output {
    const SHELL: &str = "org.apache.zookeeper.ZooKeeperMain";
    let program = Program::find("zookeeper").unwrap();
    let mut command = Command::new(program.path());
    command.args(["-Xmx64m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", SHELL, "-server"]);
    command.arg(zookeeper.addresses().remove(0)).args(line).output().unwrap()
}

fn marker() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let backend = site::connect(&site::url(&zookeeper));
        let node =
            ha_core::Coordinator::builder(backend).namespace(site::NAMESPACE).node("node").ttl(site::TTL);
        let node = node.connect().await.unwrap();
        let guard = node.mutex("m").unwrap().acquire().await.unwrap();
        let id = site::session(&*site::connect(&site::url(&zookeeper)), "other").await;
        let places = Collection::parse(&["lock", "m"]).unwrap();
        let owner = id.list(&places, Page::by_name(9)).await.unwrap();
        let owner = owner.entries()[0].owner().unwrap().to_string();
        let deleted = shell(&zookeeper, &["delete", &format!("/faults/{}/s/{owner}", site::NAMESPACE)]);
        assert!(deleted.status.success(), "{deleted:?}");
        let lost = tokio::time::timeout(LONG, guard.lost()).await.unwrap();
        assert_eq!(lost, LossReason::SessionLost);
        let again = tokio::time::timeout(LONG, node.mutex("m").unwrap().acquire()).await.unwrap().unwrap();
        assert!(again.token() > guard.token());
        again.release().await.unwrap();
        node.shutdown(Duration::from_secs(10)).await.unwrap();
    });
}

fn collection() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let session = site::session(&*site::connect(&site::url(&zookeeper)), "node").await;
        let collection = Collection::parse(&["c", "d"]).unwrap();
        let create = |name: &str| Txn::new().create(collection.key(Name::parse(name).unwrap()), "1");
        let first = session.commit(create("a")).await.unwrap().committed().unwrap();
        let deleted = shell(&zookeeper, &["deleteall", &format!("/faults/{}/e/c.d", site::NAMESPACE)]);
        assert!(deleted.status.success(), "{deleted:?}");
        assert_eq!(session.list(&collection, Page::by_name(9)).await.unwrap().entries(), []);
        let stale = session.commit(Txn::new().held(first.stamps[0].clone().unwrap())).await.unwrap();
        assert!(matches!(stale, Outcome::Conflict(_)), "{stale:?}");
        let second = session.commit(create("a")).await.unwrap().committed().unwrap();
        assert!(second.revision > first.revision);
        assert_eq!(session.list(&collection, Page::by_name(9)).await.unwrap().entries().len(), 1);
        session.close().await.unwrap();
    });
}
