//! Work-sets on a store that forgot commits.

use ha_core::work_set::Settled;
use ha_core::{ErrorKind, LossReason};

use super::work_set::{add, take, work};
use crate::case::Need;
use crate::clock::Stopwatch;
use crate::context::Context;
use crate::faults::Fault;
use crate::verbs::refused;

const FORGET: Need = Need::Reconciliation;

crate::case::cases! {
    "work_set_forgetting";
    claims_that_were_forgotten_are_lost_at_once { guarantee: "G204", needs: [FORGET] }
    claims_that_were_not_forgotten_stay { guarantee: "G204", needs: [FORGET] }
    a_completion_that_was_forgotten_is_made_again { guarantee: "G204", needs: [FORGET] }
    nothing_is_claimed_before_the_hold_is_over { guarantee: "G204", needs: [FORGET] }
}

async fn claims_that_were_forgotten_are_lost_at_once(cx: Context) {
    let node = cx.mortal_node("node").await;
    let work = work(&node);
    add(&work, 3).await;
    let kept = take(&work).await;
    cx.inject(Fault::Record).await;
    let forgotten = work.claim(2).await.unwrap();
    let since = Stopwatch::start();
    cx.inject(Fault::Forget(cx.ttl() * 3)).await;
    for claim in &forgotten {
        assert_eq!(cx.within("it learns it", 5, claim.lost()).await, LossReason::Forgotten);
    }
    assert!(since.elapsed() < cx.ttl() * 3, "it held on until the hold was nearly over");
    assert!(kept.is_valid(), "this one is still there");
    let mut again = Vec::new();
    while again.len() < 2 {
        again.extend(cx.within("they come again", 20, work.next(2)).await.unwrap());
    }
    assert!(again.iter().all(|claim| forgotten.iter().all(|old| claim.token() > old.token())));
    assert_eq!(forgotten[0].complete(&()).await.unwrap(), Settled::Stale);
    assert!(kept.complete(&()).await.unwrap().is_applied());
}

async fn claims_that_were_not_forgotten_stay(cx: Context) {
    let (node, other) = (cx.mortal_node("node").await, cx.node("other").await);
    add(&work(&node), 3).await;
    let claims = work(&node).claim(3).await.unwrap();
    cx.inject(Fault::Record).await;
    assert!(work(&other).add("forgotten", &1).await.unwrap().is_new());
    cx.inject(Fault::Forget(cx.ttl())).await;
    tokio::time::sleep(cx.ttl() * 3).await;
    assert!(claims.iter().all(|claim| claim.is_valid()));
    assert!(cx.within("others find nothing", 20, work(&other).claim(3)).await.unwrap().is_empty());
    for settled in work(&node).complete_all(claims.iter().map(|claim| (claim, ()))).await {
        assert!(settled.unwrap().is_applied());
    }
    assert!(work(&other).add("forgotten", &1).await.unwrap().is_new(), "it was forgotten, and is new");
}

async fn a_completion_that_was_forgotten_is_made_again(cx: Context) {
    let (node, other) = (cx.mortal_node("node").await, cx.node("other").await);
    add(&work(&node), 2).await;
    let claims = work(&node).claim(2).await.unwrap();
    cx.inject(Fault::Record).await;
    assert!(claims[0].complete("first").await.unwrap().is_applied());
    cx.inject(Fault::Forget(cx.ttl())).await;
    // The store has brought back a claim that nobody has: it is given back, and done again.
    let again = cx.within("it comes back", 30, work(&other).next(1)).await.unwrap().pop().unwrap();
    assert_eq!(again.id(), claims[0].id());
    assert!(again.token() > claims[0].token());
    assert!(again.complete("second").await.unwrap().is_applied());
    assert!(claims[1].complete(&()).await.unwrap().is_applied());
}

async fn nothing_is_claimed_before_the_hold_is_over(cx: Context) {
    let node = cx.mortal_node("node").await;
    let work = work(&node);
    add(&work, 2).await;
    drop(take(&work).await);
    cx.inject(Fault::Record).await;
    let hold = cx.ttl() * 3;
    let since = Stopwatch::start();
    cx.inject(Fault::Forget(hold)).await;
    refused(cx.within("a try says so", 5, work.claim(1)).await, ErrorKind::Recovering);
    let claims = cx.within("it claims after the hold", 20, work.next(1)).await.unwrap();
    assert!(since.elapsed() >= hold, "after {:?} of {hold:?}", since.elapsed());
    assert!(claims[0].is_valid());
}
