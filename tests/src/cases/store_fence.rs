//! Writes guarded by a grant: applied while it is held, refused as soon as somebody else may hold it.

use std::time::Duration;

use ha_core::spi::{Session, Txn};
use ha_core::{Coordinator, Effect, ErrorKind, FencingGate, Grant, Token};

use super::store::{entries, key};
use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::{holder_session, leader_entry};
use crate::verbs::Verbs;

const FAIL_RENEWALS: Need = Need::Fault(FaultKind::FailRenewals);

crate::case::cases! {
    "store_fence";
    the_holder_writes { guarantee: "G104" }
    a_leader_writes_while_it_leads { guarantee: "G104" }
    a_frozen_holder_whose_write_arrives_late_is_refused { guarantee: "G104", needs: [Need::Fault(FaultKind::Commits), Need::EndsSessions] }
    a_holder_that_does_not_know_of_its_loss_is_refused { guarantee: "G104", needs: [Need::EndsSessions] }
    a_holder_whose_session_expired_is_refused_in_the_next_session_too { guarantee: "G104", needs: [FAIL_RENEWALS] }
    a_holder_that_released_is_refused { guarantee: "G104" }
    a_leader_that_handed_over_is_refused { guarantee: "G104" }
    a_leader_whose_record_was_deleted_is_refused { guarantee: "G104", needs: [Need::Fault(FaultKind::Delete)] }
    a_forgotten_holder_is_refused { guarantee: "G104", needs: [Need::Reconciliation] }
    several_fences_count_each { guarantee: "G104" }
    a_gate_refuses_the_token_of_an_earlier_holder { guarantee: "G109" }
}

/// Writes as the holder of `grant`; returns whether it was applied.
async fn writes(node: &Coordinator, grant: &Grant) -> bool {
    let all = entries(node);
    let txn = match all.get("a").await.unwrap() {
        Some(entry) => Txn::new().update(entry.stamp().clone(), token(grant)),
        None => Txn::new().create(all.key("a").unwrap(), token(grant)),
    };
    node.store().commit(grant.fence(txn)).await.unwrap().is_committed()
}

fn token(grant: &Grant) -> String {
    grant.token().to_string()
}

/// Whose write stands.
async fn written_by(judge: &dyn Session) -> Option<String> {
    let entry = judge.read(&key("a")).await?;
    Some(String::from_utf8(entry.value().to_vec()).unwrap())
}

/// The new holder has written, and the old one cannot any more.
async fn refuses(judge: &dyn Session, old: (&Coordinator, &Grant), new: (&Coordinator, &Grant)) {
    assert!(new.1.token() > old.1.token());
    assert!(!writes(old.0, old.1).await, "somebody else has it");
    assert!(writes(new.0, new.1).await);
    assert!(!writes(old.0, old.1).await, "somebody else has written");
    assert_eq!(written_by(judge).await, Some(token(new.1)));
}

async fn next_holder(cx: &Context, node: &Coordinator) -> ha_core::lock::MutexGuard {
    cx.within("the next one has it", 20, node.mutex("deploy").unwrap().acquire()).await.unwrap()
}

async fn the_holder_writes(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    for _ in 0..3 {
        assert!(writes(&node, &guard).await);
    }
    assert_eq!(written_by(&*judge).await, Some(token(&guard)));
    assert!(node.store().commit(guard.fence(Txn::new())).await.unwrap().is_committed(), "it only asks");
}

async fn a_leader_writes_while_it_leads(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let leading = node.election("timers").unwrap().campaign().await.unwrap();
    assert!(writes(&node, &leading).await);
    let old = leading.grant();
    leading.resign().await.unwrap();
    let next = other.election("timers").unwrap().campaign().await.unwrap();
    refuses(&*judge, (&node, &old), (&other, &next)).await;
}

/// The process is stopped with a write on its way, which arrives when others have gone on.
async fn a_frozen_holder_whose_write_arrives_late_is_refused(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let frozen = node.mutex("deploy").unwrap().acquire().await.unwrap();
    assert!(writes(&node, &frozen).await);
    let entry = entries(&node).get("a").await.unwrap().unwrap();
    let delay = cx.ttl();
    cx.inject(Fault::Commits(name("node"), vec![CommitFault::Delay(delay)])).await;
    let late = frozen.fence(Txn::new().update(entry.stamp().clone(), "late"));
    let store = node.store();
    let writing = tokio::spawn(async move { store.commit(late).await });
    tokio::time::sleep(delay / 4).await;
    judge.end(&holder_session(&*judge, "deploy").await).await.unwrap();
    let next = next_holder(&cx, &other).await;
    let was_in_time = written_by(&*judge).await.as_deref() == Some("late");
    match cx.within("an answer", 20, writing).await.unwrap() {
        Ok(outcome) => assert_eq!(outcome.is_committed(), was_in_time),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::SessionLost, "{error}");
            assert!(!was_in_time || error.effect() == Effect::Unknown, "{error}");
        }
    }
    assert!(writes(&other, &next).await);
    tokio::time::sleep(delay * 2).await;
    assert_eq!(written_by(&*judge).await, Some(token(&next)), "the late write changes nothing");
}

/// Its loop has not looked at the grant since; the coordinator has another session by now.
async fn a_holder_that_does_not_know_of_its_loss_is_refused(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let unaware = node.mutex("deploy").unwrap().acquire().await.unwrap();
    assert!(writes(&node, &unaware).await);
    judge.end(&holder_session(&*judge, "deploy").await).await.unwrap();
    let next = next_holder(&cx, &other).await;
    cx.until("it has a session again", 20, async || entries(&node).create("up", "").await.is_ok()).await;
    refuses(&*judge, (&node, &unaware), (&other, &next)).await;
}

async fn a_holder_whose_session_expired_is_refused_in_the_next_session_too(cx: Context) {
    let (node, other, judge) = (cx.mortal_node("node").await, cx.node("other").await, cx.session().await);
    let expired = node.mutex("deploy").unwrap().acquire().await.unwrap();
    assert!(writes(&node, &expired).await);
    cx.inject(Fault::FailRenewals(name("node"))).await;
    let next = next_holder(&cx, &other).await;
    cx.inject(Fault::Heal(name("node"))).await;
    cx.within("it has lost", 10, expired.lost()).await;
    cx.until("it has a session again", 20, async || entries(&node).create("up", "").await.is_ok()).await;
    refuses(&*judge, (&node, &expired), (&other, &next)).await;
}

async fn a_holder_that_released_is_refused(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let old = guard.grant();
    guard.release().await.unwrap();
    assert!(!writes(&node, &old).await, "nobody has it, but it was given back");
    let again = node.mutex("deploy").unwrap().acquire().await.unwrap();
    refuses(&*judge, (&node, &old), (&node, &again)).await;
}

async fn a_leader_that_handed_over_is_refused(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let leading = node.election("timers").unwrap().campaign().await.unwrap();
    let old = leading.grant();
    let election = other.election("timers").unwrap();
    let standing = tokio::spawn(async move { election.campaign().await.unwrap() });
    cx.until("the other stands", 20, async || crate::nodes::candidates(&*judge, "timers").await.len() == 2)
        .await;
    leading.transfer_to("other").await.unwrap();
    let next = cx.within("the other leads", 20, standing).await.unwrap();
    refuses(&*judge, (&node, &old), (&other, &next)).await;
}

async fn a_leader_whose_record_was_deleted_is_refused(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let leading = node.election("timers").unwrap().campaign().await.unwrap();
    let record = leader_entry(&*judge, "timers").await.unwrap();
    cx.inject(Fault::Delete(cx.namespace().clone(), record.key().clone())).await;
    assert!(!writes(&node, &leading).await, "it may not have noticed yet; the store has");
    assert_eq!(written_by(&*judge).await, None);
}

async fn a_forgotten_holder_is_refused(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    cx.inject(Fault::Record).await;
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let old: (Grant, Token) = (guard.grant(), guard.token());
    cx.inject(Fault::Forget(cx.ttl())).await;
    assert!(!writes(&node, &old.0).await);
    drop(guard);
    let again = next_holder(&cx, &node).await;
    assert!(again.token() > old.1);
    refuses(&*judge, (&node, &old.0), (&node, &again)).await;
}

async fn several_fences_count_each(cx: Context) {
    let node = cx.node("node").await;
    let leading = node.election("timers").unwrap().campaign().await.unwrap();
    let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
    let both = |name: &str| leading.fence(guard.fence(Txn::new().create(key(name), "")));
    assert!(node.store().commit(both("a")).await.unwrap().is_committed());
    let late = both("b");
    guard.release().await.unwrap();
    assert!(!node.store().commit(late).await.unwrap().is_committed(), "one of two is not enough");
    node.shutdown(Duration::ZERO).await.ok();
}

/// A resource outside the store: it sees nothing but tokens.
async fn a_gate_refuses_the_token_of_an_earlier_holder(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let gate = FencingGate::new();
    let mut late: Vec<Token> = Vec::new();
    for round in 0..6 {
        let holder = if round % 2 == 0 { &node } else { &other };
        let guard = next_holder(&cx, holder).await;
        assert!(gate.enter(guard.token()).is_ok(), "the present holder");
        assert!(gate.enter(guard.token()).is_ok(), "comes more than once");
        for token in &late {
            assert!(gate.enter(*token).is_err(), "{token} after {}", guard.token());
        }
        late.push(guard.token());
        guard.release().await.unwrap();
    }
    let restarted = FencingGate::resume(gate.highest());
    assert!(late[..5].iter().all(|token| restarted.enter(*token).is_err()));
}
