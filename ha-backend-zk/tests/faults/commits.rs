//! Commits whose answers are lost, with the session or without it, and one that no server takes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ha_conformance::kinds::{self, KINDS, collection, key};
use ha_conformance::servers::zookeeper::{Fate, Gate, Gateway, Member, ZooKeeper};
use ha_conformance::servers::{Direction, Proxy};
use ha_conformance::verbs::{Verbs, refused};
use ha_core::spi::{Key, Naming, Session, Txn};
use ha_core::{Effect, ErrorKind};

use super::site::{self, LONG, Wrap};
use super::{Test, wire};

pub(crate) const TESTS: &[Test] = &[
    ("commits::a_reply_that_is_lost_after_each_kind_of_commit_changes_nothing", lost_replies),
    ("commits::a_copy_that_arrives_when_its_guard_is_true_again_is_not_applied", late_copies),
    ("commits::a_commit_that_is_under_way_when_its_session_ends_is_told_as_lost", lost_sessions),
    ("commits::a_request_of_more_than_a_megabyte_is_refused_and_disturbs_nobody", too_large),
];

/// What the next commit of the node meets; later ones pass.
type Next = Arc<Mutex<Option<Fate>>>;

/// A session whose ways to all servers obey `next`.
async fn session(
    zookeeper: &ZooKeeper,
    next: &Next,
    options: &str,
    wrap: Wrap<'_>,
) -> (Arc<dyn Session>, Vec<Gateway>) {
    let way = |member: &Member| {
        let next = Arc::clone(next);
        Gateway::start(member.client_address(), move |request| {
            let fate = wire::is_commit(request).then(|| next.lock().unwrap().take()).flatten();
            fate.unwrap_or(Fate::Pass)
        })
    };
    let ways: Vec<Gateway> = zookeeper.members().iter().map(way).collect();
    let hosts: Vec<String> = ways.iter().map(|way| way.address().to_string()).collect();
    let backend = wrap(site::connect(&format!("zk://{}/faults{options}", hosts.join(","))));
    (site::session(&*backend, "node").await, ways)
}

fn lost_replies() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let next = Next::default();
        let (session, _ways) = session(&zookeeper, &next, "", &|backend| backend).await;
        let lose = || *next.lock().unwrap() = Some(Fate::LoseReply);
        kinds::survive_lost_replies(&*session, lose, || next.lock().unwrap().is_none()).await;
        session.close().await.unwrap();
    });
}

fn late_copies() {
    late_copies_on(&site::ensemble(), &|backend| backend);
}

/// The test, on an ensemble and with a backend that is wrapped.
pub(crate) fn late_copies_on(zookeeper: &ZooKeeper, wrap: Wrap<'_>) {
    site::runtime().block_on(async {
        let next = Next::default();
        // Behind a copy that is held, nothing gets through: another server is tried then.
        let (session, _ways) = session(zookeeper, &next, "?timeout=300ms", wrap).await;
        let judge = site::session(&*site::connect(&site::url(zookeeper)), "judge").await;
        let gate = Gate::default();
        let hold = || *next.lock().unwrap() = Some(Fate::Hold(gate.clone()));
        let arrive = async {
            assert_eq!(gate.waiting(), 2 * KINDS.len(), "each of them has a copy that is still under way");
            gate.open();
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        kinds::survive_late_copies(&*session, &*judge, hold, arrive).await;
        session.close().await.unwrap();
        judge.close().await.unwrap();
    });
}

/// Waits until the entry is there.
async fn appears(session: &dyn Session, key: &Key) {
    let there = async {
        while session.read(key).await.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, there).await.expect("the commit does not arrive");
}

fn lost_sessions() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let administrator = site::session(&*site::connect(&site::url(&zookeeper)), "administrator").await;
        for (number, (txn, effect)) in [
            (Txn::new().create_owned(key("owned"), "new", Naming::Unique), Effect::NotApplied),
            (Txn::new().create_persistent(key("persistent"), "new", Naming::Reusable), Effect::Unknown),
        ]
        .into_iter()
        .enumerate()
        {
            let way = Proxy::start(zookeeper.member(number).client_address());
            let backend = site::connect(&format!("zk://{}/faults?timeout=30s", way.address()));
            let session = site::session(&*backend, "node").await;
            // Its first commit makes what every other one finds there.
            session.own(&key("first"), "").await;
            way.hold(Direction::ToClient);
            let name = txn.operations()[0].key().clone();
            let committing = session.commit(txn);
            let ending = async {
                appears(&*administrator, &name).await;
                administrator.end(session.id()).await.unwrap();
                // The answer is lost with the connection.
                way.reset();
                way.heal();
            };
            let (outcome, ()) = tokio::join!(committing, ending);
            let lost = refused(outcome, ErrorKind::SessionLost);
            assert_eq!(lost.effect(), effect, "{lost}");
            let is_left = administrator.read(&name).await.is_some();
            assert_eq!(is_left, effect == Effect::Unknown, "{name}");
        }
        administrator.close().await.unwrap();
    });
}

fn too_large() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let way = Proxy::start(zookeeper.member(0).client_address());
        let backend = site::connect(&format!("zk://{}/faults", way.address()));
        let session = site::session(&*backend, "node").await;
        session.own(&key("before"), "").await;
        let connections = way.connections();
        let value = vec![b'x'; 64 * 1024];
        let create = |count: usize, prefix: &str| {
            (0..count).fold(Txn::new(), |txn, number| {
                txn.create_persistent(key(&format!("{prefix}-{number}")), value.clone(), Naming::Reusable)
            })
        };
        for _ in 0..3 {
            let refused = refused(session.commit(create(17, "large")).await, ErrorKind::TooLarge);
            assert_eq!(refused.effect(), Effect::NotApplied);
        }
        // Just below the limit it passes, and so does the answer that lists it all.
        session.apply(create(15, "fits")).await;
        let found = session.all(&collection()).await;
        assert_eq!(found.len(), 16, "{:?}", ha_conformance::verbs::names(&found));
        assert_eq!(way.connections(), connections, "a server hung up");
        session.close().await.unwrap();
    });
}
