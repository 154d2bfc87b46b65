//! Read-write locks and semaphores when callers give up, nodes die, and stores forget.

use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::{Session, Txn};
use ha_core::{Coordinator, LossReason};

use crate::case::Need;
use crate::clock::Stopwatch;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::{Shares, abandon_after, places, polls_of, queued};
use crate::verbs::Verbs;

const YIELDS: Need = Need::Fault(FaultKind::YieldAlways);
const COMMITS: Need = Need::Fault(FaultKind::Commits);
const FORGET: Need = Need::Reconciliation;
const CUT: Need = Need::Fault(FaultKind::Cut);

crate::case::cases! {
    "sharing";
    a_read_dropped_at_any_point_leaves_no_ghost { guarantee: "G144", needs: [YIELDS] }
    a_write_dropped_at_any_point_lets_the_readers_behind_it_in { guarantee: "G144", needs: [YIELDS] }
    permits_dropped_at_any_point_are_not_lost { guarantee: "G150", needs: [YIELDS] }
    permits_whose_reply_is_lost_and_that_are_dropped_are_not_lost { guarantee: "G150", needs: [COMMITS] }
    permits_given_to_a_caller_that_gives_up_go_to_the_next { guarantee: "G150", needs: [YIELDS] }
    lost_requests_and_replies_give_nobody_too_much { guarantee: "G146", needs: [COMMITS] }
    the_permits_of_a_dead_node_are_free_within_its_ttl { guarantee: "G79" }
    a_frozen_reader_is_not_valid_when_a_writer_has_the_lock { guarantee: "G50" }
    a_reader_that_dies_in_the_queue_promotes_nobody { guarantee: "G79", needs: [Need::EndsSessions] }
    a_waiter_for_permits_whose_place_is_deleted_queues_again { guarantee: "G79" }
    permits_released_through_a_broken_connection_are_free_later { guarantee: "G79", needs: [CUT] }
    a_lost_session_loses_all_its_shares_and_its_waiters_go_on { guarantee: "G54", needs: [Need::EndsSessions] }
    readers_that_were_forgotten_give_up_at_once { guarantee: "G45", needs: [FORGET] }
    no_writer_has_the_lock_before_the_hold_is_over { guarantee: "G46", needs: [FORGET] }
    permits_that_come_back_are_given_up { guarantee: "G46", needs: [FORGET] }
}

/// The most polls after which a future is dropped. What it asked for takes fewer, yields included.
const POLLS: usize = 24;

/// A node whose commits are pending several times before and after their effect, and one whose are not.
async fn slow_and_quick(cx: &Context) -> (Coordinator, Coordinator) {
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    (cx.node("slow").await, cx.node("quick").await)
}

/// All permits of both kinds are free for everybody, and nothing is left.
async fn assert_free(cx: &Context, nodes: [&Coordinator; 2], judge: &dyn Session, polls: usize) {
    for node in nodes {
        let (lock, semaphore) = (node.rw_lock("config").unwrap(), node.semaphore("runs", 3).unwrap());
        let guard = cx.within("the lock is free", 10, lock.write()).await.unwrap();
        let permits = cx.within("the permits are free", 10, semaphore.acquire_many(3)).await.unwrap();
        assert!(guard.is_valid() && permits.is_valid(), "after {polls} polls");
        guard.release().await.unwrap();
        permits.release().await.unwrap();
    }
    queued(cx, judge, "config", 0).await;
    queued(cx, judge, "runs", 0).await;
}

async fn a_read_dropped_at_any_point_leaves_no_ghost(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let judge = cx.session().await;
    let lock = slow.rw_lock("config").unwrap();
    let mut acquired = 0;
    for polls in 0..POLLS {
        let beside = quick.rw_lock("config").unwrap().read().await.unwrap();
        if let Some(guard) = abandon_after(polls_of(polls, POLLS), lock.read()).await {
            acquired += 1;
            assert!(guard.unwrap().is_valid() && beside.is_valid());
        }
        drop(abandon_after(polls, lock.try_read()).await);
        drop(beside);
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
    assert!((1..POLLS).contains(&acquired), "{acquired} of {POLLS} acquired before they were dropped");
}

async fn a_write_dropped_at_any_point_lets_the_readers_behind_it_in(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let (third, judge) = (cx.node("third").await, cx.session().await);
    for polls in 0..POLLS {
        let reading = quick.rw_lock("config").unwrap().read().await.unwrap();
        let lock = slow.rw_lock("config").unwrap();
        let mut writing = Box::pin(lock.write());
        let never = abandon_after(polls, &mut writing).await;
        assert!(never.is_none());
        // Perhaps it queues behind the writer, which then gives up.
        let behind = third.rw_lock("config").unwrap();
        let behind = tokio::spawn(async move { behind.read().await.unwrap() });
        tokio::task::yield_now().await;
        drop(writing);
        assert!(
            cx.within("the reader behind it", 10, behind).await.unwrap().is_valid() && reading.is_valid()
        );
        reading.release().await.unwrap();
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
}

async fn permits_dropped_at_any_point_are_not_lost(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let judge = cx.session().await;
    let semaphore = slow.semaphore("runs", 3).unwrap();
    let mut acquired = 0;
    for polls in 0..POLLS {
        let held = quick.semaphore("runs", 3).unwrap().acquire().await.unwrap();
        let (two, one) = (semaphore.acquire_many(2), semaphore.try_acquire());
        if let Some(guard) = abandon_after(polls_of(polls, POLLS), two).await {
            acquired += 1;
            assert!(guard.unwrap().is_valid());
        }
        drop(abandon_after(polls, one).await);
        // This one never has them.
        assert!(abandon_after(polls, semaphore.acquire_many(3)).await.is_none());
        held.release().await.unwrap();
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
    assert!((1..POLLS).contains(&acquired), "{acquired} of {POLLS} acquired before they were dropped");
}

async fn permits_whose_reply_is_lost_and_that_are_dropped_are_not_lost(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let semaphore = node.semaphore("runs", 3).unwrap();
    for polls in 1..POLLS {
        let fault = [CommitFault::LoseReply, CommitFault::Delay(cx.ttl() / 30)][polls % 2];
        cx.inject(Fault::Commits(name("node"), vec![fault])).await;
        drop(abandon_after(polls, semaphore.acquire_many(2)).await);
        assert_free(&cx, [&other, &node], &*judge, polls).await;
    }
}

/// Permits are given back while the one who is next gives up.
async fn permits_given_to_a_caller_that_gives_up_go_to_the_next(cx: Context) {
    let (slow, quick) = slow_and_quick(&cx).await;
    let (third, judge) = (cx.node("third").await, cx.session().await);
    for polls in 0..POLLS {
        let held = quick.semaphore("runs", 3).unwrap().acquire_many(2).await.unwrap();
        let next = slow.semaphore("runs", 3).unwrap();
        let fickle = tokio::spawn(async move { next.acquire_many(2).await.unwrap() });
        queued(&cx, &*judge, "runs", 2).await;
        let last = third.semaphore("runs", 3).unwrap();
        let patient = tokio::spawn(async move { last.acquire_many(3).await.unwrap() });
        queued(&cx, &*judge, "runs", 3).await;
        let _released = abandon_after(polls, held.release()).await;
        fickle.abort();
        drop(fickle);
        let all = cx.within("the patient one has them", 10, patient).await.unwrap();
        assert!(all.is_valid(), "after {polls} polls");
        drop(all);
        assert_free(&cx, [&quick, &slow], &*judge, polls).await;
    }
}

async fn lost_requests_and_replies_give_nobody_too_much(cx: Context) {
    let (permits, readers) = (Arc::new(Shares::new(3)), Arc::new(Shares::new(100)));
    let (mut nodes, mut tasks) = (Vec::new(), tokio::task::JoinSet::new());
    for at in 0..4 {
        let label = format!("node-{at}");
        let node = cx.node(&label).await;
        let each = [
            CommitFault::LoseReply,
            CommitFault::Pass,
            CommitFault::LoseRequest,
            CommitFault::Pass,
            CommitFault::Delay(cx.ttl() / 30),
        ];
        let faults = each.into_iter().cycle().take(100).collect();
        cx.inject(Fault::Commits(name(&label), faults)).await;
        let (permits, readers) = (Arc::clone(&permits), Arc::clone(&readers));
        let (lock, semaphore) = (node.rw_lock("config").unwrap(), node.semaphore("runs", 3).unwrap());
        nodes.push(node);
        tasks.spawn(async move {
            for round in 0..8_u32 {
                let guard = semaphore.acquire_many(1 + (at + round) % 3).await.unwrap();
                permits.enter(&guard, guard.weight().into());
                tokio::task::yield_now().await;
                permits.leave(&guard);
                guard.release().await.unwrap();
                let guard = lock.write().await.unwrap();
                readers.enter(&guard, 100);
                tokio::task::yield_now().await;
                readers.leave(&guard);
                let guard = guard.downgrade().await.unwrap();
                readers.enter(&guard, 1);
                tokio::task::yield_now().await;
                readers.leave(&guard);
                guard.release().await.unwrap();
            }
        });
    }
    cx.within("everybody had them", 100, tasks.join_all()).await;
    assert_eq!((permits.uses(), readers.uses()), (32, 64));
}

async fn the_permits_of_a_dead_node_are_free_within_its_ttl(cx: Context) {
    let survivor = cx.node("survivor").await;
    let (doomed, thread) = cx.doomed_node("doomed").await;
    let semaphore = doomed.semaphore("runs", 3).unwrap();
    let held = [semaphore.acquire().await.unwrap(), semaphore.acquire().await.unwrap()];
    let dead = Stopwatch::start();
    thread.stop();
    let semaphore = survivor.semaphore("runs", 3).unwrap();
    let one = semaphore.try_acquire().await.unwrap().expect("one is free all the time");
    let two = cx.within("the others as well", 10, semaphore.acquire_many(2)).await.unwrap();
    let ttl = cx.ttl().max(doomed.granted_ttl().unwrap_or_default());
    let latest = ttl + doomed.capabilities().expiry_slack + cx.margin();
    assert!(dead.elapsed() <= latest, "after {:?}, at the latest {latest:?} are right", dead.elapsed());
    assert!(held.iter().all(|guard| !guard.is_valid()) && one.is_valid() && two.is_valid());
}

async fn a_frozen_reader_is_not_valid_when_a_writer_has_the_lock(cx: Context) {
    let writer = cx.node("writer").await;
    let (frozen, thread) = cx.doomed_node("frozen").await;
    let reading = frozen.rw_lock("config").unwrap().read().await.unwrap();
    thread.stop();
    let writing =
        cx.within("the writer has it", 10, writer.rw_lock("config").unwrap().write()).await.unwrap();
    assert!(!reading.is_valid() && reading.remaining() == Duration::ZERO, "it reads what is written");
    assert!(writing.token() > reading.token());
}

async fn a_reader_that_dies_in_the_queue_promotes_nobody(cx: Context) {
    let judge = cx.session().await;
    let (holder, doomed, last) = (cx.node("holder").await, cx.node("doomed").await, cx.node("last").await);
    let held = holder.rw_lock("config").unwrap().write().await.unwrap();
    let lock = doomed.rw_lock("config").unwrap();
    let dying = tokio::spawn(async move { lock.read().await.unwrap() });
    queued(&cx, &*judge, "config", 2).await;
    let lock = last.rw_lock("config").unwrap();
    let mut waiting = tokio::spawn(async move { lock.write().await.unwrap() });
    queued(&cx, &*judge, "config", 3).await;
    let place = places(&*judge, "config").await.remove(1);
    dying.abort();
    judge.end(place.owner().unwrap()).await.unwrap();
    cx.not_within("whoever waited behind the dead one", cx.ttl(), &mut waiting).await;
    assert!(held.is_valid());
    held.release().await.unwrap();
    assert!(cx.within("the next one has it", 10, waiting).await.unwrap().is_valid());
}

async fn a_waiter_for_permits_whose_place_is_deleted_queues_again(cx: Context) {
    let (judge, holder, waiter) = (cx.session().await, cx.node("holder").await, cx.node("waiter").await);
    let held = holder.semaphore("runs", 2).unwrap().acquire_many(2).await.unwrap();
    let semaphore = waiter.semaphore("runs", 2).unwrap();
    let waiting = tokio::spawn(async move { semaphore.acquire().await.unwrap() });
    queued(&cx, &*judge, "runs", 2).await;
    let place = places(&*judge, "runs").await.remove(1);
    judge.apply(Txn::new().delete(place.stamp().clone())).await;
    held.release().await.unwrap();
    let guard = cx.within("the waiter has it", 10, waiting).await.unwrap();
    let head = places(&*judge, "runs").await.remove(0);
    assert_eq!(head.created().as_u64(), guard.token().as_u64(), "the token is that of a place which exists");
}

async fn permits_released_through_a_broken_connection_are_free_later(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let semaphore = first.semaphore("runs", 3).unwrap();
    let held = [semaphore.acquire_many(2).await.unwrap(), semaphore.acquire().await.unwrap()];
    cx.inject(Fault::Cut(name("first"))).await;
    let [two, one] = held;
    drop(two);
    let released = tokio::spawn(one.release());
    tokio::time::sleep(cx.ttl() / 4).await;
    cx.inject(Fault::Heal(name("first"))).await;
    let semaphore = second.semaphore("runs", 3).unwrap();
    drop(cx.within("all are free", 10, semaphore.acquire_many(3)).await.unwrap());
    cx.within("the release returns", 10, released).await.unwrap().unwrap();
}

async fn a_lost_session_loses_all_its_shares_and_its_waiters_go_on(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let semaphore = node.semaphore("runs", 3).unwrap();
    let held = [semaphore.acquire_many(2).await.unwrap(), semaphore.acquire().await.unwrap()];
    let waiting = tokio::spawn({
        let semaphore = semaphore.clone();
        async move { semaphore.acquire_many(3).await.unwrap() }
    });
    queued(&cx, &*judge, "runs", 3).await;
    let place = places(&*judge, "runs").await.remove(0);
    judge.end(place.owner().unwrap()).await.unwrap();
    for guard in &held {
        cx.within("it is lost", 10, guard.lost()).await;
        assert!(!guard.is_valid());
    }
    let again = cx.within("the waiter has them", 20, waiting).await.unwrap();
    assert!(again.is_valid() && held.iter().all(|guard| again.token() > guard.token()));
    // What is left of the old session takes nothing away from the new one.
    drop(held);
    again.release().await.unwrap();
    queued(&cx, &*judge, "runs", 0).await;
}

async fn readers_that_were_forgotten_give_up_at_once(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let lock = node.rw_lock("config").unwrap();
    let kept = lock.read().await.unwrap();
    cx.inject(Fault::Record).await;
    let forgotten = [lock.read().await.unwrap(), lock.read().await.unwrap()];
    let hold = cx.ttl() * 3;
    let watch = Stopwatch::start();
    cx.inject(Fault::Forget(hold)).await;
    for guard in &forgotten {
        assert_eq!(cx.within("it learns it", 5, guard.lost()).await, LossReason::Forgotten);
    }
    assert!(watch.elapsed() < hold, "they held on until the hold was nearly over");
    assert!(kept.is_valid(), "its entry is still there");
    drop(forgotten);
    assert!(cx.within("again", 20, lock.read()).await.unwrap().is_valid() && kept.is_valid());
    drop(kept);
    queued(&cx, &*judge, "config", 0).await;
}

async fn no_writer_has_the_lock_before_the_hold_is_over(cx: Context) {
    let (reader, writer) = (cx.mortal_node("reader").await, cx.mortal_node("writer").await);
    cx.inject(Fault::Record).await;
    let reading = reader.rw_lock("config").unwrap().read().await.unwrap();
    let hold = cx.ttl() * 3;
    let forgotten = Stopwatch::start();
    cx.inject(Fault::Forget(hold)).await;
    let writing =
        cx.within("the writer has it", 20, writer.rw_lock("config").unwrap().write()).await.unwrap();
    assert!(forgotten.elapsed() >= hold, "it was granted after {:?}", forgotten.elapsed());
    assert!(!reading.is_valid() && writing.token() > reading.token());
}

/// Releases are forgotten: the places are there again, more than are asked for on one page.
async fn permits_that_come_back_are_given_up(cx: Context) {
    let (node, other, judge) = (cx.mortal_node("node").await, cx.node("other").await, cx.session().await);
    let semaphore = node.semaphore("runs", 30).unwrap();
    let mut held = Vec::new();
    for _ in 0..25 {
        held.push(semaphore.acquire().await.unwrap());
    }
    cx.inject(Fault::Record).await;
    let kept = held.split_off(20);
    for guard in held {
        guard.release().await.unwrap();
    }
    cx.inject(Fault::Forget(cx.ttl())).await;
    assert_eq!(places(&*judge, "runs").await.len(), 25, "the store has them again");
    queued(&cx, &*judge, "runs", 5).await;
    assert!(kept.iter().all(|guard| guard.is_valid()), "those are held");
    let rest = cx.within("the rest is free", 20, other.semaphore("runs", 30).unwrap().acquire_many(25)).await;
    assert!(rest.unwrap().is_valid());
}
