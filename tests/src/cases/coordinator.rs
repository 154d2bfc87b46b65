//! The coordinator: sessions that replace themselves, threads of its own, its idle cost, its end.

use std::sync::Arc;
use std::time::Duration;

use ha_core::{Coordinator, ErrorKind, Event, Heartbeat, LossReason, Standing};

use crate::case::Need;
use crate::context::{Context, name};
use crate::counting::{Counting, Counts};
use crate::faults::{Fault, FaultKind};
use crate::nodes::{Protected, candidates, holder_session, leader_entry, places};
use crate::verbs::refused;

crate::case::cases! {
    "coordinator";
    a_lost_session_is_replaced_by_itself { guarantee: "G54", needs: [Need::EndsSessions] }
    a_waiting_caller_goes_on_with_the_new_session { guarantee: "G54", needs: [Need::EndsSessions] }
    nothing_of_an_old_session_is_taken_for_a_new_grant { guarantee: "G54", needs: [Need::Fault(FaultKind::FailRenewals)] }
    a_blocked_runtime_of_the_user_loses_nothing { guarantee: "G55" }
    a_service_that_stops_feeding_its_heartbeat_gives_up { guarantee: "G55" }
    a_leader_that_stops_feeding_its_heartbeat_resigns_and_keeps_the_rest { guarantee: "G55" }
    ten_thousand_locks_cost_the_renewals_of_one { guarantee: "G56" }
    a_shutdown_gives_everything_back_at_once { guarantee: "G57" }
    a_shutdown_ends_guards_that_are_not_dropped_at_its_deadline { guarantee: "G57" }
    waiting_callers_learn_of_a_shutdown { guarantee: "G57" }
    nothing_works_after_a_shutdown { guarantee: "G57" }
    a_coordinator_that_is_dropped_gives_everything_back { guarantee: "G57" }
    events_tell_of_grants_and_of_the_end { guarantee: "G57" }
}

async fn next_session(cx: &Context, events: &mut ha_core::Events) -> String {
    loop {
        if let Event::SessionOpened { session, .. } =
            cx.within("a new session", 10, events.next()).await.unwrap()
        {
            return session;
        }
    }
}

async fn a_lost_session_is_replaced_by_itself(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let mut events = node.events();
    let mut last = None;
    for _ in 0..3 {
        let guard = cx.within("the lock", 10, node.mutex("deploy").unwrap().acquire()).await.unwrap();
        assert!(Some(guard.token()) > last);
        last = Some(guard.token());
        let session = holder_session(&*judge, "deploy").await;
        judge.end(&session).await.unwrap();
        assert_eq!(cx.within("the loss is told", 10, guard.lost()).await, LossReason::SessionLost);
        assert_ne!(next_session(&cx, &mut events).await, session.to_string());
    }
    cx.until("it is healthy", 10, async || node.health().session == Some(Standing::Healthy)).await;
}

async fn a_waiting_caller_goes_on_with_the_new_session(cx: Context) {
    let (holder, waiter, judge) =
        (cx.node("holder").await, cx.mortal_node("waiter").await, cx.session().await);
    let held = holder.mutex("deploy").unwrap().acquire().await.unwrap();
    let next = waiter.mutex("deploy").unwrap();
    let waiting = tokio::spawn(async move { next.acquire().await.unwrap() });
    for _ in 0..2 {
        cx.until("the waiter is queued", 10, async || places(&*judge, "deploy").await.len() == 2).await;
        let owner = places(&*judge, "deploy").await[1].owner().cloned().unwrap();
        judge.end(&owner).await.unwrap();
    }
    cx.until("it is queued once more", 10, async || places(&*judge, "deploy").await.len() == 2).await;
    assert!(held.is_valid() && !waiting.is_finished());
    held.release().await.unwrap();
    assert!(cx.within("the waiter has it", 10, waiting).await.unwrap().is_valid());
}

/// The session is lost to its node before the store ends it: its place is still at the head of the queue.
async fn nothing_of_an_old_session_is_taken_for_a_new_grant(cx: Context) {
    let (node, other, judge) = (cx.mortal_node("node").await, cx.node("other").await, cx.session().await);
    let protected = Arc::new(Protected::default());
    for _ in 0..3 {
        let old = cx.within("the lock", 20, node.mutex("deploy").unwrap().acquire()).await.unwrap();
        protected.enter(&old.grant());
        let (next, used) = (other.mutex("deploy").unwrap(), Arc::clone(&protected));
        let waiting = tokio::spawn(async move {
            let guard = next.acquire().await.unwrap();
            used.enter(&guard.grant());
            used.leave(&guard.grant());
        });
        cx.until("the other is queued", 10, async || places(&*judge, "deploy").await.len() == 2).await;
        cx.inject(Fault::FailRenewals(name("node"))).await;
        cx.within("the loss is told", 10, old.lost()).await;
        cx.inject(Fault::Heal(name("node"))).await;
        let again = cx.within("the lock again", 20, node.mutex("deploy").unwrap().acquire()).await.unwrap();
        protected.enter(&again.grant());
        let head = places(&*judge, "deploy").await.remove(0);
        assert_eq!(head.created().as_u64(), again.token().as_u64(), "the token is that of its own place");
        protected.leave(&again.grant());
        drop(again);
        cx.within("the other had it", 20, waiting).await.unwrap();
    }
}

async fn a_blocked_runtime_of_the_user_loses_nothing(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let session = holder_session(&*judge, "deploy").await;
    let blocked = cx.ttl() * 4;
    let sleep = || tokio::spawn(async move { std::thread::sleep(blocked) });
    let workers: Vec<_> = (0..4).map(|_| sleep()).collect();
    std::thread::sleep(blocked);
    assert!(guard.is_valid(), "renewals run on a thread of their own");
    // The judge lives on the blocked runtime.
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(holder_session(&*judge, "deploy").await, session);
    assert_eq!(guard.standing(), Standing::Healthy);
}

/// Feeds a heartbeat until the handle is aborted.
fn feed(heartbeat: &Heartbeat, every: Duration) -> tokio::task::JoinHandle<()> {
    let heartbeat = heartbeat.clone();
    tokio::spawn(async move {
        loop {
            heartbeat.feed();
            tokio::time::sleep(every).await;
        }
    })
}

async fn a_service_that_stops_feeding_its_heartbeat_gives_up(cx: Context) {
    let limit = cx.ttl() * 2;
    let heartbeat = Heartbeat::new(limit).unwrap();
    let node = cx.builder("node").heartbeat(heartbeat.clone()).connect().await.unwrap();
    let other = cx.node("other").await;
    let feeding = feed(&heartbeat, limit / 20);
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    tokio::time::sleep(limit * 2).await;
    assert!(guard.is_valid(), "it is fed");
    feeding.abort();
    let reason = cx.within("it gives up", 4, guard.lost()).await;
    assert_eq!(reason, LossReason::Unhealthy);
    // The session is closed, so that nobody waits for its long ttl.
    let next = cx.within("the other has it", 4, other.mutex("deploy").unwrap().acquire()).await.unwrap();
    next.release().await.unwrap();
    let _feeding = feed(&heartbeat, limit / 20);
    let again = cx.within("it is back", 10, node.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(again.token() > guard.token());
}

async fn a_leader_that_stops_feeding_its_heartbeat_resigns_and_keeps_the_rest(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let heartbeat = Heartbeat::new(cx.ttl() * 2).unwrap();
    let election = node.election("timers").unwrap().heartbeat(&heartbeat);
    let feeding = feed(&heartbeat, cx.ttl() / 10);
    let lock = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let leading = cx.within("leadership", 10, election.campaign()).await.unwrap();
    feeding.abort();
    assert_eq!(cx.within("it resigns", 4, leading.lost()).await, LossReason::Unhealthy);
    drop(leading);
    let next = cx.within("the other leads", 4, other.election("timers").unwrap().campaign()).await.unwrap();
    assert!(lock.is_valid(), "its lock is not concerned");
    cx.not_within("it does not stand unfed", cx.ttl(), election.campaign()).await;
    next.resign().await.unwrap();
    let _feeding = feed(&heartbeat, cx.ttl() / 10);
    assert!(cx.within("it leads again", 10, election.campaign()).await.unwrap().is_valid());
}

async fn counted_node(cx: &Context, node: &str) -> (Coordinator, Arc<Counts>) {
    let (backend, counts) = Counting::wrap(cx.connect_as(node));
    // It is not to be lost while the machine creates ten thousand of something.
    (cx.builder_on(backend, node).ttl(cx.ttl() * 3).connect().await.unwrap(), counts)
}

async fn ten_thousand_locks_cost_the_renewals_of_one(cx: Context) {
    let (few, few_counts) = counted_node(&cx, "few").await;
    let (many, many_counts) = counted_node(&cx, "many").await;
    let _one = few.mutex("one").unwrap().acquire().await.unwrap();
    let mut guards = Vec::new();
    for hundred in 0..100 {
        let mut tasks = tokio::task::JoinSet::new();
        for lock in 0..100 {
            let mutex = many.mutex(&format!("lock-{hundred}-{lock}")).unwrap();
            tasks.spawn(async move { mutex.acquire().await.unwrap() });
        }
        guards.extend(tasks.join_all().await);
    }
    let count = || [&few_counts, &many_counts].map(|counts| (counts.renewals(), counts.others()));
    let before = count();
    tokio::time::sleep(cx.ttl() * 6).await;
    let [few, many] = {
        let after = count();
        [0, 1].map(|at| (after[at].0 - before[at].0, after[at].1 - before[at].1))
    };
    assert_eq!((few.1, many.1), (0, 0), "idle locks ask for nothing but renewals");
    assert!((2..=24).contains(&few.0), "{} renewals in two ttl", few.0);
    assert!(many.0 <= few.0 + few.0 / 2 + 2, "{} renewals for many locks, {} for one", many.0, few.0);
    assert!(guards.iter().all(|guard| guard.is_valid()));
}

async fn a_shutdown_gives_everything_back_at_once(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let leading = node.election("timers").unwrap().campaign().await.unwrap();
    let holding = tokio::spawn(async move {
        let reasons = (guard.lost().await, leading.lost().await);
        drop((guard, leading));
        reasons
    });
    cx.within("the shutdown", 10, node.shutdown(Duration::from_secs(60))).await.unwrap();
    assert_eq!(holding.await.unwrap(), (LossReason::Shutdown, LossReason::Shutdown));
    assert_eq!(places(&*judge, "deploy").await, []);
    assert_eq!(leader_entry(&*judge, "timers").await, None);
    assert_eq!(candidates(&*judge, "timers").await, []);
    assert!(other.mutex("deploy").unwrap().try_acquire().await.unwrap().is_some());
    cx.within("a second shutdown", 10, node.shutdown(Duration::from_secs(60))).await.unwrap();
}

async fn a_shutdown_ends_guards_that_are_not_dropped_at_its_deadline(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let ended = cx.within("the shutdown", 10, node.shutdown(cx.ttl())).await;
    refused(ended, ErrorKind::Timeout);
    assert_eq!(guard.lost().await, LossReason::Shutdown);
    assert!(!guard.is_valid());
    let next = cx.within("the other has it", 10, other.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(next.token() > guard.token());
}

async fn waiting_callers_learn_of_a_shutdown(cx: Context) {
    let (holder, node, judge) = (cx.node("holder").await, cx.node("node").await, cx.session().await);
    let _held = holder.mutex("deploy").unwrap().acquire().await.unwrap();
    let _leading = holder.election("timers").unwrap().campaign().await.unwrap();
    let (mutex, election) = (node.mutex("deploy").unwrap(), node.election("timers").unwrap());
    let acquiring = tokio::spawn(async move { mutex.acquire().await });
    let campaigning = tokio::spawn(async move { election.campaign().await });
    cx.until("both wait", 10, async || {
        places(&*judge, "deploy").await.len() == 2 && candidates(&*judge, "timers").await.len() == 2
    })
    .await;
    cx.within("the shutdown", 10, node.shutdown(Duration::from_secs(60))).await.unwrap();
    refused(cx.within("an answer", 10, acquiring).await.unwrap(), ErrorKind::Closed);
    refused(cx.within("an answer", 10, campaigning).await.unwrap(), ErrorKind::Closed);
    assert_eq!(places(&*judge, "deploy").await.len(), 1, "the one who waited is gone");
}

async fn nothing_works_after_a_shutdown(cx: Context) {
    let node = cx.node("node").await;
    let (mutex, election) = (node.mutex("deploy").unwrap(), node.election("timers").unwrap());
    node.shutdown(Duration::from_secs(60)).await.unwrap();
    refused(cx.within("an answer", 10, mutex.acquire()).await, ErrorKind::Closed);
    refused(cx.within("an answer", 10, mutex.try_acquire()).await, ErrorKind::Closed);
    refused(cx.within("an answer", 10, election.campaign()).await, ErrorKind::Closed);
    refused(cx.within("an answer", 10, election.run(|_| async {})).await, ErrorKind::Closed);
    let later = node.mutex("other").unwrap();
    refused(cx.within("an answer", 10, later.acquire()).await, ErrorKind::Closed);
    assert!(node.health().closing);
}

async fn a_coordinator_that_is_dropped_gives_everything_back(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let clone = node.clone();
    drop(node);
    assert!(guard.is_valid(), "a clone is left");
    drop(clone);
    assert_eq!(cx.within("the loss is told", 10, guard.lost()).await, LossReason::Shutdown);
    drop(guard);
    let next = cx.within("the other has it", 10, other.mutex("deploy").unwrap().acquire()).await;
    assert!(next.unwrap().is_valid());
}

async fn events_tell_of_grants_and_of_the_end(cx: Context) {
    let node = cx.node("node").await;
    let mut events = node.events();
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let token = guard.token();
    guard.release().await.unwrap();
    node.shutdown(Duration::from_secs(60)).await.unwrap();
    let mut seen = Vec::new();
    while let Some(event) = cx.within("the events end", 10, events.next()).await {
        seen.push(event);
    }
    let name = || "deploy".to_owned();
    let granted = Event::Granted { kind: "mutex", name: name(), token };
    let ended = Event::Ended { kind: "mutex", name: name(), token, reason: LossReason::Released };
    let at = |event: &Event| seen.iter().position(|other| other == event);
    assert!(at(&granted).is_some() && at(&granted) < at(&ended), "{seen:?}");
    assert_eq!(seen.last(), Some(&Event::Closed));
}
