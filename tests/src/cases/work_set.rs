//! Work-sets: what is added is claimed in its order, and completed once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ha_core::spi::{Collection, Entry};
use ha_core::work_set::{Added, Claim, Item, Settled, Status, WorkSet};
use ha_core::{Coordinator, ErrorKind};

use crate::context::Context;
use crate::verbs::refused;

crate::case::cases! {
    "work_set";
    an_item_is_claimed_and_completed_once { guarantee: "G190" }
    a_thousand_items_are_each_done_once_by_workers_that_start_at_once { guarantee: "G190" }
    an_id_is_added_once_whatever_its_state { guarantee: "G191" }
    of_duplicates_in_a_batch_the_first_counts { guarantee: "G191" }
    callers_that_add_the_same_at_once_add_it_once { guarantee: "G191" }
    the_most_urgent_is_claimed_first_then_the_oldest { guarantee: "G192" }
    nothing_is_claimed_before_its_time { guarantee: "G192" }
    a_claim_takes_no_more_than_its_limit { guarantee: "G192" }
    each_claim_has_a_larger_token_and_its_fence { guarantee: "G193" }
    numbers_and_items_can_be_looked_at_by_observers { guarantee: "G201" }
    work_sets_of_different_names_share_nothing { guarantee: "G190" }
    a_shutdown_answers_whoever_waits_and_gives_back { guarantee: "G205" }
}

pub(super) const NAME: &str = "executions";

/// The work-set of a node.
pub(super) fn work(node: &Coordinator) -> WorkSet<u32> {
    node.work_set(NAME).unwrap()
}

/// Adds the items `0 .. count`, each under its number.
pub(super) async fn add(work: &WorkSet<u32>, count: u32) {
    let items = (0..count).map(|at| Item::new(format!("i-{at:05}"), at));
    assert!(work.add_all(items).await.unwrap().iter().all(Added::is_new));
}

/// Claims one item that is there.
pub(super) async fn take(work: &WorkSet<u32>) -> Claim<u32> {
    work.claim(1).await.unwrap().pop().unwrap()
}

/// The ids of these claims.
pub(super) fn ids(claims: &[Claim<u32>]) -> Vec<String> {
    claims.iter().map(|claim| claim.id().to_owned()).collect()
}

/// The entries of one part of a work-set.
pub(super) async fn part(cx: &Context, part: &str) -> Vec<Entry> {
    use crate::verbs::Verbs;
    let collection = Collection::parse(&["work", NAME, part]).unwrap();
    cx.observer().await.all(&collection).await
}

async fn an_item_is_claimed_and_completed_once(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    assert_eq!(work(&a).add("e-1", &7).await.unwrap(), Added::New);
    let claim = take(&work(&b)).await;
    assert_eq!((claim.id(), *claim.item(), claim.attempt()), ("e-1", 7, 1));
    assert!(claim.is_valid() && work(&a).claim(9).await.unwrap().is_empty());
    assert_eq!(claim.complete("fine").await.unwrap(), Settled::Applied);
    assert!(!claim.is_valid());
    // Saying so again changes nothing, and tells what was said first.
    let again = claim.complete("better").await.unwrap();
    let Settled::AlreadyDone(result) = again else { panic!("{again:?}") };
    assert_eq!(result.decode::<String>().unwrap(), "fine");
    assert!(work(&a).claim(9).await.unwrap().is_empty());
    assert!(part(&cx, "claim").await.is_empty() && part(&cx, "ready").await.is_empty());
}

async fn a_thousand_items_are_each_done_once_by_workers_that_start_at_once(cx: Context) {
    let adder = cx.node("adder").await;
    add(&work(&adder), 1_000).await;
    let mut trackers = Vec::new();
    for at in 0..4 {
        let node = cx.node(&format!("tracker-{at}")).await;
        trackers.push(async move {
            let (work, mut done) = (work(&node), Vec::new());
            loop {
                let claims = work.claim(50).await.unwrap();
                if claims.is_empty() && work.stats().await.unwrap().ready == 0 {
                    return done;
                }
                for settled in work.complete_all(claims.iter().map(|claim| (claim, claim.item() * 2))).await {
                    assert_eq!(settled.unwrap(), Settled::Applied);
                }
                done.extend(claims.iter().map(|claim| *claim.item()));
            }
        });
    }
    let (a, b, c, d) = {
        let mut trackers = trackers.into_iter().map(Box::pin);
        let mut next = || trackers.next().unwrap();
        tokio::join!(next(), next(), next(), next())
    };
    let mut done = [a, b, c, d].concat();
    done.sort_unstable();
    assert_eq!(done, (0..1_000).collect::<Vec<_>>(), "nothing is executed twice, nothing is left out");
    let stats = work(&adder).stats().await.unwrap();
    assert_eq!((stats.ready, stats.claimed, stats.done, stats.dead), (0, 0, 1_000, 0));
    let seen = work(&adder).get("i-00777").await.unwrap().unwrap();
    let Status::Done(result) = seen.status() else { panic!("{seen:?}") };
    assert_eq!(result.decode::<u32>().unwrap(), 1_554);
}

async fn an_id_is_added_once_whatever_its_state(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let (work, other) = (work(&a), work(&b));
    assert!(work.add("e", &1).await.unwrap().is_new());
    assert_eq!(other.add("e", &2).await.unwrap(), Added::Known(Status::Ready));
    let claim = take(&work).await;
    assert_eq!(*claim.item(), 1, "the first payload stays");
    assert_eq!(other.add("e", &3).await.unwrap(), Added::Known(Status::Claimed));
    assert!(claim.complete(&4).await.unwrap().is_applied());
    let Added::Known(Status::Done(result)) = other.add("e", &5).await.unwrap() else { panic!() };
    assert_eq!(result.decode::<u32>().unwrap(), 4);
    assert!(other.add("f", &6).await.unwrap().is_new());
    assert!(take(&other).await.bury("no").await.unwrap().is_applied());
    assert_eq!(work.add("f", &7).await.unwrap(), Added::Known(Status::Dead("no".into())));
    assert_eq!(work.stats().await.unwrap().ready, 0);
}

async fn of_duplicates_in_a_batch_the_first_counts(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    let items = [("a", 1), ("b", 2), ("a", 3), ("b", 2), ("c", 4)].map(|(id, value)| Item::new(id, value));
    let added = work.add_all(items).await.unwrap();
    let known = || Added::Known(Status::Ready);
    assert_eq!(added, [Added::New, Added::New, known(), known(), Added::New]);
    let claims = work.claim(9).await.unwrap();
    let mut items: Vec<_> = claims.iter().map(|claim| (claim.id(), *claim.item())).collect();
    items.sort_unstable();
    assert_eq!(items, [("a", 1), ("b", 2), ("c", 4)]);
    let more = ["a", "d"].map(|id| Item::new(id, 9));
    assert_eq!(work.add_all(more).await.unwrap(), [Added::Known(Status::Claimed), Added::New]);
    assert!(work.add_all([]).await.unwrap().is_empty());
}

async fn callers_that_add_the_same_at_once_add_it_once(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    for round in 0..5 {
        let items = |from: u32| (from..from + 40).map(move |at| Item::new(format!("{round}-{at}"), at));
        let (x, y) = (work(&a), work(&a));
        let (one, two, three) = tokio::join!(x.add_all(items(0)), y.add_all(items(20)), async {
            work(&b).add_all(items(10)).await
        });
        let added = [one.unwrap(), two.unwrap(), three.unwrap()].concat();
        assert_eq!(added.iter().filter(|added| added.is_new()).count(), 60);
    }
    assert_eq!(work(&a).stats().await.unwrap().ready, 300);
}

async fn the_most_urgent_is_claimed_first_then_the_oldest(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    for (id, priority) in [("low", -5), ("first", 0), ("second", 0), ("high", 100), ("third", 0)] {
        assert!(work.add_all([Item::new(id, 0).priority(priority)]).await.unwrap()[0].is_new());
    }
    let mut order = Vec::new();
    for _ in 0..5 {
        let claim = take(&work).await;
        order.push(claim.id().to_owned());
        assert!(claim.complete(&()).await.unwrap().is_applied());
    }
    assert_eq!(order, ["high", "first", "second", "third", "low"]);
    assert_eq!(work.get("low").await.unwrap().unwrap().priority(), -5);
}

async fn nothing_is_claimed_before_its_time(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    let items = [
        Item::new("hour", 1).after(Duration::from_secs(3_600)),
        Item::new("far", 2).not_before(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40)),
        Item::new("past", 3).not_before(SystemTime::UNIX_EPOCH),
    ];
    assert_eq!(work.add_all(items).await.unwrap().len(), 3);
    assert_eq!(ids(&work.claim(9).await.unwrap()), ["past"]);
    assert_eq!(work.get("hour").await.unwrap().unwrap().status(), Status::Ready);
}

async fn a_claim_takes_no_more_than_its_limit(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    add(&work, 30).await;
    assert!(work.claim(0).await.unwrap().is_empty());
    let mut claimed = BTreeSet::new();
    for limit in [1, 2, 7] {
        let claims = work.claim(limit).await.unwrap();
        assert_eq!(claims.len(), limit);
        for claim in &claims {
            assert!(claimed.insert(claim.id().to_owned()), "{} twice", claim.id());
        }
        for settled in work.complete_all(claims.iter().map(|claim| (claim, ()))).await {
            assert!(settled.unwrap().is_applied());
        }
    }
    let rest = work.claim(usize::MAX).await.unwrap();
    assert_eq!(rest.len(), 20);
}

async fn each_claim_has_a_larger_token_and_its_fence(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    assert!(work(&a).add("e", &1).await.unwrap().is_new());
    let first = take(&work(&a)).await;
    let (grant, store) = (first.grant(), a.store());
    let write = |entry| {
        let key = store.collection("results").unwrap().key(entry).unwrap();
        store.commit(grant.fence(ha_core::spi::Txn::new().create(key, "x")))
    };
    assert!(write("one").await.unwrap().is_committed());
    assert!(first.release().await.unwrap().is_applied());
    assert!(!write("two").await.unwrap().is_committed(), "it is given back");
    let second = take(&work(&b)).await;
    assert!(second.token() > grant.token() && second.attempt() == 2);
    assert!(!write("three").await.unwrap().is_committed(), "another has it");
    assert!(second.complete(&()).await.unwrap().is_applied());
}

async fn numbers_and_items_can_be_looked_at_by_observers(cx: Context) {
    let node = cx.node("node").await;
    let observer = cx.builder("observer").observer().connect().await.unwrap();
    let (work, looking) = (work(&node), work(&observer));
    assert_eq!(looking.stats().await.unwrap(), Default::default());
    assert!(looking.get("i-00000").await.unwrap().is_none());
    add(&work, 5).await;
    let mut claims = work.claim(3).await.unwrap();
    assert!(claims.pop().unwrap().complete(&1).await.unwrap().is_applied());
    assert!(claims.pop().unwrap().bury("broken").await.unwrap().is_applied());
    let stats = looking.stats().await.unwrap();
    assert_eq!((stats.ready, stats.claimed, stats.done, stats.dead), (2, 1, 1, 1));
    let letters = looking.dead_letters(None, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].reason(), letters[0].attempts()), (1, "broken", 1));
    assert!(letters[0].payload().unwrap().is_some());
    let held = looking.get(claims[0].id()).await.unwrap().unwrap();
    assert_eq!((held.status(), held.payload().unwrap()), (Status::Claimed, Some(*claims[0].item())));
    assert!(refused(looking.claim(1).await, ErrorKind::Unsupported).to_string().contains("observer"));
    assert!(refused(looking.add("x", &1).await, ErrorKind::Unsupported).to_string().contains("observer"));
}

async fn work_sets_of_different_names_share_nothing(cx: Context) {
    let node = cx.node("node").await;
    let names = ["x", "X", "item", "ä/.", "\0", &"y".repeat(200)];
    for (at, name) in (0_u32..).zip(names) {
        assert!(node.work_set::<u32>(name).unwrap().add("e", &at).await.unwrap().is_new());
    }
    for (at, name) in (0_u32..).zip(names) {
        let work = node.work_set::<u32>(name).unwrap();
        let claims = work.claim(9).await.unwrap();
        assert_eq!((claims.len(), *claims[0].item()), (1, at));
    }
}

async fn a_shutdown_answers_whoever_waits_and_gives_back(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    add(&work(&a), 2).await;
    let held = take(&work(&a)).await;
    let other = take(&work(&a)).await;
    let waiting = Arc::new(work(&a));
    let waiter = tokio::spawn({
        let waiting = Arc::clone(&waiting);
        async move { waiting.next(1).await.map(drop) }
    });
    let holder = async {
        assert_eq!(held.lost().await, ha_core::LossReason::Shutdown);
        // It ends its work and lets go, in time.
        drop(held);
        drop(other);
    };
    let (down, ()) = tokio::join!(a.shutdown(Duration::from_secs(20)), holder);
    down.unwrap();
    refused(cx.within("the waiter is answered", 10, waiter).await.unwrap(), ErrorKind::Closed);
    refused(waiting.add("late", &1).await, ErrorKind::Closed);
    refused(waiting.claim(1).await, ErrorKind::Closed);
    assert_eq!(work(&b).claim(9).await.unwrap().len(), 2, "what it held is there at once");
}
