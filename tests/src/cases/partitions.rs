//! Partitions: each runs on one member, evenly, and moves as little as it can.

use std::sync::Arc;
use std::time::Duration;

use ha_core::group::{Profile, Status};
use ha_core::partition::planner::{HashRanges, Plan, Problem, Requirement, StaticMap, Sticky};
use ha_core::partition::{DrainPolicy, Partitions};
use ha_core::{Coordinator, ErrorKind};

use crate::context::Context;
use crate::counting::Counting;
use crate::floor::{Floor, Worker};
use crate::verbs::refused;

crate::case::cases! {
    "partitions";
    each_partition_has_one_owner_with_a_token { guarantee: "G170" }
    partitions_of_different_names_have_owners_of_their_own { guarantee: "G170" }
    members_that_join_take_their_share_and_nothing_else_moves { guarantee: "G171" }
    a_member_that_leaves_gives_its_own_and_nothing_else_moves { guarantee: "G171" }
    weights_share_in_proportion { guarantee: "G171" }
    a_change_of_weight_moves_what_it_must { guarantee: "G171" }
    nothing_is_begun_before_enough_members_are_here { guarantee: "G171" }
    a_drained_member_gives_everything_up { guarantee: "G176" }
    a_member_that_is_not_ready_owns_nothing { guarantee: "G176" }
    a_required_label_keeps_partitions_where_it_is { guarantee: "G176" }
    a_label_that_nobody_has_leaves_only_its_own_partitions_without_an_owner { guarantee: "G176" }
    a_planner_of_ones_own_decides { guarantee: "G176" }
    a_map_made_by_hand_leaves_the_partitions_of_a_missing_node { guarantee: "G177" }
    ranges_made_by_hand_leave_the_range_of_a_missing_node { guarantee: "G177" }
    standbys_are_told_and_take_over { guarantee: "G176" }
    nothing_is_written_while_nothing_changes { guarantee: "G175" }
    bad_input_is_refused { guarantee: "G180" }
    partitions_are_added_while_they_run { guarantee: "G180" }
    fewer_partitions_than_there_are_are_refused { guarantee: "G180" }
}

pub(super) const NAME: &str = "sensors";

/// The partitions of a node.
pub(super) fn partitions(node: &Coordinator, count: u32) -> Partitions {
    node.partitions(NAME, count).unwrap()
}

/// A node that runs whatever it gets.
pub(super) fn work(floor: &Arc<Floor>, node: &Coordinator, count: u32) -> Worker {
    Worker::start(floor, node, partitions(node, count))
}

async fn each_partition_has_one_owner_with_a_token(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let _a = work(&floor, &a, 9);
    floor.until(&cx, ["a"], [9]).await;
    let before: Vec<u64> = (0..9).map(|partition| floor.token(partition)).collect();
    let _b = work(&floor, &b, 9);
    floor.until(&cx, ["a", "b"], [5, 4]).await;
    for (partition, owner) in floor.owners() {
        let before = before[partition as usize];
        assert_eq!(floor.token(partition) > before, owner == "b", "partition {partition} of {owner}");
        let owned = partitions(&a, 9).owner_of(partition).await.unwrap().unwrap();
        assert_eq!(owned.token.unwrap().as_u64(), floor.token(partition));
    }
}

async fn partitions_of_different_names_have_owners_of_their_own(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let names = ["x", "X", "plan", "ä", "\0", &"y".repeat(200)];
    let floors: Vec<_> = names.iter().map(|_| Floor::new()).collect();
    let mut workers = Vec::new();
    for (name, floor) in names.iter().zip(&floors) {
        workers.push(Worker::start(floor, &a, a.partitions(name, 3).unwrap()));
        workers.push(Worker::start(floor, &b, b.partitions(name, 3).unwrap()));
    }
    for floor in &floors {
        cx.until("each has all of its own", 30, async || floor.owners().len() == 3).await;
    }
}

async fn members_that_join_take_their_share_and_nothing_else_moves(cx: Context) {
    let (floor, a, b, c) = (Floor::new(), cx.node("a").await, cx.node("b").await, cx.node("c").await);
    let _a = work(&floor, &a, 12);
    floor.until(&cx, ["a"], [12]).await;
    let _b = work(&floor, &b, 12);
    floor.until(&cx, ["a", "b"], [6, 6]).await;
    let before = floor.owners();
    let _c = work(&floor, &c, 12);
    floor.until(&cx, ["a", "b", "c"], [4, 4, 4]).await;
    let now = floor.owners();
    let moved: Vec<_> = now.into_iter().filter(|(partition, owner)| before[partition] != *owner).collect();
    assert!(moved.len() == 4 && moved.iter().all(|(_, owner)| owner == "c"), "{moved:?}");
    assert_eq!(floor.starts(), 12 + 6 + 4);
    assert_eq!(partitions(&a, 12).layout().await.unwrap().moves(), 10);
}

async fn a_member_that_leaves_gives_its_own_and_nothing_else_moves(cx: Context) {
    let (floor, a, b, c) = (Floor::new(), cx.node("a").await, cx.node("b").await, cx.node("c").await);
    let (_a, _b, leaving) = (work(&floor, &a, 12), work(&floor, &b, 12), work(&floor, &c, 12));
    floor.until(&cx, ["a", "b", "c"], [4, 4, 4]).await;
    let (before, starts) = (floor.owners(), floor.starts());
    drop(leaving);
    floor.until(&cx, ["a", "b", "c"], [6, 6, 0]).await;
    let stayed = floor.owners().into_iter().filter(|(partition, owner)| before[partition] == *owner);
    assert_eq!(stayed.count(), 8);
    assert_eq!(floor.starts(), starts + 4);
}

fn weighing(node: &Coordinator, weight: u32) -> Partitions {
    partitions(node, 12).profile(Profile::new().weight(weight))
}

async fn weights_share_in_proportion(cx: Context) {
    let (floor, a, b, c) = (Floor::new(), cx.node("a").await, cx.node("b").await, cx.node("c").await);
    let _a = Worker::start(&floor, &a, weighing(&a, 1));
    let _b = Worker::start(&floor, &b, weighing(&b, 3));
    let _c = Worker::start(&floor, &c, weighing(&c, 0));
    floor.until(&cx, ["a", "b", "c"], [3, 9, 0]).await;
}

async fn a_change_of_weight_moves_what_it_must(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let _a = work(&floor, &a, 12);
    let mut owned = partitions(&b, 12).join().await.unwrap();
    cx.until("b has its share", 30, async || floor.counts(["a"]) == [6]).await;
    let membership = owned.membership().unwrap();
    membership.update(|profile| profile.weight(2)).await.unwrap();
    cx.until("b gets more", 30, async || floor.counts(["a"]) == [4]).await;
    let mut kept = Vec::new();
    for _ in 0..8 {
        kept.push(cx.within("b is given what it gets", 30, owned.next()).await.unwrap());
    }
    assert!(kept.iter().all(|owned| owned.is_valid()));
}

async fn nothing_is_begun_before_enough_members_are_here(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let _a = Worker::start(&floor, &a, partitions(&a, 4).min_members(2));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(floor.owners().is_empty());
    let _b = Worker::start(&floor, &b, partitions(&b, 4).min_members(2));
    floor.until(&cx, ["a", "b"], [2, 2]).await;
    assert_eq!(floor.starts(), 4, "nothing has moved");
}

async fn a_drained_member_gives_everything_up(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let (_a, _b) = (work(&floor, &a, 6), work(&floor, &b, 6));
    floor.until(&cx, ["a", "b"], [3, 3]).await;
    partitions(&b, 6).group().set_status("a", Status::Drained).await.unwrap();
    floor.until(&cx, ["a", "b"], [0, 6]).await;
    partitions(&b, 6).group().set_status("a", Status::Active).await.unwrap();
    floor.until(&cx, ["a", "b"], [3, 3]).await;
}

async fn a_member_that_is_not_ready_owns_nothing(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let _a = work(&floor, &a, 6);
    let mut owned = partitions(&b, 6).profile(Profile::new().ready(false)).join().await.unwrap();
    floor.until(&cx, ["a"], [6]).await;
    owned.membership().unwrap().set_ready(true).await.unwrap();
    let first = cx.within("it is ready", 30, owned.next()).await.unwrap();
    assert!(first.is_valid());
    floor.until(&cx, ["a"], [3]).await;
}

async fn a_required_label_keeps_partitions_where_it_is(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let planner = || Sticky::new().require(0..4, Requirement::label("runner", "yes"));
    let plain = partitions(&a, 8).planner(planner());
    let with = partitions(&b, 8).planner(planner()).profile(Profile::new().label("runner", "yes"));
    let _a = Worker::start(&floor, &a, plain);
    cx.until("a has the rest", 30, async || floor.counts(["a"]) == [4]).await;
    let _b = Worker::start(&floor, &b, with);
    floor.until(&cx, ["a", "b"], [4, 4]).await;
    assert!((0..4).all(|partition| floor.owners()[&partition] == "b"));
}

async fn a_label_that_nobody_has_leaves_only_its_own_partitions_without_an_owner(cx: Context) {
    let (floor, a) = (Floor::new(), cx.node("a").await);
    let planner = Sticky::new().require(2..3, Requirement::Role("moon".into()));
    let _a = Worker::start(&floor, &a, partitions(&a, 5).planner(planner));
    floor.until(&cx, ["a"], [4]).await;
    let layout = partitions(&a, 5).layout().await.unwrap();
    assert_eq!((layout.unowned(), layout.partitions()), (vec![2], 5));
}

async fn a_planner_of_ones_own_decides(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let last = |problem: &Problem| {
        let seat = problem.seats().len().checked_sub(1).and_then(|seat| u32::try_from(seat).ok());
        // The last one is wrong: it does not exist.
        let owners = (0..problem.partitions()).map(|partition| if partition == 3 { Some(99) } else { seat });
        Plan::new(owners.collect())
    };
    let _a = Worker::start(&floor, &a, partitions(&a, 4).planner(last));
    floor.until(&cx, ["a"], [3]).await;
    let _b = Worker::start(&floor, &b, partitions(&b, 4).planner(last));
    floor.until(&cx, ["a", "b"], [0, 3]).await;
}

async fn a_map_made_by_hand_leaves_the_partitions_of_a_missing_node(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let map = || StaticMap::new().put(0, "a").put(1, "b").put(2, "a").put(3, "b");
    let _a = Worker::start(&floor, &a, partitions(&a, 4).planner(map()));
    let second = Worker::start(&floor, &b, partitions(&b, 4).planner(map()));
    floor.until(&cx, ["a", "b"], [2, 2]).await;
    second.stop().await;
    floor.until(&cx, ["a", "b"], [2, 0]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(floor.counts(["a", "b"]), [2, 0], "nobody takes over");
    let _again = Worker::start(&floor, &b, partitions(&b, 4).planner(map()));
    floor.until(&cx, ["a", "b"], [2, 2]).await;
}

async fn ranges_made_by_hand_leave_the_range_of_a_missing_node(cx: Context) {
    let (floor, a) = (Floor::new(), cx.node("a").await);
    let ranges = HashRanges::new(["a", "b", "c"]);
    let _a = Worker::start(&floor, &a, partitions(&a, 9).planner(ranges));
    floor.until(&cx, ["a"], [3]).await;
    assert_eq!(partitions(&a, 9).layout().await.unwrap().unowned(), [3, 4, 5, 6, 7, 8]);
}

async fn standbys_are_told_and_take_over(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let in_zone = |node: &Coordinator, zone: &str| {
        partitions(node, 2).planner(Sticky::new().standbys(1)).profile(Profile::new().zone(zone))
    };
    let first = Worker::start(&floor, &a, in_zone(&a, "x"));
    floor.until(&cx, ["a"], [2]).await;
    let mut second = in_zone(&b, "y").join().await.unwrap();
    let one = cx.within("b gets its share", 30, second.next()).await.unwrap();
    let other = 1 - one.id();
    cx.until("b stands by for the other one", 30, async || second.standbys() == [other]).await;
    drop(first);
    let taken = cx.within("b takes over", 30, second.next()).await.unwrap();
    assert_eq!(taken.id(), other);
}

async fn nothing_is_written_while_nothing_changes(cx: Context) {
    let (floor, (backend, counted)) = (Floor::new(), Counting::wrap(cx.connect_as("a")));
    let a = cx.builder_on(backend, "a").connect().await.unwrap();
    let b = cx.node("b").await;
    let (_a, _b) = (work(&floor, &a, 50), work(&floor, &b, 50));
    floor.until(&cx, ["a", "b"], [25, 25]).await;
    let settled = cx.settled("nothing is written any more", || counted.commits()).await;
    tokio::time::sleep(cx.ttl()).await;
    assert_eq!(counted.commits(), settled);
}

async fn bad_input_is_refused(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    for count in [0, Partitions::MAX_COUNT + 1] {
        refused(a.partitions(NAME, count), ErrorKind::InvalidInput);
    }
    for name in ["", "_ha"] {
        refused(a.partitions(name, 1), ErrorKind::InvalidInput);
    }
    let forced = partitions(&a, 1).drain(Duration::ZERO, DrainPolicy::Force);
    refused(forced.join().await, ErrorKind::InvalidInput);
    refused(partitions(&a, 1).replaces(a.node()), ErrorKind::InvalidInput);
    let owned = partitions(&a, 4).join().await.unwrap();
    refused(partitions(&a, 4).join().await, ErrorKind::InvalidInput);
    refused(owned.grow(0), ErrorKind::InvalidInput);
    refused(owned.announce_restart(Duration::ZERO).await, ErrorKind::InvalidInput);
    let observer = cx.builder("c").observer().connect().await.unwrap();
    refused(partitions(&observer, 4).join().await, ErrorKind::Unsupported);
    drop(b);
}

async fn partitions_are_added_while_they_run(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let _a = work(&floor, &a, 4);
    let mut owned = partitions(&b, 4).join().await.unwrap();
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(cx.within("b has its share", 30, owned.next()).await.unwrap());
    }
    floor.until(&cx, ["a"], [2]).await;
    let before = floor.starts();
    owned.grow(10).unwrap();
    floor.until(&cx, ["a"], [5]).await;
    for _ in 0..3 {
        kept.push(cx.within("b gets its share of the new ones", 30, owned.next()).await.unwrap());
    }
    assert!(kept.iter().all(|owned| owned.is_valid() && !owned.partition().is_revoked()));
    assert_eq!(floor.starts(), before + 3, "what ran goes on");
}

async fn fewer_partitions_than_there_are_are_refused(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let _a = work(&floor, &a, 8);
    floor.until(&cx, ["a"], [8]).await;
    let error = refused(partitions(&b, 7).join().await, ErrorKind::InvalidInput);
    assert!(error.to_string().contains('8'), "{error}");
    // More are more: a new release of a service may want some.
    let _b = work(&floor, &b, 10);
    floor.until(&cx, ["a", "b"], [5, 5]).await;
}
