//! Work-sets: what is taken when, by whomever it is chosen.

use std::time::Duration;

use ha_core::work_set::Item;

use super::work_set::{add, ids, take, work};
use crate::context::Context;
use crate::counting::Counting;

crate::case::cases! {
    "work_set_takes";
    what_an_older_list_names_is_not_taken_from_who_has_it { guarantee: "G206" }
    what_an_older_list_names_and_is_no_more_is_in_nobodys_way { guarantee: "G206" }
    what_has_become_due_takes_its_place_by_its_priority { guarantee: "G206" }
    a_claim_takes_of_many_lists_what_it_wants { guarantee: "G206" }
    a_claim_takes_one_request_or_three { guarantee: "G206" }
}

async fn what_an_older_list_names_is_not_taken_from_who_has_it(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let (holder, other) = (work(&a), work(&b));
    // The list that says of its first life when it can be claimed is still there.
    let soon = Item::new("twice", 1).after(Duration::from_millis(100));
    assert!(holder.add_all([soon]).await.unwrap()[0].is_new());
    assert_eq!(holder.remove(["twice"]).await.unwrap(), [true]);
    assert!(holder.add("twice", &2).await.unwrap().is_new());
    let held = take(&holder).await;
    let after_it = Item::new("other", 3).after(Duration::from_millis(200));
    assert!(holder.add_all([after_it]).await.unwrap()[0].is_new());
    let claims = cx.within("the other one is due", 20, other.next(9)).await.unwrap();
    assert_eq!(ids(&claims), ["other"]);
    assert!(held.complete(&()).await.unwrap().is_applied());
}

async fn what_an_older_list_names_and_is_no_more_is_in_nobodys_way(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    add(&work, 30).await;
    let gone: Vec<String> = (0..29).map(|at| format!("i-{at:05}")).collect();
    assert_eq!(work.remove(gone.iter().map(String::as_str)).await.unwrap(), [true; 29]);
    let claims = work.claim(1).await.unwrap();
    assert_eq!(ids(&claims), ["i-00029"]);
    assert!(work.claim(9).await.unwrap().is_empty());
}

async fn what_has_become_due_takes_its_place_by_its_priority(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    let soon = Duration::from_millis(50);
    let urgent = Item::new("urgent", 1).priority(5).after(soon);
    let idle = Item::new("idle", 2).priority(-5).after(soon);
    assert!(work.add_all([urgent, idle]).await.unwrap().iter().all(ha_core::work_set::Added::is_new));
    // Whoever waits is woken when both are due, and there is more by then.
    let mut next = cx.within("one is due", 20, work.next(1)).await.unwrap();
    assert!(work.add("plain", &3).await.unwrap().is_new());
    next.extend(work.claim(1).await.unwrap());
    next.extend(work.claim(1).await.unwrap());
    let order = ids(&next);
    assert_eq!(order[0], "urgent");
    // Whoever looks before it takes goes on with what it has seen.
    assert!(!node.capabilities().takes || order == ["urgent", "plain", "idle"], "{order:?}");
}

async fn a_claim_takes_of_many_lists_what_it_wants(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    for at in 0..25_u32 {
        assert!(work.add(&format!("i-{at:05}"), &at).await.unwrap().is_new());
    }
    let claims = work.claim(20).await.unwrap();
    assert!((5..=20).contains(&claims.len()), "{} of 25 that are ready", claims.len());
    let mut rest = work.claim(100).await.unwrap();
    while claims.len() + rest.len() < 25 {
        let more = work.claim(100).await.unwrap();
        assert!(!more.is_empty(), "{} and {} of 25 were there", claims.len(), rest.len());
        rest.extend(more);
    }
    assert_eq!(claims.len() + rest.len(), 25);
}

async fn a_claim_takes_one_request_or_three(cx: Context) {
    let (backend, counts) = Counting::wrap(cx.connect_as("node"));
    let requests = if backend.capabilities().takes { 1 } else { 3 };
    let node = cx.builder_on(backend, "node").connect().await.unwrap();
    let work = work(&node);
    add(&work, 50).await;
    // The first one makes itself known, and looks for what others may have left.
    for claim in work.claim(10).await.unwrap() {
        assert!(claim.complete(&()).await.unwrap().is_applied());
    }
    cx.settled("it has looked", || counts.others()).await;
    let before = counts.others();
    let claims = work.claim(10).await.unwrap();
    assert_eq!((claims.len() as u64, counts.others() - before), (10, requests));
}
