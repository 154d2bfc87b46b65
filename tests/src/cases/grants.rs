//! Grants: lost before anybody else holds the same thing, said so in time, and fenced.

use std::time::Duration;

use ha_core::spi::{Naming, Txn};
use ha_core::{Coordinator, Event, Grant, LossReason, Standing};

use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{Fault, FaultKind};
use crate::nodes::{holder_session, places, poll_once};
use crate::verbs::{Verbs, only_stamp};

const FAIL_RENEWALS: Need = Need::Fault(FaultKind::FailRenewals);

crate::case::cases! {
    "grants";
    a_holder_that_cannot_renew_loses_the_lock_before_the_next_has_it { guarantee: "G50", needs: [FAIL_RENEWALS] }
    a_leader_that_cannot_renew_loses_before_the_next_leads { guarantee: "G50", needs: [FAIL_RENEWALS] }
    a_holder_that_is_cut_off_loses_the_lock_before_the_next_has_it { guarantee: "G50", needs: [Need::Fault(FaultKind::Cut)] }
    a_holder_that_hears_nothing_loses_the_lock_before_the_next_has_it { guarantee: "G50", needs: [Need::Fault(FaultKind::CutReplies)] }
    a_frozen_holder_is_not_valid_when_the_next_has_the_lock { guarantee: "G50" }
    a_blip_that_heals_in_time_costs_nothing { guarantee: "G51", needs: [FAIL_RENEWALS] }
    a_late_renewal_is_told_before_the_loss { guarantee: "G51", needs: [FAIL_RENEWALS] }
    a_loss_is_an_event_with_a_reason { guarantee: "G52", needs: [Need::EndsSessions] }
    a_lost_grant_stays_lost { guarantee: "G52", needs: [FAIL_RENEWALS] }
    cancelling_the_token_of_a_grant_affects_nobody_else { guarantee: "G52" }
    a_fenced_write_of_the_holder_is_applied { guarantee: "G53" }
    a_fenced_write_of_an_earlier_holder_is_refused { guarantee: "G53", needs: [Need::EndsSessions] }
    a_fenced_write_of_an_earlier_leader_is_refused { guarantee: "G53", needs: [Need::EndsSessions] }
    a_fenced_write_after_the_release_is_refused { guarantee: "G53" }
}

/// The lock `deploy`, held by a node with the short ttl.
async fn held_by(node: &Coordinator) -> ha_core::lock::MutexGuard {
    node.mutex("deploy").unwrap().acquire().await.unwrap()
}

/// Whether the holder of `grant` has been told of its loss by now, without waiting.
async fn is_told(grant: &Grant) -> Option<LossReason> {
    let lost = std::pin::pin!(grant.lost());
    poll_once(lost).await
}

/// Breaks the first node in some way, and waits until the second one has the lock.
async fn passes_after_loss(cx: &Context, fault: Fault) {
    let (first, second, judge) = (cx.mortal_node("first").await, cx.node("second").await, cx.session().await);
    let guard = held_by(&first).await;
    let next = second.mutex("deploy").unwrap();
    let waiting = tokio::spawn(async move { next.acquire().await.unwrap() });
    cx.until("the next one is queued", 10, async || places(&*judge, "deploy").await.len() == 2).await;
    assert!(guard.is_valid());
    cx.inject(fault).await;
    let next = cx.within("the next one has it", 10, waiting).await.unwrap();
    assert!(!guard.is_valid(), "two hold the lock");
    assert_eq!(is_told(&guard).await, Some(LossReason::Expired), "the loss is told before");
    assert!(guard.cancellation().is_cancelled() && guard.remaining() == Duration::ZERO);
    assert!(next.is_valid() && next.token() > guard.token());
}

async fn a_holder_that_cannot_renew_loses_the_lock_before_the_next_has_it(cx: Context) {
    passes_after_loss(&cx, Fault::FailRenewals(name("first"))).await;
}

async fn a_holder_that_is_cut_off_loses_the_lock_before_the_next_has_it(cx: Context) {
    passes_after_loss(&cx, Fault::Cut(name("first"))).await;
}

async fn a_leader_that_cannot_renew_loses_before_the_next_leads(cx: Context) {
    let (first, second) = (cx.mortal_node("first").await, cx.node("second").await);
    let leading = first.election("timers").unwrap().campaign().await.unwrap();
    let election = second.election("timers").unwrap();
    let waiting = tokio::spawn(async move { election.campaign().await.unwrap() });
    cx.inject(Fault::FailRenewals(name("first"))).await;
    let next = cx.within("the next one leads", 10, waiting).await.unwrap();
    assert!(!leading.is_valid(), "two lead");
    assert_eq!(is_told(&leading).await, Some(LossReason::Expired), "the loss is told before");
    assert!(next.token() > leading.token());
}

/// Renewals arrive, so that the session lives on; their sender does not know it.
async fn a_holder_that_hears_nothing_loses_the_lock_before_the_next_has_it(cx: Context) {
    let (first, second) = (cx.mortal_node("first").await, cx.node("second").await);
    let guard = held_by(&first).await;
    cx.inject(Fault::CutReplies(name("first"))).await;
    let next = second.mutex("deploy").unwrap();
    let waiting = tokio::spawn(async move { next.acquire().await.unwrap() });
    assert_eq!(cx.within("the loss is told", 10, guard.lost()).await, LossReason::Expired);
    cx.inject(Fault::Heal(name("first"))).await;
    let next = cx.within("the next one has it", 20, waiting).await.unwrap();
    assert!(!guard.is_valid() && next.token() > guard.token());
}

/// The thread that renews is stopped, like all of a frozen process: nobody tells the grant, and the clock ends it.
async fn a_frozen_holder_is_not_valid_when_the_next_has_the_lock(cx: Context) {
    let second = cx.node("second").await;
    let (first, thread) = cx.doomed_node("first").await;
    let guard = held_by(&first).await;
    thread.stop();
    let next = cx.within("the next one has it", 10, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(!guard.is_valid(), "two hold the lock");
    assert_eq!(guard.remaining(), Duration::ZERO);
    assert!(matches!(guard.standing(), Standing::Lost(_)));
    assert!(next.token() > guard.token());
}

async fn a_blip_that_heals_in_time_costs_nothing(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let guard = held_by(&node).await;
    let session = holder_session(&*judge, "deploy").await;
    for _ in 0..3 {
        cx.inject(Fault::FailRenewals(name("node"))).await;
        let remaining = cx.within("a late renewal is told", 10, guard.suspect()).await;
        cx.inject(Fault::Heal(name("node"))).await;
        assert!(remaining > Duration::ZERO, "it is told before the loss");
        cx.until("it is healthy again", 10, async || guard.standing() == Standing::Healthy).await;
    }
    assert!(guard.is_valid());
    assert_eq!(holder_session(&*judge, "deploy").await, session, "it is the same session");
}

async fn a_late_renewal_is_told_before_the_loss(cx: Context) {
    let node = cx.mortal_node("node").await;
    let mut events = node.events();
    let guard = held_by(&node).await;
    cx.inject(Fault::FailRenewals(name("node"))).await;
    let remaining = cx.within("a late renewal is told", 10, guard.suspect()).await;
    assert!(remaining > Duration::ZERO && remaining < cx.ttl(), "{remaining:?} are left");
    assert_eq!(cx.within("the loss is told", 10, guard.lost()).await, LossReason::Expired);
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(Event::SessionLost(_))) {
        seen.push(cx.within("the event", 10, events.next()).await.unwrap());
    }
    assert_eq!(seen.pop(), Some(Event::SessionLost(LossReason::Expired)));
    assert!(seen.iter().any(|event| matches!(event, Event::Suspect { .. })), "{seen:?}");
}

async fn a_loss_is_an_event_with_a_reason(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let guard = held_by(&node).await;
    let (grant, cancelled) = (guard.grant(), guard.cancellation());
    judge.end(&holder_session(&*judge, "deploy").await).await.unwrap();
    assert_eq!(cx.within("the loss is told", 10, guard.lost()).await, LossReason::SessionLost);
    cx.within("the cancellation fires", 10, cancelled.cancelled()).await;
    assert!(!grant.is_valid() && grant.remaining() == Duration::ZERO);
    assert_eq!(grant.standing(), Standing::Lost(LossReason::SessionLost));
    drop(guard);
    assert_eq!(grant.lost().await, LossReason::SessionLost, "the first reason stays");
}

async fn a_lost_grant_stays_lost(cx: Context) {
    let node = cx.mortal_node("node").await;
    let guard = held_by(&node).await;
    cx.inject(Fault::FailRenewals(name("node"))).await;
    cx.within("the loss is told", 10, guard.lost()).await;
    cx.inject(Fault::Heal(name("node"))).await;
    let again = cx.within("the lock again", 10, node.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(again.is_valid() && again.token() > guard.token());
    assert!(!guard.is_valid(), "the old grant does not come back with the new one");
}

async fn cancelling_the_token_of_a_grant_affects_nobody_else(cx: Context) {
    let node = cx.node("node").await;
    let guard = held_by(&node).await;
    let other = guard.cancellation();
    guard.cancellation().cancel();
    assert!(guard.is_valid() && !other.is_cancelled());
}

async fn a_fenced_write_of_the_holder_is_applied(cx: Context) {
    let (node, store) = (cx.node("node").await, cx.session().await);
    let guard = held_by(&node).await;
    let txn = Txn::new().create_persistent(cx.key("c", "a"), "1", Naming::Reusable);
    let stamp = only_stamp(store.apply(guard.fence(txn)).await);
    store.apply(guard.fence(Txn::new().update(stamp, "2"))).await;
}

/// Writes as the holder of a grant whose entry was taken away, which it need not know.
async fn refuses_stale(cx: &Context, store: &dyn ha_core::spi::Session, old: &Grant, new: &Grant) {
    let write = || Txn::new().create_persistent(cx.key("c", "a"), "", Naming::Reusable);
    store.refuse(old.fence(write())).await;
    assert_eq!(store.all(&cx.collection("c")).await, []);
    store.apply(new.fence(write())).await;
}

async fn a_fenced_write_of_an_earlier_holder_is_refused(cx: Context) {
    let (first, second, store) = (cx.node("first").await, cx.node("second").await, cx.session().await);
    let old = held_by(&first).await;
    store.end(&holder_session(&*store, "deploy").await).await.unwrap();
    let new = cx.within("the next one has it", 10, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    refuses_stale(&cx, &*store, &old, &new).await;
}

async fn a_fenced_write_of_an_earlier_leader_is_refused(cx: Context) {
    let (first, second, store) = (cx.node("first").await, cx.node("second").await, cx.session().await);
    let old = first.election("timers").unwrap().campaign().await.unwrap();
    let record = crate::nodes::leader_entry(&*store, "timers").await.unwrap();
    store.end(record.owner().unwrap()).await.unwrap();
    let election = second.election("timers").unwrap();
    let new = cx.within("the next one leads", 10, election.campaign()).await.unwrap();
    refuses_stale(&cx, &*store, &old, &new).await;
}

async fn a_fenced_write_after_the_release_is_refused(cx: Context) {
    let (node, store) = (cx.node("node").await, cx.session().await);
    let guard = held_by(&node).await;
    let old = guard.grant();
    guard.release().await.unwrap();
    let again = held_by(&node).await;
    refuses_stale(&cx, &*store, &old, &again).await;
}
