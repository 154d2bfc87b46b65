//! Commits whose answer is lost, and copies of them that arrive when nobody expects them any more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ha_conformance::servers::etcd::Etcd;
use ha_conformance::servers::{Call, Fate, Gate, Gateway};
use ha_conformance::verbs::{Verbs, only_stamp};
use ha_core::spi::{Committed, Naming, Outcome, Session, Txn};

use super::site::{self, Wrap, key};
use super::{Test, wire};

pub(crate) const TESTS: &[Test] = &[
    ("late::a_reply_that_is_lost_after_each_kind_of_commit_changes_nothing", lost_replies),
    ("late::a_copy_that_arrives_when_its_guard_is_true_again_is_not_applied", late_copies),
];

/// The kinds of commits: each is guarded by what it finds, and undone so that its guard is true again where that is possible. A commit of
/// one own unique entry leaves a trace of its own; several operations stand or fall together.
const KINDS: [&str; 8] = [
    "create owned",
    "create unique",
    "create persistent",
    "update",
    "delete",
    "delete unique",
    "create two",
    "update and delete",
];

/// What the next commit of the node meets; later ones pass.
type Next = Arc<Mutex<Option<Fate>>>;

/// A session whose ways to all members obey `next`.
async fn session(etcd: &Etcd, next: &Next, wrap: Wrap<'_>) -> (Arc<dyn Session>, Vec<Gateway>) {
    let way = |member: &ha_conformance::servers::etcd::Member| {
        let next = Arc::clone(next);
        Gateway::start(member.client_address(), move |call: &Call<'_>| {
            let is_commit = call.path == wire::TXN && wire::is_commit(call.message);
            let fate = is_commit.then(|| next.lock().unwrap().take()).flatten();
            fate.unwrap_or(Fate::Pass)
        })
    };
    let ways: Vec<Gateway> = etcd.members().iter().map(way).collect();
    let hosts: Vec<String> = ways.iter().map(|way| way.address().to_string()).collect();
    let backend = wrap(site::connect(&format!("etcd://{}", hosts.join(","))));
    (site::session(&*backend, "node").await, ways)
}

/// The entries of a commit, in the order of its operations; most have only the first.
fn names(name: &str) -> [String; 2] {
    [name.to_owned(), format!("{name}-too")]
}

/// Lays out what a commit of this kind finds; the commit.
async fn prepare(session: &dyn Session, kind: &str, name: &str) -> Txn {
    let [key, other] = names(name).map(|name| key(&name));
    match kind {
        "create owned" => Txn::new().create_owned(key, "new", Naming::Reusable),
        "create unique" => Txn::new().create_owned(key, "new", Naming::Unique),
        "create persistent" => Txn::new().create_persistent(key, "new", Naming::Reusable),
        "create two" => {
            let txn = Txn::new().create_owned(key, "new", Naming::Reusable);
            txn.create_persistent(other, "new", Naming::Reusable)
        }
        "update" => Txn::new().update(session.put(&key, "old").await, "new"),
        "update and delete" => {
            let txn = Txn::new().update(session.put(&key, "old").await, "new");
            txn.delete(session.put(&other, "old").await)
        }
        "delete unique" => {
            let created = session.apply(Txn::new().create_owned(key, "old", Naming::Unique)).await;
            Txn::new().delete(only_stamp(created))
        }
        _ => Txn::new().delete(session.put(&key, "old").await),
    }
}

async fn commit(session: &dyn Session, kind: &str, txn: Txn) -> Committed {
    match session.commit(txn).await {
        Ok(Outcome::Committed(committed)) => committed,
        other => panic!("{kind}: it should have been committed: {other:?}"),
    }
}

fn lost_replies() {
    let etcd = site::cluster();
    site::runtime().block_on(async {
        let next = Next::default();
        let (session, _ways) = session(&etcd, &next, &|backend| backend).await;
        for (number, kind) in KINDS.into_iter().cycle().take(3 * KINDS.len()).enumerate() {
            let name = format!("lost-{number}");
            let txn = prepare(&*session, kind, &name).await;
            let doubts = session.doubts();
            *next.lock().unwrap() = Some(Fate::LoseReply);
            let committed = commit(&*session, kind, txn).await;
            assert!(next.lock().unwrap().is_none(), "{kind}: no reply was lost");
            assert!(session.doubts() > doubts, "{kind}: operators are not told of the lost reply");
            for (name, stamp) in names(&name).iter().zip(committed.stamps) {
                let entry = session.read(&key(name)).await;
                assert_eq!(entry.map(|entry| entry.stamp().clone()), stamp, "{kind}: {name}");
            }
        }
        session.close().await.unwrap();
    });
}

fn late_copies() {
    late_copies_on(&site::cluster(), &|backend| backend);
}

/// The test, on a cluster and with a backend that is wrapped.
pub(crate) fn late_copies_on(etcd: &Etcd, wrap: Wrap<'_>) {
    site::runtime().block_on(async {
        let next = Next::default();
        let (session, _ways) = session(etcd, &next, wrap).await;
        let judge = site::session(&*site::connect(&site::url(etcd)), "judge").await;
        let (gate, mut expected) = (Gate::new(), Vec::new());
        for (number, kind) in KINDS.into_iter().cycle().take(2 * KINDS.len()).enumerate() {
            let name = format!("late-{number}");
            let txn = prepare(&*session, kind, &name).await;
            // Also behind the answers of its members: each copy is the same bytes.
            *next.lock().unwrap() = Some(Fate::Hold(gate.clone()));
            for (name, stamp) in names(&name).into_iter().zip(commit(&*session, kind, txn).await.stamps) {
                // Where there is something, it goes; then the guard of a creation is true again.
                let left = match (kind, stamp) {
                    ("update", Some(stamp)) => {
                        Some(only_stamp(session.apply(Txn::new().update(stamp, "later")).await))
                    }
                    (_, Some(stamp)) => {
                        session.apply(Txn::new().delete(stamp)).await;
                        None
                    }
                    (_, None) => Some(session.put(&key(&name), "old").await),
                };
                expected.push((kind, name, left));
            }
        }
        assert_eq!(gate.waiting(), 2 * KINDS.len(), "each of them has a copy that is still under way");
        gate.open();
        tokio::time::sleep(Duration::from_secs(2)).await;
        for (kind, name, left) in expected {
            let found = judge.read(&key(&name)).await.map(|entry| entry.stamp().clone());
            assert_eq!(found, left, "{kind}: a late copy was applied to {name}");
        }
        session.close().await.unwrap();
        judge.close().await.unwrap();
    });
}
