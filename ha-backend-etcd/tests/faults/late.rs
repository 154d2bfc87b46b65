//! Commits whose answer is lost, and copies of them that arrive when nobody expects them any more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ha_conformance::kinds::{self, KINDS};
use ha_conformance::servers::etcd::Etcd;
use ha_conformance::servers::{Call, Fate, Gate, Gateway};
use ha_core::spi::Session;

use super::site::{self, Wrap};
use super::{Test, wire};

pub(crate) const TESTS: &[Test] = &[
    ("late::a_reply_that_is_lost_after_each_kind_of_commit_changes_nothing", lost_replies),
    ("late::a_copy_that_arrives_when_its_guard_is_true_again_is_not_applied", late_copies),
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

fn lost_replies() {
    let etcd = site::cluster();
    site::runtime().block_on(async {
        let next = Next::default();
        let (session, _ways) = session(&etcd, &next, &|backend| backend).await;
        let lose = || *next.lock().unwrap() = Some(Fate::LoseReply);
        kinds::survive_lost_replies(&*session, lose, || next.lock().unwrap().is_none()).await;
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
        let gate = Gate::new();
        // Also behind the answers of its members: each copy is the same bytes.
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
