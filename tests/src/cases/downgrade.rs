//! A writer that goes on as a reader: nobody writes in between, and its exclusive fence is void.

use ha_core::spi::{Naming, Session, Txn};
use ha_core::{Coordinator, ErrorKind, LossReason};

use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::{abandon_after, holder_session, places, poll_once, polls_of, queued};
use crate::verbs::{Verbs, refused};

const YIELDS: Need = Need::Fault(FaultKind::YieldAlways);
const COMMITS: Need = Need::Fault(FaultKind::Commits);
const FORGET: Need = Need::Reconciliation;
const CUT: Need = Need::Fault(FaultKind::Cut);

crate::case::cases! {
    "downgrade";
    a_downgrade_lets_readers_in_and_no_writer { guarantee: "G143" }
    a_downgrade_lets_readers_of_the_same_node_in { guarantee: "G143" }
    a_downgrade_ends_the_grant_to_write_at_once { guarantee: "G143" }
    the_fence_of_a_writer_is_void_once_others_can_read { guarantee: "G143" }
    the_fence_of_a_writer_holds_until_then { guarantee: "G143" }
    a_downgrade_whose_reply_is_lost_is_made { guarantee: "G143", needs: [COMMITS] }
    a_downgrade_that_meets_a_broken_connection_is_made_later { guarantee: "G143", needs: [CUT] }
    a_downgrade_after_the_session_is_lost_says_so { guarantee: "G143", needs: [Need::EndsSessions] }
    a_downgrade_of_a_place_that_was_deleted_says_so { guarantee: "G143" }
    a_downgrade_that_was_forgotten_is_made_again { guarantee: "G143", needs: [FORGET] }
    a_downgrade_dropped_at_any_point_leaves_no_ghost { guarantee: "G144", needs: [YIELDS] }
    a_downgrade_whose_reply_is_lost_and_that_is_dropped_leaves_no_ghost { guarantee: "G144", needs: [COMMITS] }
}

/// A node that reads once it can, in a task that tells.
fn read(node: &Coordinator) -> tokio::task::JoinHandle<ha_core::lock::ReadGuard> {
    let lock = node.rw_lock("config").unwrap();
    tokio::spawn(async move { lock.read().await.unwrap() })
}

/// Whether a write that `fence` guards is applied.
async fn is_let_through(judge: &dyn Session, cx: &Context, fence: impl Fn(Txn) -> Txn, entry: &str) -> bool {
    let write = Txn::new().create_persistent(cx.key("c", entry), "", Naming::Reusable);
    judge.commit(fence(write)).await.unwrap().committed().is_some()
}

async fn a_downgrade_lets_readers_in_and_no_writer(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let (near, writer, far) = (cx.node("near").await, cx.node("writer").await, cx.node("far").await);
    let writing = node.rw_lock("config").unwrap().write().await.unwrap();
    let token = writing.token();
    let near = read(&near);
    queued(&cx, &*judge, "config", 2).await;
    let lock = writer.rw_lock("config").unwrap();
    let waiting = tokio::spawn(async move { lock.write().await.unwrap() });
    queued(&cx, &*judge, "config", 3).await;
    let far = read(&far);
    queued(&cx, &*judge, "config", 4).await;
    let reading = cx.within("it reads", 20, writing.downgrade()).await.unwrap();
    let near = cx.within("who waited right behind reads as well", 20, near).await.unwrap();
    assert!(reading.is_valid() && near.is_valid() && reading.token() == token);
    cx.not_within("the writer", cx.ttl() / 2, async {
        while !waiting.is_finished() {
            tokio::task::yield_now().await
        }
    })
    .await;
    assert!(!far.is_finished(), "it waits behind the writer");
    reading.release().await.unwrap();
    near.release().await.unwrap();
    let written = cx.within("the writer has it", 20, waiting).await.unwrap();
    assert!(written.token() > token);
    written.release().await.unwrap();
    drop(cx.within("the last one reads", 20, far).await.unwrap());
}

async fn a_downgrade_lets_readers_of_the_same_node_in(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let writing = node.rw_lock("config").unwrap().write().await.unwrap();
    let others = [read(&node), read(&node), read(&node)];
    queued(&cx, &*judge, "config", 2).await;
    let reading = writing.downgrade().await.unwrap();
    for other in others {
        assert!(cx.within("it reads as well", 20, other).await.unwrap().is_valid());
    }
    assert!(reading.is_valid());
}

async fn a_downgrade_ends_the_grant_to_write_at_once(cx: Context) {
    let node = cx.node("node").await;
    let writing = node.rw_lock("config").unwrap().write().await.unwrap();
    let grant = writing.grant();
    let mut downgrade = Box::pin(writing.downgrade());
    let first = poll_once(downgrade.as_mut()).await;
    assert!(!grant.is_valid(), "before anything is answered");
    assert_eq!(grant.lost().await, LossReason::Downgraded);
    let reading = match first {
        Some(reading) => reading,
        None => cx.within("it reads", 20, downgrade).await,
    };
    assert!(reading.unwrap().is_valid() && !grant.is_valid());
}

async fn the_fence_of_a_writer_is_void_once_others_can_read(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let writing = node.rw_lock("config").unwrap().write().await.unwrap();
    let exclusive = writing.grant();
    let reading = writing.downgrade().await.unwrap();
    let beside = cx.within("others read", 20, other.rw_lock("config").unwrap().read()).await.unwrap();
    assert!(!is_let_through(&*judge, &cx, |txn| exclusive.fence(txn), "late").await, "a late write");
    assert!(is_let_through(&*judge, &cx, |txn| reading.fence(txn), "in time").await);
    assert!(is_let_through(&*judge, &cx, |txn| beside.fence(txn), "beside").await);
    let grant = reading.grant();
    reading.release().await.unwrap();
    assert!(!is_let_through(&*judge, &cx, |txn| grant.fence(txn), "too late").await);
}

async fn the_fence_of_a_writer_holds_until_then(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let writing = node.rw_lock("config").unwrap().write().await.unwrap();
    assert!(is_let_through(&*judge, &cx, |txn| writing.fence(txn), "in time").await);
    let grant = writing.grant();
    writing.release().await.unwrap();
    assert!(!is_let_through(&*judge, &cx, |txn| grant.fence(txn), "late").await);
}

async fn a_downgrade_whose_reply_is_lost_is_made(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    for fault in [CommitFault::LoseReply, CommitFault::LoseRequest, CommitFault::Delay(cx.ttl() / 10)] {
        let writing = cx.within("it writes", 20, node.rw_lock("config").unwrap().write()).await.unwrap();
        cx.inject(Fault::Commits(name("node"), vec![fault])).await;
        let reading = cx.within("it reads", 20, writing.downgrade()).await.unwrap();
        let beside = cx.within("others read", 20, other.rw_lock("config").unwrap().read()).await.unwrap();
        assert!(reading.is_valid() && beside.is_valid(), "after {fault:?}");
        beside.release().await.unwrap();
        reading.release().await.unwrap();
    }
}

async fn a_downgrade_that_meets_a_broken_connection_is_made_later(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let writing = node.rw_lock("config").unwrap().write().await.unwrap();
    cx.inject(Fault::Cut(name("node"))).await;
    let downgrade = tokio::spawn(writing.downgrade());
    tokio::time::sleep(cx.ttl() / 4).await;
    assert!(other.rw_lock("config").unwrap().try_read().await.unwrap().is_none(), "nobody knows it yet");
    cx.inject(Fault::Heal(name("node"))).await;
    let reading = cx.within("it reads", 10, downgrade).await.unwrap().unwrap();
    let beside = cx.within("others read", 10, other.rw_lock("config").unwrap().read()).await.unwrap();
    assert!(reading.is_valid() && beside.is_valid());
}

async fn a_downgrade_after_the_session_is_lost_says_so(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let writing = node.rw_lock("config").unwrap().write().await.unwrap();
    judge.end(&holder_session(&*judge, "config").await).await.unwrap();
    cx.within("it is lost", 10, writing.lost()).await;
    let downgraded = cx.within("an answer", 10, writing.downgrade()).await;
    refused(downgraded, ErrorKind::SessionLost);
    drop(cx.within("it is free", 10, node.rw_lock("config").unwrap().write()).await.unwrap());
}

async fn a_downgrade_of_a_place_that_was_deleted_says_so(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let writing = node.rw_lock("config").unwrap().write().await.unwrap();
    let place = places(&*judge, "config").await.remove(0);
    judge.apply(Txn::new().delete(place.stamp().clone())).await;
    refused(cx.within("an answer", 10, writing.downgrade()).await, ErrorKind::SessionLost);
    drop(cx.within("it is free", 10, node.rw_lock("config").unwrap().write()).await.unwrap());
}

/// Otherwise the state that came back would satisfy the fence of the writer.
async fn a_downgrade_that_was_forgotten_is_made_again(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let writing = node.rw_lock("config").unwrap().write().await.unwrap();
    let exclusive = writing.grant();
    cx.inject(Fault::Record).await;
    let reading = writing.downgrade().await.unwrap();
    let before = places(&*judge, "config").await.remove(0);
    cx.inject(Fault::Forget(cx.ttl())).await;
    let forgotten = places(&*judge, "config").await.remove(0);
    assert_ne!(forgotten.value(), before.value(), "the store forgot it");
    let again = async || places(&*judge, "config").await.remove(0).value() == before.value();
    cx.until("the store is told again", 5, again).await;
    assert!(reading.is_valid(), "its entry was there all the time");
    assert!(!is_let_through(&*judge, &cx, |txn| exclusive.fence(txn), "late").await);
    assert!(is_let_through(&*judge, &cx, |txn| reading.fence(txn), "in time").await);
}

/// The most polls after which a future is dropped. What it asked for takes fewer, yields included.
const POLLS: usize = 24;

/// Everybody can write and read, and nothing is left.
async fn assert_free(cx: &Context, nodes: [&Coordinator; 2], judge: &dyn Session, polls: usize) {
    for node in nodes {
        let lock = node.rw_lock("config").unwrap();
        let guard = cx.within("the lock is free", 10, lock.write()).await.unwrap();
        assert!(guard.is_valid(), "after {polls} polls");
        guard.release().await.unwrap();
    }
    queued(cx, judge, "config", 0).await;
}

async fn a_downgrade_dropped_at_any_point_leaves_no_ghost(cx: Context) {
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    let (slow, quick, judge) = (cx.node("slow").await, cx.node("quick").await, cx.session().await);
    let mut made = 0;
    for polls in 0..POLLS {
        let writing = slow.rw_lock("config").unwrap().write().await.unwrap();
        let grant = writing.grant();
        let reader = read(&quick);
        queued(&cx, &*judge, "config", 2).await;
        let downgraded = abandon_after(polls_of(polls, POLLS), writing.downgrade()).await;
        if polls > 0 {
            assert!(!grant.is_valid());
        }
        made += usize::from(downgraded.is_some());
        drop(downgraded.map(Result::unwrap));
        drop(cx.within("the reader behind it reads", 10, reader).await.unwrap());
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
    assert!((1..POLLS).contains(&made), "{made} of {POLLS} were made before they were dropped");
}

async fn a_downgrade_whose_reply_is_lost_and_that_is_dropped_leaves_no_ghost(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    for polls in 1..POLLS {
        let writing = cx.within("it writes", 10, node.rw_lock("config").unwrap().write()).await.unwrap();
        let fault = [CommitFault::LoseReply, CommitFault::Delay(cx.ttl() / 30)][polls % 2];
        cx.inject(Fault::Commits(name("node"), vec![fault])).await;
        drop(abandon_after(polls, writing.downgrade()).await);
        assert_free(&cx, [&other, &node], &*judge, polls).await;
    }
}
