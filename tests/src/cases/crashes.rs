//! Mutex and elections when nodes die, are cut off, or lose what they stored.

use std::sync::Arc;
use std::time::Duration;

use ha_core::Coordinator;
use ha_core::spi::Txn;

use crate::case::Need;
use crate::clock::Stopwatch;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::{Protected, candidates, places};
use crate::verbs::Verbs;

const CUT: Need = Need::Fault(FaultKind::Cut);
const CUT_REPLIES: Need = Need::Fault(FaultKind::CutReplies);
const COMMITS: Need = Need::Fault(FaultKind::Commits);

crate::case::cases! {
    "crashes";
    the_lock_of_a_dead_node_passes_within_its_ttl { guarantee: "G79" }
    leadership_of_a_dead_node_passes_within_its_ttl { guarantee: "G79" }
    a_waiter_that_dies_in_the_queue_promotes_nobody { guarantee: "G79", needs: [Need::EndsSessions] }
    a_waiter_whose_place_is_deleted_queues_again { guarantee: "G79" }
    a_candidate_whose_entry_is_deleted_stands_again { guarantee: "G79" }
    a_release_that_meets_a_broken_connection_is_made_later { guarantee: "G79", needs: [CUT] }
    a_release_whose_reply_is_cut_off_is_made { guarantee: "G79", needs: [CUT_REPLIES] }
    a_guard_dropped_while_cut_off_frees_the_lock_later { guarantee: "G79", needs: [CUT] }
    a_resignation_that_meets_a_broken_connection_is_made_later { guarantee: "G79", needs: [CUT] }
    a_node_that_is_cut_off_while_it_waits_goes_on_waiting { guarantee: "G79", needs: [CUT] }
    lost_requests_and_replies_make_no_second_holder { guarantee: "G70", needs: [COMMITS] }
    lost_requests_and_replies_make_no_second_leader { guarantee: "G60", needs: [COMMITS] }
}

fn assert_in_time(cx: &Context, node: &Coordinator, passed: Duration) {
    let latest =
        cx.ttl().max(node.granted_ttl().unwrap_or_default()) + node.capabilities().expiry_slack + cx.margin();
    assert!(passed <= latest, "it passed after {passed:?}, at the latest {latest:?} are right");
}

async fn the_lock_of_a_dead_node_passes_within_its_ttl(cx: Context) {
    let second = cx.node("second").await;
    let (first, thread) = cx.doomed_node("first").await;
    let guard = first.mutex("deploy").unwrap().acquire().await.unwrap();
    let dead = Stopwatch::start();
    thread.stop();
    let next = cx.within("the survivor has it", 10, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert_in_time(&cx, &first, dead.elapsed());
    assert!(next.token() > guard.token());
}

async fn leadership_of_a_dead_node_passes_within_its_ttl(cx: Context) {
    let second = cx.node("second").await;
    let (first, thread) = cx.doomed_node("first").await;
    let leading = first.election("timers").unwrap().campaign().await.unwrap();
    let dead = Stopwatch::start();
    thread.stop();
    let election = second.election("timers").unwrap();
    let next = cx.within("the survivor leads", 10, election.campaign()).await.unwrap();
    assert_in_time(&cx, &first, dead.elapsed());
    assert!(next.token() > leading.token());
}

async fn a_waiter_that_dies_in_the_queue_promotes_nobody(cx: Context) {
    let judge = cx.session().await;
    let (holder, doomed, last) = (cx.node("holder").await, cx.node("doomed").await, cx.node("last").await);
    let held = holder.mutex("deploy").unwrap().acquire().await.unwrap();
    let mut waiting = Vec::new();
    for (at, node) in [&doomed, &last].into_iter().enumerate() {
        let mutex = node.mutex("deploy").unwrap();
        waiting.push(tokio::spawn(async move { mutex.acquire().await.unwrap() }));
        let queued = async || places(&*judge, "deploy").await.len() == at + 2;
        cx.until("the waiter is queued", 10, queued).await;
    }
    let place = places(&*judge, "deploy").await.remove(1);
    judge.end(place.owner().unwrap()).await.unwrap();
    let mut next = waiting.remove(1);
    cx.not_within("whoever waited behind the dead one", cx.ttl() * 2, &mut next).await;
    assert!(held.is_valid());
    held.release().await.unwrap();
    assert!(cx.within("the next one has it", 10, next).await.unwrap().is_valid());
}

async fn a_waiter_whose_place_is_deleted_queues_again(cx: Context) {
    let (judge, holder, waiter) = (cx.session().await, cx.node("holder").await, cx.node("waiter").await);
    let held = holder.mutex("deploy").unwrap().acquire().await.unwrap();
    let mutex = waiter.mutex("deploy").unwrap();
    let waiting = tokio::spawn(async move { mutex.acquire().await.unwrap() });
    cx.until("the waiter is queued", 10, async || places(&*judge, "deploy").await.len() == 2).await;
    let place = places(&*judge, "deploy").await.remove(1);
    judge.apply(Txn::new().delete(place.stamp().clone())).await;
    held.release().await.unwrap();
    let guard = cx.within("the waiter has it", 10, waiting).await.unwrap();
    let head = places(&*judge, "deploy").await.remove(0);
    assert_eq!(head.created().as_u64(), guard.token().as_u64(), "the token is that of a place which exists");
    assert!(head.created() > place.created());
}

async fn a_candidate_whose_entry_is_deleted_stands_again(cx: Context) {
    let (judge, leader, other) = (cx.session().await, cx.node("leader").await, cx.node("other").await);
    let leading = leader.election("timers").unwrap().campaign().await.unwrap();
    let election = other.election("timers").unwrap();
    let waiting = tokio::spawn(async move { election.campaign().await.unwrap() });
    cx.until("it stands", 10, async || candidates(&*judge, "timers").await.len() == 2).await;
    for candidate in candidates(&*judge, "timers").await {
        judge.apply(Txn::new().delete(candidate.stamp().clone())).await;
    }
    leading.resign().await.unwrap();
    assert!(cx.within("it leads", 10, waiting).await.unwrap().is_valid());
}

/// Releases the lock of a node that `fault` cuts off, in the background; heals; the other has to get it before any ttl runs out.
async fn release_through(cx: &Context, fault: Fault, release: impl FnOnce(ha_core::lock::MutexGuard)) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let guard = first.mutex("deploy").unwrap().acquire().await.unwrap();
    let grant = guard.grant();
    cx.inject(fault).await;
    release(guard);
    cx.until("the grant is over", 2, async || !grant.is_valid()).await;
    tokio::time::sleep(cx.ttl() / 4).await;
    cx.inject(Fault::Heal(name("first"))).await;
    let next = cx.within("the other has it", 10, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(next.token() > grant.token());
    drop(first);
}

async fn a_release_that_meets_a_broken_connection_is_made_later(cx: Context) {
    release_through(&cx, Fault::Cut(name("first")), |guard| drop(tokio::spawn(guard.release()))).await;
}

async fn a_release_whose_reply_is_cut_off_is_made(cx: Context) {
    release_through(&cx, Fault::CutReplies(name("first")), |guard| drop(tokio::spawn(guard.release()))).await;
}

async fn a_guard_dropped_while_cut_off_frees_the_lock_later(cx: Context) {
    release_through(&cx, Fault::Cut(name("first")), drop).await;
}

async fn a_resignation_that_meets_a_broken_connection_is_made_later(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let leading = first.election("timers").unwrap().campaign().await.unwrap();
    let grant = leading.grant();
    cx.inject(Fault::Cut(name("first"))).await;
    let resigning = tokio::spawn(leading.resign());
    cx.until("the grant is over", 2, async || !grant.is_valid()).await;
    tokio::time::sleep(cx.ttl() / 4).await;
    cx.inject(Fault::Heal(name("first"))).await;
    let next = cx.within("the other leads", 10, second.election("timers").unwrap().campaign()).await.unwrap();
    assert!(next.token() > grant.token());
    cx.within("the resignation returns", 10, resigning).await.unwrap().unwrap();
}

async fn a_node_that_is_cut_off_while_it_waits_goes_on_waiting(cx: Context) {
    let (judge, holder, waiter) =
        (cx.session().await, cx.node("holder").await, cx.mortal_node("waiter").await);
    let held = holder.mutex("deploy").unwrap().acquire().await.unwrap();
    let mutex = waiter.mutex("deploy").unwrap();
    let waiting = tokio::spawn(async move { mutex.acquire().await.unwrap() });
    cx.until("the waiter is queued", 10, async || places(&*judge, "deploy").await.len() == 2).await;
    cx.inject(Fault::Cut(name("waiter"))).await;
    cx.until("its place runs out", 10, async || places(&*judge, "deploy").await.len() == 1).await;
    cx.inject(Fault::Heal(name("waiter"))).await;
    cx.until("it is queued again", 10, async || places(&*judge, "deploy").await.len() == 2).await;
    assert!(held.is_valid() && !waiting.is_finished());
    held.release().await.unwrap();
    assert!(cx.within("the waiter has it", 10, waiting).await.unwrap().is_valid());
}

/// Requests that are lost, replies that are lost, requests that arrive late, in turn.
async fn doubts(cx: &Context, node: &str, count: usize) {
    let each = [
        CommitFault::LoseReply,
        CommitFault::Pass,
        CommitFault::LoseRequest,
        CommitFault::Pass,
        CommitFault::Delay(cx.ttl() / 30),
    ];
    cx.inject(Fault::Commits(name(node), each.into_iter().cycle().take(count).collect())).await;
}

async fn lost_requests_and_replies_make_no_second_holder(cx: Context) {
    let protected = Arc::new(Protected::default());
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..3 {
        let name = format!("node-{at}");
        let node = cx.node(&name).await;
        doubts(&cx, &name, 100).await;
        let protected = Arc::clone(&protected);
        tasks.spawn(async move {
            let mutex = node.mutex("deploy").unwrap();
            for _ in 0..10 {
                let guard = mutex.acquire().await.unwrap();
                protected.enter(&guard.grant());
                tokio::task::yield_now().await;
                protected.leave(&guard.grant());
                guard.release().await.unwrap();
            }
        });
    }
    cx.within("everybody had it", 60, tasks.join_all()).await;
    assert_eq!(protected.uses(), 30);
}

async fn lost_requests_and_replies_make_no_second_leader(cx: Context) {
    let protected = Arc::new(Protected::default());
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..3 {
        let name = format!("node-{at}");
        let node = cx.node(&name).await;
        doubts(&cx, &name, 100).await;
        let protected = Arc::clone(&protected);
        tasks.spawn(async move {
            let election = node.election("timers").unwrap();
            for _ in 0..10 {
                let leading = election.campaign().await.unwrap();
                protected.enter(&leading.grant());
                tokio::task::yield_now().await;
                protected.leave(&leading.grant());
                leading.resign().await.unwrap();
            }
        });
    }
    cx.within("everybody led", 60, tasks.join_all()).await;
    assert_eq!(protected.uses(), 30);
}
