//! Running as leader: work that ends before leadership does, transfers, loss and return.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use ha_core::election::Predecessor;
use ha_core::spi::{Collection, Naming, Session, Txn};
use ha_core::{ErrorKind, Grant, LossReason};

use super::election::campaign;
use crate::case::Need;
use crate::context::{Context, name};
use crate::counting::Counting;
use crate::nodes::{candidates, leader_entry};
use crate::verbs::{Verbs, only_stamp, refused};

crate::case::cases! {
    "leadership";
    work_runs_while_it_leads_and_its_output_comes_back { guarantee: "G64" }
    work_is_dropped_before_the_next_leader_is_elected { guarantee: "G64" }
    work_begins_again_with_a_larger_term_after_a_loss { guarantee: "G64", needs: [Need::EndsSessions] }
    dropping_the_run_resigns { guarantee: "G64" }
    a_panic_in_the_work_resigns { guarantee: "G64" }
    a_shutdown_ends_the_work { guarantee: "G64" }
    leadership_is_transferred_to_the_node_that_is_named { guarantee: "G65" }
    a_transfer_to_nobody_changes_nothing { guarantee: "G65" }
    a_transfer_to_a_node_that_does_nothing_blocks_nobody { guarantee: "G65" }
    a_transfer_to_a_node_that_withdraws_blocks_nobody { guarantee: "G65" }
    a_planned_hand_over_takes_three_requests_at_most { guarantee: "G65" }
    a_leader_whose_record_is_deleted_learns_it { guarantee: "G69" }
    a_leader_whose_session_is_ended_learns_it { guarantee: "G69", needs: [Need::EndsSessions] }
    a_lost_leader_does_not_take_its_old_record_for_a_new_one { guarantee: "G61", needs: [Need::EndsSessions] }
}

async fn work_runs_while_it_leads_and_its_output_comes_back(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let election = node.election("timers").unwrap();
    let work = election.run(|grant| async move {
        tokio::task::yield_now().await;
        assert!(grant.is_valid());
        grant.token()
    });
    let token = cx.within("the work ends", 20, work).await.unwrap();
    assert!(token.as_u64() > 0);
    assert_eq!(leader_entry(&*judge, "timers").await, None, "it has resigned");
}

/// Work that must not overlap, and that takes its time to end.
#[derive(Debug, Default)]
struct Work {
    running: AtomicU32,
    begun: AtomicU32,
    overlapped: AtomicBool,
    last_term: AtomicU64,
}

impl Work {
    async fn run(self: Arc<Self>, grant: Grant) {
        let overlaps = self.running.fetch_add(1, Ordering::SeqCst) > 0;
        let goes_back =
            self.last_term.swap(grant.token().as_u64(), Ordering::SeqCst) >= grant.token().as_u64();
        self.overlapped.fetch_or(overlaps || goes_back, Ordering::SeqCst);
        let _ending = Ending(Arc::clone(&self));
        self.begun.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }

    fn begun(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }

    fn running(&self) -> u32 {
        self.running.load(Ordering::SeqCst)
    }
}

struct Ending(Arc<Work>);

impl Drop for Ending {
    fn drop(&mut self) {
        std::thread::sleep(Duration::from_millis(5));
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn work_is_dropped_before_the_next_leader_is_elected(cx: Context) {
    let (judge, work) = (cx.session().await, Arc::new(Work::default()));
    let mut nodes = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for node in 0..3 {
        let node = cx.node(&format!("node-{node}")).await;
        let (election, work) = (node.election("timers").unwrap(), Arc::clone(&work));
        nodes.push(node);
        tasks.spawn(async move { election.run(|grant| Arc::clone(&work).run(grant)).await });
    }
    cx.until("all stand", 20, async || candidates(&*judge, "timers").await.len() == 3).await;
    for round in 1..10 {
        cx.until("work has begun", 20, async || work.begun() >= round).await;
        // Only the leader can hand over, and only to a candidate: whoever led before may not stand again yet.
        let hand_over = async || {
            for (at, node) in nodes.iter().enumerate() {
                let next = format!("node-{}", (at + 1) % 3);
                if node.election("timers").unwrap().transfer_to(&next).await.is_ok() {
                    return true;
                }
            }
            false
        };
        cx.until("it is handed over", 20, hand_over).await;
    }
    cx.until("work has begun", 20, async || work.begun() >= 10).await;
    assert!(!work.overlapped.load(Ordering::SeqCst), "one works at a time, with growing terms");
    tasks.shutdown().await;
}

async fn work_begins_again_with_a_larger_term_after_a_loss(cx: Context) {
    let (node, judge, work) = (cx.mortal_node("node").await, cx.session().await, Arc::new(Work::default()));
    let running = {
        let (election, work) = (node.election("timers").unwrap(), Arc::clone(&work));
        tokio::spawn(async move { election.run(|grant| Arc::clone(&work).run(grant)).await })
    };
    for round in 1..4 {
        cx.until("work has begun", 20, async || work.begun() == round).await;
        let owner = leader_entry(&*judge, "timers").await.unwrap().owner().cloned().unwrap();
        judge.end(&owner).await.unwrap();
    }
    cx.until("work has begun once more", 20, async || work.begun() == 4).await;
    assert!(!work.overlapped.load(Ordering::SeqCst), "one works at a time, with growing terms");
    running.abort();
}

/// Work of `node` that runs in the background, once it does.
async fn runs(cx: &Context, node: &ha_core::Coordinator) -> (Arc<Work>, Running) {
    let work = Arc::new(Work::default());
    let (election, running) = (node.election("timers").unwrap(), Arc::clone(&work));
    let task = tokio::spawn(async move { election.run(|grant| Arc::clone(&running).run(grant)).await });
    cx.until("work has begun", 20, async || work.begun() == 1).await;
    (work, task)
}

type Running = tokio::task::JoinHandle<Result<(), ha_core::Error>>;

async fn dropping_the_run_resigns(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let (work, running) = runs(&cx, &first).await;
    running.abort();
    let leads =
        cx.within("the other leads", 20, second.election("timers").unwrap().campaign()).await.unwrap();
    assert_eq!(work.running(), 0, "the work ended before");
    assert_eq!(*leads.predecessor(), Predecessor::Released { node: "first".into() });
}

async fn a_panic_in_the_work_resigns(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let election = first.election("timers").unwrap();
    let running = tokio::spawn(async move {
        let work = |_grant| async { panic!("the work fails") };
        election.run::<_, _>(work).await.map(|never: ()| never)
    });
    let error = cx.within("the panic goes on", 20, running).await.unwrap_err();
    assert!(error.is_panic());
    let leads =
        cx.within("the other leads", 20, second.election("timers").unwrap().campaign()).await.unwrap();
    assert!(leads.is_valid());
}

async fn a_shutdown_ends_the_work(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let (work, running) = runs(&cx, &first).await;
    cx.within("the shutdown", 20, first.shutdown(Duration::from_secs(20))).await.unwrap();
    assert_eq!(work.running(), 0, "the work ended before the shutdown did");
    refused(cx.within("the run ends", 20, running).await.unwrap(), ErrorKind::Closed);
    let leads =
        cx.within("the other leads", 20, second.election("timers").unwrap().campaign()).await.unwrap();
    assert_eq!(*leads.predecessor(), Predecessor::Released { node: "first".into() });
}

async fn leadership_is_transferred_to_the_node_that_is_named(cx: Context) {
    let judge = cx.session().await;
    let (first, second, third) = (cx.node("first").await, cx.node("second").await, cx.node("third").await);
    let leading = cx.within("leadership", 20, campaign(&first, 9)).await.unwrap();
    let (better, named) = (campaign(&second, 5), campaign(&third, 1));
    cx.until("both stand", 20, async || candidates(&*judge, "timers").await.len() == 3).await;
    cx.within("the transfer", 20, leading.transfer_to("third")).await.unwrap();
    let leads = cx.within("the named one leads", 20, named).await.unwrap();
    assert_eq!(*leads.predecessor(), Predecessor::Released { node: "first".into() });
    assert!(!better.is_finished(), "ranks come second");
    leads.resign().await.unwrap();
    assert!(cx.within("the next one leads", 20, better).await.unwrap().is_valid());
}

async fn a_transfer_to_nobody_changes_nothing(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let mut leading = cx.within("leadership", 20, campaign(&first, 0)).await.unwrap();
    let token = leading.token();
    // The second node is connected, but does not stand.
    for target in ["", "nobody", second.node()] {
        let failed = cx.within("an answer", 20, leading.transfer_to(target)).await.unwrap_err();
        assert_eq!(failed.error.kind(), ErrorKind::InvalidInput, "{target:?}: {failed}");
        leading = failed.leadership.expect("nothing was done");
        assert!(leading.is_valid() && leading.token() == token);
    }
    refused(second.election("timers").unwrap().transfer_to("first").await, ErrorKind::InvalidInput);
    assert!(leading.is_valid());
}

/// A candidate that never acts, of a session that the case has in its hands.
async fn silent_candidate(cx: &Context, node: &'static str) -> (Arc<dyn Session>, ha_core::spi::Stamp) {
    let session = cx.session().await;
    let collection = Collection::parse(&["election", "timers", "candidates"]).unwrap();
    let key = collection.key(name(&format!("{}-1", session.id())));
    let value = format!(r#"{{"node":"{node}","priority":0}}"#);
    let stamp = only_stamp(session.apply(Txn::new().create_owned(key, value, Naming::Unique)).await);
    (session, stamp)
}

async fn a_transfer_to_a_node_that_does_nothing_blocks_nobody(cx: Context) {
    let (first, third) = (cx.node("first").await, cx.node("third").await);
    let leading = cx.within("leadership", 20, campaign(&first, 0)).await.unwrap();
    let _silent = silent_candidate(&cx, "silent").await;
    let waiting = campaign(&third, 0);
    cx.within("the transfer", 20, leading.transfer_to("silent")).await.unwrap();
    assert!(cx.within("somebody leads", 20, waiting).await.unwrap().is_valid());
}

async fn a_transfer_to_a_node_that_withdraws_blocks_nobody(cx: Context) {
    let (first, third) = (cx.node("first").await, cx.node("third").await);
    let leading = cx.within("leadership", 20, campaign(&first, 0)).await.unwrap();
    let (session, stamp) = silent_candidate(&cx, "fickle").await;
    cx.within("the transfer", 20, leading.transfer_to("fickle")).await.unwrap();
    session.apply(Txn::new().delete(stamp)).await;
    // Neither one who comes now nor one who comes later waits for it.
    let leads = cx.within("somebody leads", 20, campaign(&third, 0)).await.unwrap();
    leads.resign().await.unwrap();
    assert!(cx.within("somebody leads", 20, campaign(&first, 0)).await.unwrap().is_valid());
}

async fn a_planned_hand_over_takes_three_requests_at_most(cx: Context) {
    let judge = cx.session().await;
    let (backend, from) = Counting::wrap(cx.connect_as("first"));
    let first = cx.builder_on(backend, "first").connect().await.unwrap();
    let (backend, to) = Counting::wrap(cx.connect_as("second"));
    let second = cx.builder_on(backend, "second").connect().await.unwrap();
    let leading = cx.within("leadership", 20, campaign(&first, 0)).await.unwrap();
    let next = campaign(&second, 0);
    cx.until("the next one stands", 20, async || candidates(&*judge, "timers").await.len() == 2).await;
    let requests = || from.commits() + from.listings() + to.commits() + to.listings();
    let settled = cx.settled("both are quiet", requests).await;
    leading.resign().await.unwrap();
    let leads = cx.within("the next one leads", 20, next).await.unwrap();
    assert!(requests() - settled <= 3, "{} requests", requests() - settled);
    assert!(leads.is_valid());
}

async fn a_leader_whose_record_is_deleted_learns_it(cx: Context) {
    let (judge, first, second) = (cx.session().await, cx.node("first").await, cx.node("second").await);
    let leading = cx.within("leadership", 20, campaign(&first, 0)).await.unwrap();
    let record = leader_entry(&*judge, "timers").await.unwrap();
    judge.apply(Txn::new().delete(record.stamp().clone())).await;
    let reason = cx.within("the leader learns it", 20, leading.lost()).await;
    assert_eq!(reason, LossReason::Removed);
    let token = leading.token();
    drop(leading);
    let leads = cx.within("somebody leads", 20, campaign(&second, 0)).await.unwrap();
    assert!(leads.token() > token);
}

async fn a_leader_whose_session_is_ended_learns_it(cx: Context) {
    let (judge, first, second) = (cx.session().await, cx.mortal_node("first").await, cx.node("second").await);
    let leading = cx.within("leadership", 20, campaign(&first, 0)).await.unwrap();
    let waiting = campaign(&second, 0);
    let owner = leader_entry(&*judge, "timers").await.unwrap().owner().cloned().unwrap();
    judge.end(&owner).await.unwrap();
    let reason = cx.within("the leader learns it", 20, leading.lost()).await;
    assert_eq!(reason, LossReason::SessionLost);
    let leads = cx.within("the other leads", 20, waiting).await.unwrap();
    assert_eq!(*leads.predecessor(), Predecessor::Vanished { node: "first".into() });
    assert!(leads.token() > leading.token());
}

async fn a_lost_leader_does_not_take_its_old_record_for_a_new_one(cx: Context) {
    let (judge, node) = (cx.session().await, cx.mortal_node("node").await);
    let mut last = cx.within("leadership", 20, campaign(&node, 0)).await.unwrap();
    for _ in 0..5 {
        let record = leader_entry(&*judge, "timers").await.unwrap();
        judge.end(record.owner().unwrap()).await.unwrap();
        let next = cx.within("leadership again", 20, campaign(&node, 0)).await.unwrap();
        assert!(next.token() > last.token() && next.is_valid() && !last.is_valid());
        last = next;
    }
}
