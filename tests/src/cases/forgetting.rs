//! Mutex and elections on a store that forgot commits: holders that are not there any more give up, nobody is promoted early.

use std::time::Duration;

use ha_core::{ErrorKind, Event, LossReason};

use crate::case::Need;
use crate::clock::Stopwatch;
use crate::context::Context;
use crate::faults::Fault;
use crate::nodes::{candidates, leader_entry, places};
use crate::verbs::refused;

const FORGET: Need = Need::Reconciliation;

crate::case::cases! {
    "forgetting";
    a_holder_that_was_forgotten_gives_up_at_once { guarantee: "G45", needs: [FORGET] }
    a_leader_that_was_forgotten_gives_up_at_once { guarantee: "G45", needs: [FORGET] }
    a_holder_that_was_not_forgotten_stays { guarantee: "G45", needs: [FORGET] }
    a_leader_that_was_not_forgotten_stays { guarantee: "G45", needs: [FORGET] }
    nobody_has_the_lock_before_the_hold_is_over { guarantee: "G46", needs: [FORGET] }
    nobody_leads_before_the_hold_is_over { guarantee: "G46", needs: [FORGET] }
    a_try_during_the_hold_says_so { guarantee: "G46", needs: [FORGET] }
    a_place_that_comes_back_is_given_up { guarantee: "G46", needs: [FORGET] }
    a_leader_record_that_comes_back_is_given_up { guarantee: "G46", needs: [FORGET] }
    a_waiter_that_was_forgotten_queues_again { guarantee: "G46", needs: [FORGET] }
    an_event_tells_of_the_hold { guarantee: "G45", needs: [FORGET] }
}

async fn forget(cx: &Context, hold: Duration) {
    cx.inject(Fault::Forget(hold)).await;
}

/// Longer than any lease, as a real hold is, and than what a case needs to look.
fn hold(cx: &Context) -> Duration {
    cx.ttl() * 3
}

async fn a_holder_that_was_forgotten_gives_up_at_once(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    cx.inject(Fault::Record).await;
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let forgotten = Stopwatch::start();
    forget(&cx, hold(&cx)).await;
    let reason = cx.within("the holder learns it", 5, guard.lost()).await;
    assert_eq!(reason, LossReason::Forgotten);
    // Whatever it asks next tells it: nothing but renewals, while it is idle.
    assert!(forgotten.elapsed() < hold(&cx), "it held on until the hold was nearly over");
    assert_eq!(places(&*judge, "deploy").await, []);
    drop(guard);
    let again = cx.within("the lock again", 20, node.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(again.is_valid());
}

async fn a_leader_that_was_forgotten_gives_up_at_once(cx: Context) {
    let node = cx.mortal_node("node").await;
    cx.inject(Fault::Record).await;
    let leading = node.election("timers").unwrap().campaign().await.unwrap();
    let forgotten = Stopwatch::start();
    forget(&cx, hold(&cx)).await;
    let reason = cx.within("the leader learns it", 5, leading.lost()).await;
    assert_eq!(reason, LossReason::Forgotten);
    assert!(forgotten.elapsed() < hold(&cx), "it held on until the hold was nearly over");
    let old = leading.token();
    drop(leading);
    let again = cx.within("leadership again", 20, node.election("timers").unwrap().campaign()).await.unwrap();
    assert!(again.token() > old, "a token is never given twice");
}

async fn a_holder_that_was_not_forgotten_stays(cx: Context) {
    let (node, other) = (cx.mortal_node("node").await, cx.node("other").await);
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    cx.inject(Fault::Record).await;
    let later = other.mutex("forgotten").unwrap().acquire().await.unwrap();
    forget(&cx, cx.ttl()).await;
    tokio::time::sleep(cx.ttl() * 3).await;
    assert!(guard.is_valid(), "its entry is still there, and it is renewed");
    assert!(other.mutex("deploy").unwrap().try_acquire().await.unwrap().is_none());
    drop(later);
    guard.release().await.unwrap();
    let next = cx.within("the other has it", 20, other.mutex("deploy").unwrap().acquire()).await;
    assert!(next.unwrap().is_valid());
}

async fn a_leader_that_was_not_forgotten_stays(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let leading = node.election("timers").unwrap().campaign().await.unwrap();
    cx.inject(Fault::Record).await;
    forget(&cx, cx.ttl()).await;
    tokio::time::sleep(cx.ttl() * 3).await;
    assert!(leading.is_valid(), "its record is still there, and it is renewed");
    let record = leader_entry(&*judge, "timers").await.unwrap();
    assert_eq!(record.created().as_u64(), leading.token().as_u64());
    leading.resign().await.unwrap();
    assert_eq!(leader_entry(&*judge, "timers").await, None);
}

async fn nobody_has_the_lock_before_the_hold_is_over(cx: Context) {
    let (first, second) = (cx.mortal_node("first").await, cx.mortal_node("second").await);
    cx.inject(Fault::Record).await;
    let guard = first.mutex("deploy").unwrap().acquire().await.unwrap();
    let forgotten = Stopwatch::start();
    forget(&cx, hold(&cx)).await;
    let next = cx.within("the next one has it", 20, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(forgotten.elapsed() >= hold(&cx), "it was granted after {:?}", forgotten.elapsed());
    assert!(!guard.is_valid() && next.token() > guard.token());
}

async fn nobody_leads_before_the_hold_is_over(cx: Context) {
    let (first, second) = (cx.mortal_node("first").await, cx.mortal_node("second").await);
    let election = second.election("timers").unwrap();
    cx.inject(Fault::Record).await;
    let leading = first.election("timers").unwrap().campaign().await.unwrap();
    let forgotten = Stopwatch::start();
    forget(&cx, hold(&cx)).await;
    let next = cx.within("the next one leads", 20, election.campaign()).await.unwrap();
    assert!(forgotten.elapsed() >= hold(&cx), "it was elected after {:?}", forgotten.elapsed());
    assert!(!leading.is_valid() && next.token() > leading.token());
}

async fn a_try_during_the_hold_says_so(cx: Context) {
    let node = cx.node("node").await;
    cx.inject(Fault::Record).await;
    forget(&cx, cx.ttl()).await;
    let mutex = node.mutex("deploy").unwrap();
    refused(cx.within("an answer", 10, mutex.try_acquire()).await, ErrorKind::Recovering);
    cx.until("it is over", 5, async || mutex.try_acquire().await.is_ok_and(|guard| guard.is_some())).await;
}

/// A release is forgotten: the place is there again, in a live session whose driver has let go of it.
async fn a_place_that_comes_back_is_given_up(cx: Context) {
    let (first, second, judge) = (cx.mortal_node("first").await, cx.node("second").await, cx.session().await);
    let mutex = first.mutex("deploy").unwrap();
    let guard = mutex.acquire().await.unwrap();
    cx.inject(Fault::Record).await;
    let token = guard.token();
    guard.release().await.unwrap();
    forget(&cx, cx.ttl()).await;
    assert_eq!(places(&*judge, "deploy").await.len(), 1, "the store has it again");
    cx.until("it is given up", 5, async || places(&*judge, "deploy").await.is_empty()).await;
    let next = cx.within("the other has it", 20, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(next.token() > token);
}

async fn a_leader_record_that_comes_back_is_given_up(cx: Context) {
    let (first, second, judge) = (cx.mortal_node("first").await, cx.node("second").await, cx.session().await);
    let election = first.election("timers").unwrap();
    let leading = election.campaign().await.unwrap();
    cx.inject(Fault::Record).await;
    let token = leading.token();
    leading.resign().await.unwrap();
    forget(&cx, cx.ttl()).await;
    cx.until("nobody leads or stands", 5, async || {
        leader_entry(&*judge, "timers").await.is_none() && candidates(&*judge, "timers").await.is_empty()
    })
    .await;
    let next = cx.within("the other leads", 20, second.election("timers").unwrap().campaign()).await.unwrap();
    assert!(next.token() > token);
}

async fn a_waiter_that_was_forgotten_queues_again(cx: Context) {
    let (holder, waiter) = (cx.mortal_node("holder").await, cx.mortal_node("waiter").await);
    let judge = cx.session().await;
    let held = holder.mutex("deploy").unwrap().acquire().await.unwrap();
    cx.inject(Fault::Record).await;
    let mutex = waiter.mutex("deploy").unwrap();
    let waiting = tokio::spawn(async move { mutex.acquire().await.unwrap() });
    cx.until("it is queued", 10, async || places(&*judge, "deploy").await.len() == 2).await;
    forget(&cx, cx.ttl()).await;
    assert_eq!(places(&*judge, "deploy").await.len(), 1, "the store forgot the waiter");
    cx.until("it is queued again", 10, async || places(&*judge, "deploy").await.len() == 2).await;
    assert!(held.is_valid() && !waiting.is_finished());
    held.release().await.unwrap();
    assert!(cx.within("the waiter has it", 20, waiting).await.unwrap().is_valid());
}

async fn an_event_tells_of_the_hold(cx: Context) {
    let node = cx.mortal_node("node").await;
    let mut events = node.events();
    cx.inject(Fault::Record).await;
    forget(&cx, hold(&cx)).await;
    let told = loop {
        if let Event::Discontinuity { hold, .. } = cx.within("the event", 10, events.next()).await.unwrap() {
            break hold;
        }
    };
    assert!(told > Duration::ZERO && told <= hold(&cx), "{told:?} of {:?}", hold(&cx));
    assert!(node.health().recovering);
    cx.until("the hold is over", 6, async || !node.health().recovering).await;
}
