//! Slots: one of so many configurations for each process.

use std::collections::BTreeSet;
use std::time::Duration;

use ha_core::spi::Collection;
use ha_core::work_set::{Slot, Slots};
use ha_core::{Coordinator, ErrorKind, LossReason};

use crate::case::Need;
use crate::clock::Stopwatch;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::abandon_after;
use crate::verbs::{Verbs, refused};

const YIELDS: Need = Need::Fault(FaultKind::YieldAlways);
const COMMITS: Need = Need::Fault(FaultKind::Commits);
const DELETE: Need = Need::Fault(FaultKind::Delete);
const FORGET: Need = Need::Reconciliation;

crate::case::cases! {
    "slots";
    each_slot_has_one_holder_and_the_others_wait { guarantee: "G210" }
    a_slot_that_is_given_back_is_issued_again_with_a_larger_token { guarantee: "G210" }
    the_slot_of_a_dead_holder_is_issued_again { guarantee: "G210" }
    a_try_says_that_there_is_none { guarantee: "G211" }
    a_slot_dropped_at_any_point_is_free { guarantee: "G212", needs: [YIELDS] }
    lost_requests_and_replies_leave_no_slot_behind { guarantee: "G212", needs: [COMMITS] }
    a_holder_whose_slot_is_deleted_learns_it { guarantee: "G210", needs: [DELETE] }
    a_slot_that_was_forgotten_is_lost_at_once { guarantee: "G210", needs: [FORGET] }
    a_shutdown_gives_slots_back { guarantee: "G212" }
    bad_numbers_of_slots_are_refused { guarantee: "G211" }
}

fn slots(node: &Coordinator) -> Slots {
    node.slots("configs", 3).unwrap()
}

/// How many slots are taken.
async fn taken(cx: &Context) -> usize {
    cx.observer().await.all(&Collection::parse(&["slot", "configs"]).unwrap()).await.len()
}

async fn each_slot_has_one_holder_and_the_others_wait(cx: Context) {
    let mut nodes = Vec::new();
    for at in 0..5 {
        nodes.push(cx.node(&format!("node-{at}")).await);
    }
    let mut held: Vec<Slot> = Vec::new();
    for node in &nodes[..3] {
        held.push(cx.within("there is one", 10, slots(node).acquire()).await.unwrap());
    }
    let ordinals: BTreeSet<_> = held.iter().map(Slot::ordinal).collect();
    assert_eq!(ordinals, BTreeSet::from([0, 1, 2]));
    let (fourth, fifth) = (slots(&nodes[3]), slots(&nodes[4]));
    let mut waiting = [Box::pin(fourth.acquire()), Box::pin(fifth.acquire())];
    for waiting in &mut waiting {
        cx.not_within("all are held", Duration::from_millis(50), waiting).await;
    }
    let [fourth, fifth] = waiting;
    drop(held.remove(1));
    drop(held.remove(0));
    let (fourth, fifth) = tokio::join!(fourth, fifth);
    let again: BTreeSet<_> = [fourth.unwrap(), fifth.unwrap()].iter().map(Slot::ordinal).collect();
    assert!(again.len() == 2 && !again.contains(&held[0].ordinal()));
}

async fn a_slot_that_is_given_back_is_issued_again_with_a_larger_token(cx: Context) {
    let node = cx.node("node").await;
    let one = node.slots("one", 1).unwrap();
    let mut last = None;
    for _ in 0..10 {
        let slot = cx.within("it is free", 10, one.acquire()).await.unwrap();
        assert!(slot.is_valid() && slot.ordinal() == 0);
        assert!(Some(slot.token()) > last, "the token grows");
        last = Some(slot.token());
    }
}

async fn the_slot_of_a_dead_holder_is_issued_again(cx: Context) {
    let heir = cx.node("heir").await;
    let (dying, thread) = cx.doomed_node("dying").await;
    let lost = slots(&dying).acquire().await.unwrap();
    let _others = [slots(&heir).acquire().await.unwrap(), slots(&heir).acquire().await.unwrap()];
    let dead = Stopwatch::start();
    thread.stop();
    let slot = cx.within("it is free", 10, slots(&heir).acquire()).await.unwrap();
    let latest = cx.ttl().max(dying.granted_ttl().unwrap_or_default())
        + heir.capabilities().expiry_slack
        + cx.margin();
    assert!(dead.elapsed() <= latest);
    assert_eq!(slot.ordinal(), lost.ordinal());
    assert!(slot.token() > lost.token());
}

async fn a_try_says_that_there_is_none(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(slots(&a).try_acquire().await.unwrap().unwrap());
    }
    assert!(slots(&b).try_acquire().await.unwrap().is_none());
    drop(held.pop());
    cx.until("it is free again", 10, async || slots(&b).try_acquire().await.unwrap().is_some()).await;
    // One that says fewer uses the first ones only.
    assert!(b.slots("configs", 1).unwrap().try_acquire().await.unwrap().is_none());
}

async fn a_slot_dropped_at_any_point_is_free(cx: Context) {
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    let (slow, quick) = (cx.node("slow").await, cx.node("quick").await);
    let one = slow.slots("configs", 1).unwrap();
    for polls in 0..16 {
        drop(abandon_after(polls, one.acquire()).await);
        drop(abandon_after(polls, one.try_acquire()).await);
        let other = quick.slots("configs", 1).unwrap();
        let slot = cx.within("it is free", 10, other.acquire()).await.unwrap();
        assert!(slot.is_valid(), "after {polls} polls");
    }
    cx.until("all are free", 10, async || taken(&cx).await == 0).await;
}

async fn lost_requests_and_replies_leave_no_slot_behind(cx: Context) {
    let node = cx.node("node").await;
    let faults =
        [CommitFault::LoseReply, CommitFault::LoseRequest, CommitFault::Pass, CommitFault::LoseReply];
    for _ in 0..5 {
        cx.inject(Fault::Commits(name("node"), faults.to_vec())).await;
        let slot = cx.within("there is one", 20, slots(&node).acquire()).await.unwrap();
        assert!(slot.is_valid());
        assert_eq!(taken(&cx).await, 1);
        drop(slot);
        cx.until("it is free", 20, async || taken(&cx).await == 0).await;
    }
}

async fn a_holder_whose_slot_is_deleted_learns_it(cx: Context) {
    let node = cx.node("node").await;
    let slot = slots(&node).acquire().await.unwrap();
    let key = Collection::parse(&["slot", "configs"]).unwrap().key(name("0"));
    cx.inject(Fault::Delete(cx.namespace().clone(), key)).await;
    assert_eq!(cx.within("it learns it", 10, slot.lost()).await, LossReason::Removed);
    let again = cx.within("it is free", 10, slots(&node).acquire()).await.unwrap();
    assert!(again.token() > slot.token());
}

async fn a_slot_that_was_forgotten_is_lost_at_once(cx: Context) {
    let node = cx.mortal_node("node").await;
    let kept = slots(&node).acquire().await.unwrap();
    cx.inject(Fault::Record).await;
    let forgotten = slots(&node).acquire().await.unwrap();
    let hold = cx.ttl() * 3;
    let since = Stopwatch::start();
    cx.inject(Fault::Forget(hold)).await;
    assert_eq!(cx.within("it learns it", 5, forgotten.lost()).await, LossReason::Forgotten);
    assert!(since.elapsed() < hold && kept.is_valid());
    refused(slots(&node).try_acquire().await, ErrorKind::Recovering);
    let again = cx.within("after the hold", 20, slots(&node).acquire()).await.unwrap();
    assert!(since.elapsed() >= hold && again.token() > forgotten.token());
    drop((kept, forgotten, again));
    cx.until("all are free", 20, async || taken(&cx).await == 0).await;
}

async fn a_shutdown_gives_slots_back(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let one = (a.slots("one", 1).unwrap(), b.slots("one", 1).unwrap());
    let held = one.0.acquire().await.unwrap();
    let waiting = one.0.acquire();
    let (down, lost, waiting) = tokio::join!(
        a.shutdown(Duration::from_secs(20)),
        async {
            let reason = held.lost().await;
            drop(held);
            reason
        },
        waiting
    );
    down.unwrap();
    assert_eq!(lost, LossReason::Shutdown);
    refused(waiting, ErrorKind::Closed);
    assert!(cx.within("it is free at once", 1, one.1.acquire()).await.unwrap().is_valid());
}

async fn bad_numbers_of_slots_are_refused(cx: Context) {
    let node = cx.node("node").await;
    for count in [0, Slots::MAX_COUNT + 1, u32::MAX] {
        refused(node.slots("x", count), ErrorKind::InvalidInput);
    }
    refused(node.slots("", 1), ErrorKind::InvalidInput);
    let observer = cx.builder("observer").observer().connect().await.unwrap();
    refused(observer.slots("x", 1), ErrorKind::Unsupported);
    assert_eq!(slots(&node).count(), 3);
}
