//! Partitions on the move: revoked, drained, forced, kept for a restart, handed to a successor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ha_core::partition::{DrainPolicy, OwnedPartition};
use ha_core::{Coordinator, LossReason};

use super::partitions::{partitions, work};
use crate::clock::Stopwatch;
use crate::context::Context;
use crate::floor::{Floor, Worker};

crate::case::cases! {
    "partitions_moving";
    a_partition_moves_once_its_work_has_ended { guarantee: "G172" }
    work_that_ends_late_is_dropped_after_its_time { guarantee: "G172" }
    a_partition_that_is_not_given_up_waits_for_its_owner { guarantee: "G172" }
    one_that_hangs_holds_up_no_other { guarantee: "G172" }
    a_member_that_gives_nothing_up_is_evicted { guarantee: "G179" }
    a_partition_of_a_fenced_resource_moves_by_force { guarantee: "G179" }
    callbacks_are_called_in_turn { guarantee: "G172" }
    a_stream_of_partitions_is_taken_one_by_one { guarantee: "G172" }
    work_that_ends_by_itself_is_not_called_again { guarantee: "G172" }
    an_announced_restart_moves_nothing { guarantee: "G178" }
    a_rolling_restart_with_kept_partitions_moves_nothing { guarantee: "G178" }
    a_rolling_restart_that_each_member_announces_moves_nothing { guarantee: "G178" }
    successors_of_all_members_move_each_partition_once { guarantee: "G178" }
    what_is_kept_is_given_away_when_the_node_stays_away { guarantee: "G178" }
    a_successor_takes_the_place_of_a_node { guarantee: "G178" }
    a_planned_move_leaves_a_short_gap { guarantee: "G185" }
}

/// Takes so many partitions.
async fn take<const N: usize>(
    cx: &Context,
    owned: &mut ha_core::partition::Ownership,
) -> [OwnedPartition; N] {
    let mut taken = Vec::new();
    for _ in 0..N {
        taken.push(cx.within("a partition is assigned", 30, owned.next()).await.unwrap());
    }
    taken.try_into().unwrap()
}

async fn a_partition_moves_once_its_work_has_ended(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let mut first = partitions(&a, 2).join().await.unwrap();
    let [one, two] = take(&cx, &mut first).await;
    let mut second = partitions(&b, 2).join().await.unwrap();
    let both = async {
        tokio::select! {
            () = one.revoked() => one.id(),
            () = two.revoked() => two.id(),
        }
    };
    let revoked = cx.within("one of them is revoked", 30, both).await;
    let (going, staying) = if one.id() == revoked { (one, two) } else { (two, one) };
    assert!(going.is_valid() && going.partition().is_revoked(), "it is still its owner's");
    cx.not_within("it is not given up", cx.ttl() / 2, second.next()).await;
    let token = going.token();
    drop(going);
    let [moved] = take(&cx, &mut second).await;
    assert!(moved.id() == revoked && moved.token() > token);
    assert!(staying.is_valid() && !staying.partition().is_revoked());
}

async fn work_that_ends_late_is_dropped_after_its_time(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let drain = Duration::from_millis(80);
    let slow = partitions(&a, 4).drain(drain, DrainPolicy::Wait);
    let _a = Worker::busy(&floor, &a, slow, |_| std::future::pending());
    floor.until(&cx, ["a"], [4]).await;
    let watch = Stopwatch::start();
    let _b = work(&floor, &b, 4);
    floor.until(&cx, ["a", "b"], [2, 2]).await;
    assert!(watch.elapsed() >= drain, "it had its time: {:?}", watch.elapsed());
}

async fn a_partition_that_is_not_given_up_waits_for_its_owner(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let hurried = partitions(&a, 1).drain(Duration::ZERO, DrainPolicy::Wait);
    let mut first = hurried.join().await.unwrap();
    let [held] = take(&cx, &mut first).await;
    let mut second = partitions(&b, 1).replaces("a").unwrap().join().await.unwrap();
    cx.within("it is revoked", 30, held.revoked()).await;
    cx.not_within("it is not given up", cx.ttl(), second.next()).await;
    assert!(held.is_valid());
    drop(held);
    let [_moved] = take(&cx, &mut second).await;
}

async fn one_that_hangs_holds_up_no_other(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let mut first = partitions(&a, 6).join().await.unwrap();
    let held: [OwnedPartition; 6] = take(&cx, &mut first).await;
    let mut second = partitions(&b, 6).replaces("a").unwrap().join().await.unwrap();
    for owned in &held {
        cx.within("everything is revoked", 30, owned.revoked()).await;
    }
    let [hanging, others @ ..] = held;
    drop(others);
    let moved: [OwnedPartition; 5] = take(&cx, &mut second).await;
    assert!(moved.iter().all(|moved| moved.id() != hanging.id()));
    drop(hanging);
    let [_last] = take(&cx, &mut second).await;
}

async fn a_member_that_gives_nothing_up_is_evicted(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let strict =
        |node: &Coordinator| partitions(node, 3).drain(Duration::from_millis(20), DrainPolicy::Evict);
    let mut first = strict(&a).join().await.unwrap();
    let held: [OwnedPartition; 3] = take(&cx, &mut first).await;
    let mut second = strict(&b).replaces("a").unwrap().join().await.unwrap();
    for owned in &held {
        assert_eq!(cx.within("it is evicted", 30, owned.lost()).await, LossReason::Removed);
    }
    let moved: [OwnedPartition; 3] = take(&cx, &mut second).await;
    for owned in &held {
        let next = moved.iter().find(|moved| moved.id() == owned.id()).unwrap();
        assert!(next.token() > owned.token() && !owned.is_valid());
    }
}

async fn a_partition_of_a_fenced_resource_moves_by_force(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let forced = |node: &Coordinator| {
        partitions(node, 1).fenced().drain(Duration::from_millis(20), DrainPolicy::Force)
    };
    let mut first = forced(&a).join().await.unwrap();
    let [held] = take(&cx, &mut first).await;
    let mut second = forced(&b).replaces("a").unwrap().join().await.unwrap();
    let [moved] = take(&cx, &mut second).await;
    assert!(moved.token() > held.token());
    assert_eq!(cx.within("it learns that", 30, held.lost()).await, LossReason::Transferred);
}

async fn callbacks_are_called_in_turn(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let (assigned, revoked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counters = (Arc::clone(&assigned), Arc::clone(&revoked));
    let first = partitions(&a, 4);
    let calls = tokio::spawn(async move {
        let (assigned, revoked) = counters;
        let begin = |_, grant: ha_core::Grant| {
            assert!(grant.is_valid());
            assigned.fetch_add(1, Ordering::SeqCst);
        };
        let end = |_| async {
            revoked.fetch_add(1, Ordering::SeqCst);
        };
        drop(first.each(begin, end).await);
    });
    cx.until("all are assigned", 30, async || assigned.load(Ordering::SeqCst) == 4).await;
    let mut second = partitions(&b, 4).join().await.unwrap();
    let _moved: [OwnedPartition; 2] = take(&cx, &mut second).await;
    assert_eq!((assigned.load(Ordering::SeqCst), revoked.load(Ordering::SeqCst)), (4, 2));
    calls.abort();
}

async fn a_stream_of_partitions_is_taken_one_by_one(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let mut first = partitions(&a, 4).join().await.unwrap();
    let [_kept] = take(&cx, &mut first).await;
    // What nobody has taken yet moves without being handed out.
    let mut second = partitions(&b, 4).join().await.unwrap();
    let moved: [OwnedPartition; 2] = take(&cx, &mut second).await;
    let [rest] = take(&cx, &mut first).await;
    assert!(moved.iter().all(|moved| moved.id() != rest.id()) && rest.is_valid());
    cx.not_within("there is nothing more", cx.ttl() / 4, first.next()).await;
}

async fn work_that_ends_by_itself_is_not_called_again(cx: Context) {
    let (floor, a) = (Floor::new(), cx.node("a").await);
    let _a = Worker::busy(&floor, &a, partitions(&a, 3), |_| async {});
    cx.until("all have run", 30, async || floor.starts() == 3).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(floor.starts(), 3);
    let layout = partitions(&a, 3).layout().await.unwrap();
    assert!(layout.unowned().is_empty(), "they are still its own");
}

async fn an_announced_restart_moves_nothing(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let _a = work(&floor, &a, 6);
    floor.until(&cx, ["a"], [6]).await;
    let mut owned = partitions(&b, 6).join().await.unwrap();
    let held: [OwnedPartition; 3] = take(&cx, &mut owned).await;
    floor.until(&cx, ["a"], [3]).await;
    let kept: Vec<u32> = held.iter().map(OwnedPartition::id).collect();
    cx.within("it is announced", 30, owned.announce_restart(Duration::from_secs(60))).await.unwrap();
    drop(held);
    drop(owned);
    b.shutdown(Duration::from_secs(5)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((floor.counts(["a"]), floor.starts()), ([3], 6), "nothing moves");
    let b = cx.node("b").await;
    let mut again = partitions(&b, 6).join().await.unwrap();
    let mut back: [OwnedPartition; 3] = take(&cx, &mut again).await;
    back.sort_by_key(OwnedPartition::id);
    let mut kept = kept;
    kept.sort_unstable();
    assert_eq!(back.iter().map(OwnedPartition::id).collect::<Vec<_>>(), kept);
    assert_eq!(floor.starts(), 6);
}

async fn a_rolling_restart_with_kept_partitions_moves_nothing(cx: Context) {
    let floor = Floor::new();
    let mut nodes = Vec::new();
    let keeping = |node: &Coordinator| partitions(node, 9).keep_for(Duration::from_secs(60));
    for name in ["a", "b", "c"] {
        let node = cx.node(name).await;
        let worker = Worker::start(&floor, &node, keeping(&node).min_members(3));
        nodes.push((name, node, worker));
    }
    floor.until(&cx, ["a", "b", "c"], [3, 3, 3]).await;
    let before = floor.owners();
    for _ in 0..3 {
        let (name, node, worker) = nodes.remove(0);
        node.shutdown(Duration::from_secs(5)).await.unwrap();
        drop(worker);
        let node = cx.node(name).await;
        let worker = Worker::start(&floor, &node, keeping(&node).min_members(3));
        nodes.push((name, node, worker));
        floor.until(&cx, ["a", "b", "c"], [3, 3, 3]).await;
    }
    assert_eq!(floor.owners(), before);
    assert_eq!(floor.starts(), 18, "each was started twice: at first, and after its own restart");
}

/// Three members that run whatever they get, three partitions each.
async fn three(cx: &Context, floor: &Arc<Floor>) -> Vec<(&'static str, Coordinator, Worker)> {
    let mut members = Vec::new();
    for name in ["a", "b", "c"] {
        let node = cx.node(name).await;
        let worker = Worker::start(floor, &node, partitions(&node, 9).min_members(3));
        members.push((name, node, worker));
    }
    floor.until(cx, ["a", "b", "c"], [3, 3, 3]).await;
    members
}

async fn a_rolling_restart_that_each_member_announces_moves_nothing(cx: Context) {
    let floor = Floor::new();
    let members = three(&cx, &floor).await;
    let before = floor.owners();
    let moves = partitions(&members[0].1, 9).layout().await.unwrap().moves();
    let mut restarted = Vec::new();
    for (name, node, worker) in members {
        let announced = partitions(&node, 9);
        let announcing = announced.announce_restart(Duration::from_secs(60));
        cx.within("it is announced", 30, announcing).await.unwrap();
        node.shutdown(Duration::from_secs(5)).await.unwrap();
        drop(worker);
        let node = cx.node(name).await;
        let worker = work(&floor, &node, 9);
        floor.until(&cx, ["a", "b", "c"], [3, 3, 3]).await;
        restarted.push((node, worker));
    }
    assert_eq!(floor.owners(), before);
    assert_eq!(floor.starts(), 18, "each was started twice: at first, and after its own restart");
    let layout = partitions(&restarted[2].0, 9).layout().await.unwrap();
    assert_eq!(layout.moves(), moves);
}

async fn successors_of_all_members_move_each_partition_once(cx: Context) {
    let floor = Floor::new();
    let members = three(&cx, &floor).await;
    let before = floor.owners();
    let next = |name: &str| match name {
        "a" => "d",
        "b" => "e",
        _ => "f",
    };
    let mut successors = Vec::new();
    for (name, node, worker) in members {
        let successor = cx.node(next(name)).await;
        let replacing = partitions(&successor, 9).replaces(name).unwrap();
        successors.push((Worker::start(&floor, &successor, replacing), successor));
        floor.until(&cx, [name, next(name)], [0, 3]).await;
        drop(worker);
        node.shutdown(Duration::from_secs(5)).await.unwrap();
    }
    floor.until(&cx, ["d", "e", "f"], [3, 3, 3]).await;
    assert!(floor.owners().iter().all(|(partition, owner)| owner == next(&before[partition])));
    assert_eq!(floor.starts(), 18, "each moved once");
    drop(successors);
}

async fn what_is_kept_is_given_away_when_the_node_stays_away(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let _a = work(&floor, &a, 4);
    let mut owned = partitions(&b, 4).join().await.unwrap();
    let held: [OwnedPartition; 2] = take(&cx, &mut owned).await;
    let span = Duration::from_millis(300);
    owned.announce_restart(span).await.unwrap();
    drop((held, owned));
    b.shutdown(Duration::from_secs(5)).await.unwrap();
    let watch = Stopwatch::start();
    floor.until(&cx, ["a"], [4]).await;
    assert!(watch.elapsed() >= span - Duration::from_millis(50), "{:?}", watch.elapsed());
}

async fn a_successor_takes_the_place_of_a_node(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let (_a, old) = (work(&floor, &a, 8), work(&floor, &b, 8));
    floor.until(&cx, ["a", "b"], [4, 4]).await;
    let (before, starts) = (floor.owners(), floor.starts());
    let c = cx.node("c").await;
    let _c = Worker::start(&floor, &c, partitions(&c, 8).replaces("b").unwrap());
    floor.until(&cx, ["a", "b", "c"], [4, 0, 4]).await;
    drop(old);
    b.shutdown(Duration::from_secs(5)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let now = floor.owners();
    assert!(before.iter().all(|(partition, owner)| owner == "b" || now[partition] == "a"));
    assert_eq!(floor.starts(), starts + 4, "each moved once, and nothing else did");
}

async fn a_planned_move_leaves_a_short_gap(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let mut first = partitions(&a, 1).join().await.unwrap();
    let [held] = take(&cx, &mut first).await;
    let running = Arc::new(AtomicBool::new(true));
    let mut second = partitions(&b, 1).replaces("a").unwrap().join().await.unwrap();
    cx.within("it is revoked", 30, held.revoked()).await;
    let watch = Stopwatch::start();
    running.store(false, Ordering::SeqCst);
    drop(held);
    let [_moved] = take(&cx, &mut second).await;
    // Two commits and two watches: far from a ttl, on any store.
    assert!(watch.elapsed() < cx.margin() + cx.ttl() / 2, "{:?}", watch.elapsed());
}
