//! Futures dropped at every point: no ghost, and nobody waits behind one.

use ha_core::Coordinator;
use ha_core::spi::Session;

use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::{abandon_after, candidates, leader_entry, places, polls_of};

const YIELDS: Need = Need::Fault(FaultKind::YieldAlways);
const COMMITS: Need = Need::Fault(FaultKind::Commits);

crate::case::cases! {
    "cancellation";
    an_acquire_dropped_at_any_point_leaves_no_ghost { guarantee: "G75", needs: [YIELDS] }
    a_waiting_acquire_dropped_at_any_point_blocks_nobody { guarantee: "G75", needs: [YIELDS] }
    a_hand_over_to_a_caller_that_gives_up_goes_to_the_next { guarantee: "G75", needs: [YIELDS] }
    a_try_dropped_at_any_point_leaves_no_ghost { guarantee: "G75", needs: [YIELDS] }
    a_release_dropped_at_any_point_frees_the_lock { guarantee: "G75", needs: [YIELDS] }
    an_acquire_whose_reply_is_lost_and_that_is_dropped_leaves_no_ghost { guarantee: "G75", needs: [COMMITS] }
    a_campaign_dropped_at_any_point_leaves_no_ghost { guarantee: "G80", needs: [YIELDS] }
    a_waiting_campaign_dropped_at_any_point_blocks_nobody { guarantee: "G80", needs: [YIELDS] }
    a_resignation_dropped_at_any_point_is_made { guarantee: "G80", needs: [YIELDS] }
    a_campaign_whose_reply_is_lost_and_that_is_dropped_leaves_no_ghost { guarantee: "G80", needs: [COMMITS] }
    a_connect_dropped_at_any_point_leaves_nothing_that_blocks { guarantee: "G57", needs: [YIELDS] }
}

/// The most polls after which a future is dropped. What it asked for takes fewer, yields included.
const POLLS: usize = 24;

/// A node whose commits are pending several times before and after their effect, and one whose are not.
async fn slow_and_quick(cx: &Context) -> (Coordinator, Coordinator) {
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    (cx.node("slow").await, cx.node("quick").await)
}

/// The lock is free, for everybody.
async fn assert_free(cx: &Context, nodes: [&Coordinator; 2], judge: &dyn Session, polls: usize) {
    for node in nodes {
        let guard = cx.within("the lock is free", 10, node.mutex("deploy").unwrap().acquire()).await.unwrap();
        assert!(guard.is_valid(), "after {polls} polls");
        guard.release().await.unwrap();
    }
    cx.until("nobody is left in the queue", 10, async || places(judge, "deploy").await.is_empty()).await;
}

async fn an_acquire_dropped_at_any_point_leaves_no_ghost(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let judge = cx.session().await;
    let mutex = slow.mutex("deploy").unwrap();
    let mut acquired = 0;
    for polls in 0..POLLS {
        if let Some(guard) = abandon_after(polls_of(polls, POLLS), mutex.acquire()).await {
            acquired += 1;
            assert!(guard.unwrap().is_valid());
        }
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
    assert!((1..POLLS).contains(&acquired), "{acquired} of {POLLS} acquired before they were dropped");
}

async fn a_waiting_acquire_dropped_at_any_point_blocks_nobody(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let judge = cx.session().await;
    let mutex = slow.mutex("deploy").unwrap();
    for polls in 0..POLLS {
        let held = quick.mutex("deploy").unwrap().acquire().await.unwrap();
        let never = abandon_after(polls, mutex.acquire()).await;
        assert!(never.is_none() && held.is_valid());
        held.release().await.unwrap();
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
}

/// Drops what a task waits for, or what it was given meanwhile.
fn give_up<T>(task: tokio::task::JoinHandle<T>) {
    task.abort();
    drop(task);
}

/// The lock is released while the one who is next gives up.
async fn a_hand_over_to_a_caller_that_gives_up_goes_to_the_next(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let (third, judge) = (cx.node("third").await, cx.session().await);
    for polls in 0..POLLS {
        let held = quick.mutex("deploy").unwrap().acquire().await.unwrap();
        let next = slow.mutex("deploy").unwrap();
        let fickle = tokio::spawn(async move { next.acquire().await.unwrap() });
        cx.until("the fickle one is queued", 10, async || places(&*judge, "deploy").await.len() == 2).await;
        let last = third.mutex("deploy").unwrap();
        let patient = tokio::spawn(async move { last.acquire().await.unwrap() });
        cx.until("the patient one is queued", 10, async || places(&*judge, "deploy").await.len() == 3).await;
        let _released = abandon_after(polls, held.release()).await;
        give_up(fickle);
        let guard = cx.within("the patient one has it", 10, patient).await.unwrap();
        assert!(guard.is_valid(), "after {polls} polls");
        drop(guard);
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
}

async fn a_try_dropped_at_any_point_leaves_no_ghost(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let judge = cx.session().await;
    let mutex = slow.mutex("deploy").unwrap();
    for polls in 0..POLLS {
        drop(abandon_after(polls, mutex.try_acquire()).await);
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
        let held = quick.mutex("deploy").unwrap().acquire().await.unwrap();
        drop(abandon_after(polls, mutex.try_acquire()).await);
        held.release().await.unwrap();
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
}

async fn a_release_dropped_at_any_point_frees_the_lock(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let judge = cx.session().await;
    for polls in 0..POLLS {
        let guard = slow.mutex("deploy").unwrap().acquire().await.unwrap();
        let grant = guard.grant();
        let _released = abandon_after(polls, guard.release()).await;
        assert!(!grant.is_valid(), "after {polls} polls");
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
}

async fn an_acquire_whose_reply_is_lost_and_that_is_dropped_leaves_no_ghost(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let mutex = node.mutex("deploy").unwrap();
    for polls in 1..POLLS {
        let fault = [CommitFault::LoseReply, CommitFault::Delay(cx.ttl() / 30)][polls % 2];
        cx.inject(Fault::Commits(name("node"), vec![fault])).await;
        drop(abandon_after(polls, mutex.acquire()).await);
        assert_free(&cx, [&other, &node], &*judge, polls).await;
    }
}

/// Nobody leads or stands, and everybody can.
async fn assert_vacant(cx: &Context, nodes: [&Coordinator; 2], judge: &dyn Session, polls: usize) {
    for node in nodes {
        let election = node.election("timers").unwrap();
        let leadership = cx.within("leadership is free", 10, election.campaign()).await.unwrap();
        assert!(leadership.is_valid(), "after {polls} polls");
        leadership.resign().await.unwrap();
    }
    cx.until("nobody leads or stands", 10, async || {
        leader_entry(judge, "timers").await.is_none() && candidates(judge, "timers").await.is_empty()
    })
    .await;
}

async fn a_campaign_dropped_at_any_point_leaves_no_ghost(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let judge = cx.session().await;
    let election = slow.election("timers").unwrap();
    let mut elected = 0;
    for polls in 0..POLLS {
        if let Some(leadership) = abandon_after(polls_of(polls, POLLS), election.campaign()).await {
            elected += 1;
            assert!(leadership.unwrap().is_valid());
        }
        assert_vacant(&cx, [&quick, &slow], &*judge, polls).await;
    }
    assert!((1..POLLS).contains(&elected), "{elected} of {POLLS} were elected before they were dropped");
}

async fn a_waiting_campaign_dropped_at_any_point_blocks_nobody(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let (third, judge) = (cx.node("third").await, cx.session().await);
    for polls in 0..POLLS {
        let leading = quick.election("timers").unwrap().campaign().await.unwrap();
        let election = slow.election("timers").unwrap().priority(1).preempt(false);
        let fickle = tokio::spawn(async move { election.campaign().await.unwrap() });
        cx.until("it stands", 10, async || candidates(&*judge, "timers").await.len() == 2).await;
        let _resigned = abandon_after(polls, leading.resign()).await;
        give_up(fickle);
        assert_vacant(&cx, [&third, &slow], &*judge, polls).await;
    }
}

async fn a_resignation_dropped_at_any_point_is_made(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let judge = cx.session().await;
    for polls in 0..POLLS {
        let leading = slow.election("timers").unwrap().campaign().await.unwrap();
        let grant = leading.grant();
        let _resigned = abandon_after(polls, leading.resign()).await;
        assert!(!grant.is_valid(), "after {polls} polls");
        assert_vacant(&cx, [&quick, &slow], &*judge, polls).await;
    }
}

async fn a_campaign_whose_reply_is_lost_and_that_is_dropped_leaves_no_ghost(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let election = node.election("timers").unwrap();
    for polls in 1..POLLS {
        let fault = [CommitFault::LoseReply, CommitFault::Delay(cx.ttl() / 30)][polls % 2];
        cx.inject(Fault::Commits(name("node"), vec![fault])).await;
        drop(abandon_after(polls, election.campaign()).await);
        assert_vacant(&cx, [&other, &node], &*judge, polls).await;
    }
}

async fn a_connect_dropped_at_any_point_leaves_nothing_that_blocks(cx: Context) {
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    let quick = cx.node("quick").await;
    for polls in 0..POLLS {
        let connected = abandon_after(polls, cx.builder("slow").connect()).await;
        drop(connected.map(Result::unwrap));
        let guard = quick.mutex("deploy").unwrap().try_acquire().await.unwrap();
        let guard = guard.unwrap_or_else(|| panic!("after {polls} polls"));
        // Until it is done the next try would meet its own release.
        guard.release().await.unwrap();
    }
}
