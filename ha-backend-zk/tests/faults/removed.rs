//! What operators remove by hand: markers and collections.

use std::process::{Command, Output};
use std::time::Duration;

use ha_conformance::servers::Program;
use ha_conformance::servers::zookeeper::ZooKeeper;
use ha_core::spi::{Collection, Name, Outcome, Page, Txn};
use ha_core::{Coordinator, LossReason};

use super::Test;
use super::site::{self, LONG};

pub(crate) const TESTS: &[Test] = &[
    ("removed::a_session_whose_marker_is_deleted_is_lost", marker),
    ("removed::the_writes_of_a_holder_whose_place_is_deleted_are_refused", place),
    ("removed::a_leader_whose_record_is_deleted_has_lost_its_leadership", record),
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
        let node = node(&zookeeper, "node").await;
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

/// A node that holds or leads.
async fn node(zookeeper: &ZooKeeper, name: &str) -> Coordinator {
    let builder =
        Coordinator::builder(site::connect(&site::url(zookeeper))).namespace(site::NAMESPACE).node(name);
    builder.ttl(site::TTL).connect().await.unwrap()
}

/// The nodes below this one of the namespace.
async fn below(zookeeper: &ZooKeeper, part: &str) -> Vec<String> {
    let client = zookeeper_client::Client::connect(&zookeeper.addresses().join(",")).await.unwrap();
    let path = format!("/faults/{}/{part}", site::NAMESPACE);
    let nodes = client.list_children(&path).await.unwrap();
    nodes.into_iter().map(|node| format!("{path}/{node}")).collect()
}

fn place() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let (node, other) = (node(&zookeeper, "node").await, node(&zookeeper, "other").await);
        let guard = node.mutex("m").unwrap().acquire().await.unwrap();
        let places = below(&zookeeper, "e/lock.m").await;
        assert_eq!(places.len(), 1, "{places:?}");
        let mutex = other.mutex("m").unwrap();
        let waiting = tokio::spawn(async move { mutex.acquire().await });
        while below(&zookeeper, "e/lock.m").await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let deleted = shell(&zookeeper, &["delete", &places[0]]);
        assert!(deleted.status.success(), "{deleted:?}");
        let next = tokio::time::timeout(LONG, waiting).await.unwrap().unwrap().unwrap();
        assert!(next.token() > guard.token());
        // A holder does not look at its own place: its token is what protects others from it.
        let entries = node.store().collection("entries").unwrap();
        let write = |name: &str| Txn::new().create(entries.key(name).unwrap(), "");
        let stale = node.store().commit(guard.fence(write("stale"))).await.unwrap();
        assert!(matches!(stale, Outcome::Conflict(_)), "{stale:?}");
        guard.release().await.unwrap();
        let valid = other.store().commit(next.fence(write("valid"))).await.unwrap();
        assert!(
            matches!(valid, Outcome::Committed(_)),
            "the release took the lock from another one: {valid:?}"
        );
        next.release().await.unwrap();
        for node in [node, other] {
            node.shutdown(Duration::from_secs(10)).await.unwrap();
        }
    });
}

fn record() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let node = node(&zookeeper, "node").await;
        let election = node.election("e").unwrap();
        let leading = election.campaign().await.unwrap();
        // As the README says: an entry together with its companion.
        let records = below(&zookeeper, "e/election.e.record").await;
        let entry = records.iter().find(|path| path.ends_with("leader")).unwrap();
        let shown = shell(&zookeeper, &["get", entry]);
        let text = String::from_utf8(shown.stdout).unwrap();
        let companion = text.lines().find_map(|line| line.split("ha1 r ").nth(1)).unwrap();
        let companion = format!("/faults/{}/i/{companion}", site::NAMESPACE);
        for path in [&companion, entry] {
            let deleted = shell(&zookeeper, &["delete", path]);
            assert!(deleted.status.success(), "{deleted:?}");
        }
        let lost = tokio::time::timeout(LONG, leading.lost()).await.unwrap();
        assert_eq!(lost, LossReason::Removed);
        let again = tokio::time::timeout(LONG, election.campaign()).await.unwrap().unwrap();
        assert!(again.token() > leading.token());
        again.resign().await.unwrap();
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
