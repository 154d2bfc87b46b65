//! Partitions when something goes wrong, and as others see them.

use std::collections::BTreeSet;
use std::time::Duration;

use ha_core::ErrorKind;
use ha_core::group::Profile;
use ha_core::spi::{Collection, Session};

use super::partitions::{NAME, partitions, work};
use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{Fault, FaultKind};
use crate::floor::{Floor, Worker};
use crate::nodes::abandon_after;
use crate::verbs::Verbs;

crate::case::cases! {
    "partitions_in_trouble";
    the_partitions_of_a_dead_member_have_another_owner_within_its_ttl { guarantee: "G173" }
    a_member_that_is_cut_off_stops_before_others_start { guarantee: "G173", needs: [Need::Fault(FaultKind::Cut)] }
    a_member_that_lost_its_session_owns_again_with_larger_tokens { guarantee: "G173", needs: [Need::Fault(FaultKind::Expire)] }
    the_death_of_the_assignor_stops_no_owner_and_another_goes_on { guarantee: "G174" }
    all_die_and_the_next_ones_go_on { guarantee: "G174" }
    a_shutdown_ends_all_work_and_gives_everything_away { guarantee: "G182" }
    leaving_ends_once_all_work_has_ended { guarantee: "G182" }
    a_join_that_is_dropped_leaves_no_member { guarantee: "G182" }
    a_member_joins_again_after_it_has_left { guarantee: "G182" }
    more_members_than_fit_into_one_step_are_served { guarantee: "G183" }
    a_hundred_thousand_partitions_fit_on_one_member { guarantee: "G183" }
    an_entry_that_an_administrator_deletes_lets_nobody_run_twice { guarantee: "G184", needs: [Need::Fault(FaultKind::Delete)] }
    what_an_administrator_takes_away_is_stopped_and_granted_anew { guarantee: "G184", needs: [Need::Fault(FaultKind::Delete)] }
    a_member_whose_acknowledgement_was_deleted_still_gets_its_share { guarantee: "G184", needs: [Need::Fault(FaultKind::Delete)] }
    what_a_store_forgot_is_stopped_and_assigned_again { guarantee: "G184", needs: [Need::Fault(FaultKind::Forget)] }
    anybody_sees_who_owns_what_and_how_often_it_moved { guarantee: "G181" }
    a_key_is_routed_to_the_same_member_by_everybody { guarantee: "G181" }
}

/// The entries of one of the collections.
async fn entries(session: &dyn Session, part: &str) -> Vec<ha_core::spi::Entry> {
    session.all(&Collection::parse(&["partition", NAME, part]).unwrap()).await
}

async fn the_partitions_of_a_dead_member_have_another_owner_within_its_ttl(cx: Context) {
    let (floor, a) = (Floor::new(), cx.node("a").await);
    let _a = work(&floor, &a, 6);
    let (b, thread) = cx.doomed_node("b").await;
    let _b = work(&floor, &b, 6);
    floor.until(&cx, ["a", "b"], [3, 3]).await;
    drop(thread);
    floor.until(&cx, ["a"], [6]).await;
}

async fn a_member_that_is_cut_off_stops_before_others_start(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.mortal_node("b").await);
    let (_a, _b) = (work(&floor, &a, 6), work(&floor, &b, 6));
    floor.until(&cx, ["a", "b"], [3, 3]).await;
    cx.inject(Fault::Cut(name("b"))).await;
    floor.until(&cx, ["a", "b"], [6, 0]).await;
    cx.inject(Fault::Heal(name("b"))).await;
    floor.until(&cx, ["a", "b"], [3, 3]).await;
}

async fn a_member_that_lost_its_session_owns_again_with_larger_tokens(cx: Context) {
    let (floor, a, judge) = (Floor::new(), cx.node("a").await, cx.session().await);
    let _a = work(&floor, &a, 3);
    floor.until(&cx, ["a"], [3]).await;
    let (token, member) = (floor.token(0), entries(&*judge, "members").await.remove(0));
    cx.inject(Fault::Expire(member.owner().unwrap().clone())).await;
    cx.until("all run again", 30, async || floor.starts() == 6 && floor.owners().len() == 3).await;
    assert!(floor.token(0) > token);
}

async fn the_death_of_the_assignor_stops_no_owner_and_another_goes_on(cx: Context) {
    let floor = Floor::new();
    let (a, thread) = cx.doomed_node("a").await;
    // The first one to stand assigns.
    let _a = work(&floor, &a, 6);
    floor.until(&cx, ["a"], [6]).await;
    let (b, c) = (cx.node("b").await, cx.node("c").await);
    let (_b, _c) = (work(&floor, &b, 6), work(&floor, &c, 6));
    floor.until(&cx, ["a", "b", "c"], [2, 2, 2]).await;
    let (before, starts) = (floor.owners(), floor.starts());
    drop(thread);
    floor.until(&cx, ["b", "c"], [3, 3]).await;
    let now = floor.owners();
    assert!(before.iter().all(|(partition, owner)| owner == "a" || now[partition] == *owner));
    assert_eq!(floor.starts(), starts + 2, "what the others had went on");
    drop(a);
}

async fn all_die_and_the_next_ones_go_on(cx: Context) {
    let floor = Floor::new();
    let (a, thread) = cx.doomed_node("a").await;
    let first = work(&floor, &a, 4);
    floor.until(&cx, ["a"], [4]).await;
    drop((thread, first));
    let b = cx.node("b").await;
    let _b = work(&floor, &b, 4);
    floor.until(&cx, ["b"], [4]).await;
    assert!(partitions(&b, 4).layout().await.unwrap().moves() >= 4);
}

async fn a_shutdown_ends_all_work_and_gives_everything_away(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let (first, _b) = (work(&floor, &a, 6), work(&floor, &b, 6));
    floor.until(&cx, ["a", "b"], [3, 3]).await;
    a.shutdown(Duration::from_secs(5)).await.unwrap();
    assert_eq!(cx.within("it ends", 30, first.ended()).await.kind(), ErrorKind::Closed);
    floor.until(&cx, ["a", "b"], [0, 6]).await;
}

async fn leaving_ends_once_all_work_has_ended(cx: Context) {
    let (floor, a, b, judge) = (Floor::new(), cx.node("a").await, cx.node("b").await, cx.session().await);
    let mut owned = partitions(&a, 2).join().await.unwrap();
    let one = cx.within("a has one", 30, owned.next()).await.unwrap();
    let two = cx.within("a has both", 30, owned.next()).await.unwrap();
    let leaving = tokio::spawn(owned.leave());
    cx.within("it is revoked", 30, one.revoked()).await;
    let _b = work(&floor, &b, 2);
    drop(one);
    cx.until("the other one moves first", 30, async || floor.owners().len() == 1).await;
    assert!(!leaving.is_finished() && two.is_valid());
    drop(two);
    cx.within("it has left", 30, leaving).await.unwrap().unwrap();
    floor.until(&cx, ["b"], [2]).await;
    cx.until("nothing of it is left", 30, async || {
        entries(&*judge, "acks").await.len() == 1 && entries(&*judge, "assigned").await.len() == 1
    })
    .await;
}

async fn a_join_that_is_dropped_leaves_no_member(cx: Context) {
    let (a, judge) = (cx.node("a").await, cx.session().await);
    for polls in 0..12 {
        drop(abandon_after(polls, partitions(&a, 2).join()).await);
        let gone = async || {
            let acks = entries(&*judge, "acks").await;
            entries(&*judge, "members").await.is_empty() && acks.is_empty()
        };
        cx.until("no member is left", 30, gone).await;
    }
}

async fn a_member_joins_again_after_it_has_left(cx: Context) {
    let (floor, a) = (Floor::new(), cx.node("a").await);
    for round in 1..=5 {
        let worker = work(&floor, &a, 3);
        cx.until("it runs all of them", 30, async || floor.counts(["a"]) == [3]).await;
        assert_eq!(floor.starts(), 3 * round);
        // Whoever joins while the one before has not even left yet is refused.
        worker.stop().await;
        assert_eq!(floor.owners().len(), 0);
    }
}

async fn more_members_than_fit_into_one_step_are_served(cx: Context) {
    let floor = Floor::new();
    let mut nodes = Vec::new();
    for number in 0..110 {
        let node = cx.node(&format!("n{number:03}")).await;
        let worker = work(&floor, &node, 220);
        nodes.push((node, worker));
    }
    cx.until("each has its share", 200, async || {
        let owners = floor.owners();
        let nodes: BTreeSet<&String> = owners.values().collect();
        owners.len() == 220 && nodes.len() == 110
    })
    .await;
}

async fn a_hundred_thousand_partitions_fit_on_one_member(cx: Context) {
    let (a, judge) = (cx.node("a").await, cx.session().await);
    let owned = partitions(&a, 100_000).join().await.unwrap();
    cx.until("they are assigned", 100, async || entries(&*judge, "assigned").await.len() == 1).await;
    let bytes = entries(&*judge, "assigned").await[0].value().len();
    assert!(bytes <= 1_024, "{bytes} bytes");
    let layout = partitions(&a, 100_000).layout().await.unwrap();
    assert_eq!(layout.counts()["a"], 100_000);
    drop(owned);
}

async fn an_entry_that_an_administrator_deletes_lets_nobody_run_twice(cx: Context) {
    let (floor, a, b, judge) = (Floor::new(), cx.node("a").await, cx.node("b").await, cx.session().await);
    let (_a, _b) = (work(&floor, &a, 4), work(&floor, &b, 4));
    for part in ["members", "acks"] {
        floor.until(&cx, ["a", "b"], [2, 2]).await;
        let entry = entries(&*judge, part).await.remove(0);
        cx.inject(Fault::Delete(cx.namespace().clone(), entry.key().clone())).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Whoever lost its member's entry joins again; whoever lost the other one is asked for it, and writes it anew.
    drop(_b);
    floor.until(&cx, ["a"], [4]).await;
    let known: Vec<_> = entries(&*judge, "acks").await.iter().map(|ack| ack.key().clone()).collect();
    let c = cx.node("c").await;
    let mut owned = partitions(&c, 4).join().await.unwrap();
    let held = cx.within("c has one", 30, owned.next()).await.unwrap();
    let acks = entries(&*judge, "acks").await;
    let ack = acks.iter().find(|ack| !known.contains(ack.key())).unwrap();
    // It leaves before it has heard of the deletion, and goes on for a while.
    cx.inject(Fault::Delete(cx.namespace().clone(), ack.key().clone())).await;
    drop(owned);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(held.is_valid() && !floor.owners().contains_key(&held.id()), "{:?}", floor.owners());
    drop(held);
    floor.until(&cx, ["a"], [4]).await;
}

async fn what_an_administrator_takes_away_is_stopped_and_granted_anew(cx: Context) {
    let (floor, a, b, judge) = (Floor::new(), cx.node("a").await, cx.node("b").await, cx.session().await);
    let (_a, _b) = (work(&floor, &a, 4), work(&floor, &b, 4));
    floor.until(&cx, ["a", "b"], [2, 2]).await;
    let starts = floor.starts();
    let record = entries(&*judge, "assigned").await.remove(0);
    cx.inject(Fault::Delete(cx.namespace().clone(), record.key().clone())).await;
    cx.until("it runs again", 30, async || floor.starts() >= starts + 2).await;
    floor.until(&cx, ["a", "b"], [2, 2]).await;
}

async fn a_member_whose_acknowledgement_was_deleted_still_gets_its_share(cx: Context) {
    let (floor, a, b, judge) = (Floor::new(), cx.node("a").await, cx.node("b").await, cx.session().await);
    let first = work(&floor, &a, 1);
    floor.until(&cx, ["a"], [1]).await;
    let _b = work(&floor, &b, 1);
    cx.until("b is a member", 30, async || entries(&*judge, "acks").await.len() == 2).await;
    for ack in entries(&*judge, "acks").await {
        cx.inject(Fault::Delete(cx.namespace().clone(), ack.key().clone())).await;
    }
    cx.until("they are written again", 30, async || entries(&*judge, "acks").await.len() == 2).await;
    drop(first);
    floor.until(&cx, ["a", "b"], [0, 1]).await;
}

async fn what_a_store_forgot_is_stopped_and_assigned_again(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let _a = work(&floor, &a, 4);
    floor.until(&cx, ["a"], [4]).await;
    cx.inject(Fault::Record).await;
    let _b = work(&floor, &b, 4);
    floor.until(&cx, ["a", "b"], [2, 2]).await;
    let before: Vec<u64> = (0..4).map(|partition| floor.token(partition)).collect();
    cx.inject(Fault::Forget(Duration::from_millis(100))).await;
    cx.until("they are shared again", 60, async || {
        let moved = (0..4).filter(|partition| floor.token(*partition) > before[*partition as usize]).count();
        floor.counts(["a", "b"]) == [2, 2] && moved >= 2
    })
    .await;
}

async fn anybody_sees_who_owns_what_and_how_often_it_moved(cx: Context) {
    let (floor, a, b) = (Floor::new(), cx.node("a").await, cx.node("b").await);
    let observer = cx.builder("watcher").observer().connect().await.unwrap();
    let mut layouts = partitions(&observer, 4).layouts();
    let empty = cx.within("there is nothing", 30, layouts.next()).await.unwrap();
    assert_eq!((empty.partitions(), empty.owner_of(0)), (0, None));
    let _a = Worker::start(&floor, &a, partitions(&a, 4).profile(Profile::new().address("10.0.0.1:1")));
    let mut number = empty.number();
    let mut until = async |wanted: &dyn Fn(&ha_core::partition::Layout) -> bool| loop {
        let layout = cx.within("it is told", 30, layouts.next()).await.unwrap();
        assert!(layout.number() > number);
        number = layout.number();
        if wanted(&layout) {
            return layout;
        }
    };
    let first = until(&|layout| layout.counts().get("a") == Some(&4)).await;
    let owner = first.owner_of(3).unwrap();
    assert_eq!((owner.node.as_str(), owner.address.as_deref()), ("a", Some("10.0.0.1:1")));
    assert_eq!((first.moves(), first.partitions(), first.owner_of(4)), (0, 4, None));
    let _b = work(&floor, &b, 4);
    let second = until(&|layout| layout.counts().get("b") == Some(&2)).await;
    assert_eq!((second.moves(), second.unowned()), (2, vec![]));
    let asked = partitions(&observer, 4).owner_of(0).await.unwrap().unwrap();
    cx.until("it runs there", 30, async || floor.owners().get(&0) == Some(&asked.node)).await;
}

async fn a_key_is_routed_to_the_same_member_by_everybody(cx: Context) {
    let (floor, a, b, c) = (Floor::new(), cx.node("a").await, cx.node("b").await, cx.node("c").await);
    let observer = cx.builder("watcher").observer().connect().await.unwrap();
    let here = partitions(&observer, 4);
    assert!(here.route(b"key").await.unwrap().is_none());
    let (_a, _b, last) = (work(&floor, &a, 4), work(&floor, &b, 4), work(&floor, &c, 4));
    here.group().wait_for(3).await.unwrap();
    let there = partitions(&a, 4);
    there.group().wait_for(3).await.unwrap();
    let mut routes = Vec::new();
    for key in 0..100_u32 {
        let one = here.route(&key.to_be_bytes()).await.unwrap().unwrap().node;
        let other = there.route(&key.to_be_bytes()).await.unwrap().unwrap().node;
        assert_eq!(one, other);
        routes.push(one);
    }
    assert!(["a", "b", "c"].iter().all(|node| routes.iter().filter(|route| route == node).count() > 10));
    drop(last);
    here.group().wait_until(|view| view.len() == 2).await.unwrap();
    for (key, before) in (0..100_u32).zip(routes) {
        let now = here.route(&key.to_be_bytes()).await.unwrap().unwrap().node;
        assert!(now == before || before == "c", "only the keys of the one that left move");
    }
}
