//! Work-sets: how claims end, and what comes of what did not work.

use std::time::Duration;

use ha_core::work_set::{Item, Retention, Retry, Settled, Status, WorkSet};
use ha_core::{Coordinator, LossReason};

use super::work_set::{NAME, add, ids, part, take, work};
use crate::context::Context;

crate::case::cases! {
    "work_set_settling";
    what_fails_comes_again_after_its_time { guarantee: "G195" }
    what_fails_too_often_is_a_dead_letter_with_its_reason { guarantee: "G195" }
    what_is_buried_is_a_dead_letter_at_once { guarantee: "G195" }
    a_dead_letter_that_is_redriven_begins_anew { guarantee: "G195" }
    what_is_given_back_can_be_claimed_at_once { guarantee: "G195" }
    a_claim_that_is_dropped_is_given_back { guarantee: "G199" }
    claims_of_a_batch_end_each_in_its_own_way { guarantee: "G194" }
    a_claim_that_ended_is_stale { guarantee: "G194" }
    a_removed_item_makes_its_claim_stale { guarantee: "G194" }
    a_claim_that_takes_too_long_is_given_back { guarantee: "G197" }
    claims_that_take_too_long_too_often_are_dead_letters { guarantee: "G197" }
    a_claim_that_is_extended_has_its_time { guarantee: "G197" }
    extending_says_which_claims_are_stale { guarantee: "G194" }
    what_cannot_be_read_is_a_dead_letter { guarantee: "G198" }
    a_removed_item_can_be_added_again { guarantee: "G191" }
    what_was_done_is_forgotten_after_its_time { guarantee: "G202" }
    of_what_was_done_the_latest_are_remembered { guarantee: "G202" }
}

/// A work-set whose items are tried again at once, so often.
fn quick(node: &Coordinator, failures: u32) -> WorkSet<u32> {
    let mut retry = Retry::default();
    retry.backoff = Duration::from_millis(1);
    retry.max_failures = failures;
    work(node).retry(retry)
}

async fn what_fails_comes_again_after_its_time(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node).retry({
        let mut retry = Retry::default();
        retry.backoff = Duration::from_millis(200);
        retry
    });
    assert!(work.add("e", &1).await.unwrap().is_new());
    let claim = take(&work).await;
    assert_eq!(claim.failures(), 0);
    assert!(claim.fail("no route to host").await.unwrap().is_applied());
    assert!(work.claim(1).await.unwrap().is_empty(), "not before its time");
    let seen = work.get("e").await.unwrap().unwrap();
    assert_eq!((seen.status(), seen.reason(), seen.failures()), (Status::Ready, "no route to host", 1));
    let again = cx.within("it comes again", 20, work.next(1)).await.unwrap().pop().unwrap();
    assert_eq!((again.failures(), again.attempt(), again.abandonments()), (1, 2, 0));
    assert!(again.complete(&()).await.unwrap().is_applied());
}

async fn what_fails_too_often_is_a_dead_letter_with_its_reason(cx: Context) {
    let node = cx.node("node").await;
    let work = quick(&node, 3);
    assert!(work.add("e", &1).await.unwrap().is_new());
    for attempt in 1..=3 {
        let claim = cx.within("it comes", 20, work.next(1)).await.unwrap().pop().unwrap();
        assert_eq!(claim.attempt(), attempt);
        assert!(claim.fail(format!("attempt {attempt}")).await.unwrap().is_applied());
    }
    assert_eq!(work.get("e").await.unwrap().unwrap().status(), Status::Dead("attempt 3".into()));
    cx.not_within("it is put aside", Duration::from_millis(50), work.next(1)).await;
    let stats = work.stats().await.unwrap();
    assert!(stats.is_drained() && stats.dead == 1, "{stats:?}");
}

async fn what_is_buried_is_a_dead_letter_at_once(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    assert!(work.add("e", &1).await.unwrap().is_new());
    let reason = "ü".repeat(9_000);
    assert!(take(&work).await.bury(&reason).await.unwrap().is_applied());
    let letters = work.dead_letters(None, 10).await.unwrap();
    assert!(letters.len() == 1 && reason.starts_with(letters[0].reason()), "as much of it as fits");
    assert!(!letters[0].reason().is_empty());
}

async fn a_dead_letter_that_is_redriven_begins_anew(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let work = quick(&a, 1);
    add(&work, 3).await;
    for claim in work.claim(2).await.unwrap() {
        assert!(claim.fail("no").await.unwrap().is_applied());
    }
    let dead: Vec<_> =
        work.dead_letters(None, 9).await.unwrap().iter().map(|seen| seen.id().to_owned()).collect();
    assert_eq!(dead, ["i-00000", "i-00001"]);
    let behind = work.dead_letters(Some("i-00000"), 9).await.unwrap();
    assert_eq!((behind.len(), behind[0].id()), (1, "i-00001"));
    let other = quick(&b, 1);
    assert_eq!(
        other.redrive(["i-00001", "i-00002", "nobody", "i-00001"]).await.unwrap(),
        [true, false, false, false]
    );
    let claims = other.claim(9).await.unwrap();
    let mut both = ids(&claims);
    both.sort_unstable();
    assert_eq!(both, ["i-00001", "i-00002"]);
    let again = claims.iter().find(|claim| claim.id() == "i-00001").unwrap();
    assert_eq!((again.failures(), again.attempt()), (0, 2));
    let stats = work.stats().await.unwrap();
    assert_eq!((stats.ready, stats.claimed, stats.dead), (0, 2, 1));
    assert_eq!(work.dead_letters(None, 9).await.unwrap().len(), 1);
}

async fn what_is_given_back_can_be_claimed_at_once(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    add(&work(&a), 1).await;
    for attempt in 1..5 {
        let claim = take(&work(if attempt % 2 == 0 { &a } else { &b })).await;
        assert_eq!((claim.attempt(), claim.failures(), claim.abandonments()), (attempt, 0, 0));
        let grant = claim.grant();
        assert!(claim.release().await.unwrap().is_applied());
        assert_eq!(grant.lost().await, LossReason::Released);
    }
}

async fn a_claim_that_is_dropped_is_given_back(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    add(&work(&a), 5).await;
    let claims = work(&a).claim(5).await.unwrap();
    let grants: Vec<_> = claims.iter().map(|claim| claim.grant()).collect();
    drop(claims);
    assert!(grants.iter().all(|grant| !grant.is_valid()), "they are over before anybody else has them");
    let mut again = Vec::new();
    while again.len() < 5 {
        again.extend(cx.within("they come back", 10, work(&b).next(5)).await.unwrap());
    }
    assert!(again.iter().all(|claim| claim.attempt() == 2 && claim.failures() == 0));
    cx.until("no list is left behind", 10, async || {
        part(&cx, "claim").await.iter().all(|list| list.value().len() < 64)
    })
    .await;
}

async fn claims_of_a_batch_end_each_in_its_own_way(cx: Context) {
    let node = cx.node("node").await;
    let work = quick(&node, 9);
    add(&work, 6).await;
    let mut claims = work.claim(6).await.unwrap();
    let released = claims.pop().unwrap().release();
    let failed = claims.pop().unwrap().fail("f");
    let buried = claims.pop().unwrap().bury("b");
    let (first, second, third) = (&claims[0], &claims[1], &claims[2]);
    let done = work.complete_all([(first, 1), (second, 2), (first, 3)]);
    let (released, failed, buried, done, last) =
        tokio::join!(released, failed, buried, done, third.complete(&4));
    for settled in [released, failed, buried, last] {
        assert_eq!(settled.unwrap(), Settled::Applied);
    }
    let done: Vec<_> = done.into_iter().map(Result::unwrap).collect();
    assert_eq!(done[..2], [Settled::Applied, Settled::Applied]);
    let Settled::AlreadyDone(result) = &done[2] else { panic!("{done:?}") };
    assert_eq!(result.decode::<u32>().unwrap(), 1, "the first word counts");
    let stats = work.stats().await.unwrap();
    assert_eq!((stats.ready, stats.claimed, stats.done, stats.dead), (2, 0, 3, 1));
}

async fn a_claim_that_ended_is_stale(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let work = work(&a).deadline(Duration::from_millis(20));
    assert!(work.add("e", &1).await.unwrap().is_new());
    let late = take(&work).await;
    cx.within("it took too long", 10, late.lost()).await;
    let again =
        cx.within("it comes again", 10, super::work_set::work(&b).next(1)).await.unwrap().pop().unwrap();
    assert!(again.token() > late.token());
    assert_eq!(late.extend(Duration::from_secs(9)).await.unwrap(), Settled::Stale);
    assert_eq!(late.complete(&1).await.unwrap(), Settled::Stale);
    assert!(again.is_valid(), "nothing of that touched it");
    assert!(again.complete("mine").await.unwrap().is_applied());
    let Settled::AlreadyDone(result) = late.complete(&2).await.unwrap() else { panic!("it is done") };
    assert_eq!(result.json().as_ref(), b"\"mine\"");
    let Settled::AlreadyDone(_) = late.fail("late").await.unwrap() else { panic!("it is done") };
    assert!(matches!(work.get("e").await.unwrap().unwrap().status(), Status::Done(_)));
}

async fn a_removed_item_makes_its_claim_stale(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    add(&work(&a), 4).await;
    let mut claims = work(&a).claim(4).await.unwrap();
    let ids = ids(&claims);
    let removed = work(&b).remove(ids.iter().map(String::as_str)).await.unwrap();
    assert_eq!(removed, [true; 4]);
    assert_eq!(claims[0].complete(&1).await.unwrap(), Settled::Stale);
    assert_eq!(claims[1].extend(Duration::from_secs(1)).await.unwrap(), Settled::Stale);
    assert_eq!(claims[1].lost().await, LossReason::Removed);
    assert_eq!(claims.pop().unwrap().fail("x").await.unwrap(), Settled::Stale);
    assert_eq!(claims.pop().unwrap().release().await.unwrap(), Settled::Stale);
    let stats = work(&b).stats().await.unwrap();
    assert_eq!((stats.ready, stats.claimed, stats.done, stats.dead), (0, 0, 0, 0));
    assert!(work(&b).get(&ids[0]).await.unwrap().is_none());
}

async fn a_claim_that_takes_too_long_is_given_back(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    add(&work(&a), 2).await;
    let patient = take(&work(&a)).await;
    let hanging = take(&work(&a).deadline(Duration::from_millis(50))).await;
    let reason = cx.within("the holder is told", 10, hanging.lost()).await;
    assert_eq!(reason, LossReason::Overdue);
    let again = cx.within("another has it", 10, work(&b).next(1)).await.unwrap().pop().unwrap();
    assert_eq!((again.id(), again.abandonments(), again.failures()), (hanging.id(), 1, 0));
    assert!(patient.is_valid(), "without a deadline it has as long as the session");
}

async fn claims_that_take_too_long_too_often_are_dead_letters(cx: Context) {
    let node = cx.node("node").await;
    let mut retry = Retry::default();
    retry.max_abandons = 3;
    let work = work(&node).retry(retry).deadline(Duration::from_millis(20));
    add(&work, 1).await;
    for abandons in 0..3 {
        let claim = cx.within("it comes", 10, work.next(1)).await.unwrap().pop().unwrap();
        assert_eq!(claim.abandonments(), abandons);
        cx.within("it takes too long", 10, claim.lost()).await;
    }
    cx.until("it is a dead letter", 10, async || work.stats().await.unwrap().dead == 1).await;
    let seen = work.get("i-00000").await.unwrap().unwrap();
    assert!(seen.reason().contains("not settled in time") && seen.abandonments() == 3, "{seen:?}");
}

async fn a_claim_that_is_extended_has_its_time(cx: Context) {
    let node = cx.node("node").await;
    let (calm, short) = (Duration::from_secs(600), cx.ttl().max(Duration::from_millis(300)));
    let work = work(&node).deadline(short * 3);
    add(&work, 3).await;
    let claims = work.claim(3).await.unwrap();
    assert_eq!(work.extend_all(&claims[..2], calm).await.unwrap(), [Settled::Applied, Settled::Applied]);
    cx.within("one was not extended", 20, claims[2].lost()).await;
    assert!(claims[0].is_valid() && claims[1].is_valid());
    let token = claims[0].token();
    assert_eq!(claims[0].extend(Duration::from_millis(20)).await.unwrap(), Settled::Applied);
    assert_eq!(claims[0].token(), token);
    cx.within("its time was made shorter", 20, claims[0].lost()).await;
    assert!(claims[1].complete(&()).await.unwrap().is_applied());
}

async fn extending_says_which_claims_are_stale(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    add(&work, 150).await;
    let mut claims = Vec::new();
    while claims.len() < 150 {
        claims.extend(work.claim(150).await.unwrap());
    }
    assert!(claims[7].complete(&()).await.unwrap().is_applied());
    assert_eq!(work.remove([claims[140].id()]).await.unwrap(), [true]);
    let extended = work.extend_all(&claims, Duration::from_secs(60)).await.unwrap();
    let stale: Vec<_> = (0..150).filter(|at| extended[*at] == Settled::Stale).collect();
    assert_eq!(stale, [7, 140]);
    assert!(!claims[140].is_valid() && claims[141].is_valid());
}

async fn what_cannot_be_read_is_a_dead_letter(cx: Context) {
    let node = cx.node("node").await;
    let texts = node.work_set::<String>(NAME).unwrap();
    assert!(texts.add_all([Item::new("text", "seven".into())]).await.unwrap()[0].is_new());
    assert!(work(&node).add("number", &7).await.unwrap().is_new());
    let claims = cx.within("the number is there", 10, work(&node).next(9)).await.unwrap();
    assert_eq!(ids(&claims), ["number"]);
    cx.until("the text is put aside", 10, async || work(&node).stats().await.unwrap().dead == 1).await;
    let Status::Dead(reason) = texts.get("text").await.unwrap().unwrap().status() else {
        panic!("it is dead")
    };
    assert!(reason.contains("cannot be read") && reason.contains("expected u32"), "{reason}");
    // Whoever can read it may have it redriven.
    assert_eq!(texts.redrive(["text"]).await.unwrap(), [true]);
    let again = cx.within("it is there again", 10, texts.next(1)).await.unwrap().pop().unwrap();
    assert_eq!(again.item(), "seven");
}

async fn a_removed_item_can_be_added_again(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    add(&work, 2).await;
    // The lists still name what is gone, and soon name it twice.
    assert_eq!(work.remove(["i-00000", "i-00001"]).await.unwrap(), [true, true]);
    assert!(work.claim(9).await.unwrap().is_empty());
    add(&work, 2).await;
    assert_eq!(work.remove(["i-00000"]).await.unwrap(), [true]);
    add(&work, 1).await;
    let claims = work.claim(9).await.unwrap();
    let mut both = ids(&claims);
    both.sort_unstable();
    assert_eq!(both, ["i-00000", "i-00001"], "each once, however many lists name it");
    assert!(work.claim(9).await.unwrap().is_empty());
}

async fn what_was_done_is_forgotten_after_its_time(cx: Context) {
    let node = cx.node("node").await;
    let mut retention = Retention::default();
    retention.time = Duration::from_millis(300);
    let work = work(&node).retention(retention);
    assert!(work.add("e", &1).await.unwrap().is_new());
    let first = take(&work).await;
    assert!(first.complete(&1).await.unwrap().is_applied());
    cx.until("it can be done again", 20, async || work.add("e", &2).await.unwrap().is_new()).await;
    let again = take(&work).await;
    assert_eq!((*again.item(), again.attempt()), (2, 1), "it is another life of the id");
    assert!(again.token() > first.token());
    // What the first life's worker says late is about something else.
    assert_eq!(first.complete(&3).await.unwrap(), Settled::Stale);
    assert!(again.complete(&()).await.unwrap().is_applied());
    let mut round = 0;
    cx.until("what is done is swept away by what goes on", 20, async || {
        round += 1;
        assert!(work.add(&format!("f-{round}"), &1).await.unwrap().is_new());
        work.get("e").await.unwrap().is_none()
    })
    .await;
}

async fn of_what_was_done_the_latest_are_remembered(cx: Context) {
    let node = cx.node("node").await;
    let mut retention = Retention::default();
    retention.count = 20;
    let work = work(&node).retention(retention);
    add(&work, 200).await;
    let mut done = 0;
    while done < 200 {
        let claims = work.claim(10).await.unwrap();
        for settled in work.complete_all(claims.iter().map(|claim| (claim, ()))).await {
            assert!(settled.unwrap().is_applied());
        }
        done += claims.len();
    }
    // Forgetting goes on meanwhile: what is counted and what is there agree once it rests.
    cx.until("the older ones are forgotten", 30, async || {
        let done = work.stats().await.unwrap().done;
        assert!(done >= 20, "{done} are remembered");
        done <= 60 && part(&cx, "item").await.len() as u64 == done
    })
    .await;
    assert_eq!(work.stats().await.unwrap().ready, 0);
}
