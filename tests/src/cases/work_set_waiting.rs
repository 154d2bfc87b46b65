//! Work-sets: whoever waits is woken by what concerns it, and asks for nothing until then.

use std::collections::BTreeSet;
use std::time::Duration;

use ha_core::work_set::Item;

use super::work_set::{add, ids, work};
use crate::context::Context;
use crate::counting::Counting;

crate::case::cases! {
    "work_set_waiting";
    whoever_waits_is_woken_when_something_put_off_is_due { guarantee: "G192" }
    an_item_that_was_put_off_since_is_not_claimed_before_its_time { guarantee: "G192" }
    whoever_waits_is_woken_by_what_is_added { guarantee: "G200" }
    one_item_wakes_one_of_many_that_wait { guarantee: "G200" }
    workers_that_wait_ask_for_nothing { guarantee: "G200" }
    a_stream_holds_no_more_than_it_may { guarantee: "G200" }
    waiting_for_the_end_ends_when_all_is_done { guarantee: "G201" }
}

async fn whoever_waits_is_woken_when_something_put_off_is_due(cx: Context) {
    let (waiter, adder) = (cx.node("waiter").await, cx.node("adder").await);
    let waiting = work(&waiter);
    let later = async {
        // Some of it is put off while the other waits, the earlier one last.
        let items = [Item::new("later", 1).after(Duration::from_secs(3_600))];
        assert!(work(&adder).add_all(items).await.unwrap()[0].is_new());
        tokio::time::sleep(Duration::from_millis(50)).await;
        let items = [Item::new("soon", 2).after(Duration::from_millis(100))];
        assert!(work(&adder).add_all(items).await.unwrap()[0].is_new());
    };
    let (claims, ()) = tokio::join!(cx.within("it is woken", 20, waiting.next(9)), later);
    assert_eq!(ids(&claims.unwrap()), ["soon"]);
}

async fn an_item_that_was_put_off_since_is_not_claimed_before_its_time(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let (adder, worker) = (work(&a), work(&b));
    // The list that says of its first life that it can be claimed is still there.
    assert!(adder.add("twice", &1).await.unwrap().is_new());
    assert_eq!(adder.remove(["twice"]).await.unwrap(), [true]);
    let later = Item::new("twice", 2).after(Duration::from_secs(3_600));
    assert!(adder.add_all([later]).await.unwrap()[0].is_new());
    assert!(adder.add("now", &3).await.unwrap().is_new());
    assert_eq!(ids(&worker.claim(9).await.unwrap()), ["now"]);
    assert!(adder.get("twice").await.unwrap().is_some_and(|seen| seen.attempts() == 0));
}

async fn whoever_waits_is_woken_by_what_is_added(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let (waiting, adder) = (work(&a), work(&b));
    for round in 0..20_u32 {
        let id = format!("e-{round}");
        let (claims, added) =
            tokio::join!(cx.within("it is woken", 10, waiting.next(5)), adder.add(&id, &round));
        assert!(added.unwrap().is_new());
        let claims = claims.unwrap();
        assert_eq!(ids(&claims), [id]);
        assert!(claims[0].complete(&()).await.unwrap().is_applied());
    }
}

async fn one_item_wakes_one_of_many_that_wait(cx: Context) {
    let adder = cx.node("adder").await;
    let (sender, mut claimed) = tokio::sync::mpsc::unbounded_channel();
    let mut waiters = tokio::task::JoinSet::new();
    for at in 0..5 {
        let (node, sender) = (cx.node(&format!("node-{at}")).await, sender.clone());
        waiters.spawn(async move {
            let claims = work(&node).next(1).await.unwrap();
            sender.send(claims[0].id().to_owned()).unwrap();
            // It is held until the others have theirs.
            std::future::pending::<()>().await;
            drop((claims, node));
        });
    }
    let mut seen = BTreeSet::new();
    for at in 0..5_u32 {
        assert!(work(&adder).add(&format!("e-{at}"), &at).await.unwrap().is_new());
        seen.insert(cx.within("one has it", 10, claimed.recv()).await.unwrap());
        assert!(claimed.try_recv().is_err(), "one item, one worker");
    }
    assert_eq!(seen.len(), 5);
}

async fn workers_that_wait_ask_for_nothing(cx: Context) {
    let (backend, counts) = Counting::wrap(cx.connect_as("node"));
    let node = cx.builder_on(backend, "node").connect().await.unwrap();
    let waiting = work(&node);
    add(&waiting, 10).await;
    let claims = waiting.claim(10).await.unwrap();
    let mut next = std::pin::pin!(waiting.next(1));
    cx.not_within("there is nothing more", Duration::from_millis(200), next.as_mut()).await;
    let before = cx.settled("it has looked", || counts.others()).await;
    cx.not_within("there is nothing more", cx.ttl() * 3, next.as_mut()).await;
    assert_eq!(counts.others(), before, "it asked while nothing happened");
    assert_eq!(claims.len(), 10);
}

async fn a_stream_holds_no_more_than_it_may(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    add(&work, 12).await;
    let mut stream = work.stream(3);
    let mut held = std::collections::VecDeque::new();
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        held.push_back(cx.within("there is one", 10, stream.next()).await.unwrap());
    }
    cx.not_within("three are held", Duration::from_millis(100), stream.next()).await;
    for _ in 0..9 {
        let claim = held.pop_front().unwrap();
        assert!(claim.complete(&()).await.unwrap().is_applied());
        seen.insert(*claim.item());
        drop(claim);
        held.push_back(cx.within("there is room", 10, stream.next()).await.unwrap());
    }
    for claim in held {
        seen.insert(*claim.item());
        assert!(claim.into_claim().fail("once").await.unwrap().is_applied());
    }
    assert_eq!(seen.len(), 12, "each came once");
}

async fn waiting_for_the_end_ends_when_all_is_done(cx: Context) {
    let (node, watcher) = (cx.node("node").await, cx.node("watcher").await);
    let (work, watching) = (work(&node), work(&watcher));
    assert!(cx.within("nothing is there", 10, watching.wait_drained()).await.unwrap().is_drained());
    add(&work, 4).await;
    let mut drained = std::pin::pin!(watching.wait_drained());
    let claims = work.claim(4).await.unwrap();
    cx.not_within("it is claimed only", Duration::from_millis(50), drained.as_mut()).await;
    for claim in claims {
        match *claim.item() {
            0 => assert!(claim.bury("no").await.unwrap().is_applied()),
            _ => assert!(claim.complete(&()).await.unwrap().is_applied()),
        }
    }
    let stats = cx.within("all is done", 10, drained).await.unwrap();
    assert_eq!((stats.done, stats.dead), (3, 1));
}
