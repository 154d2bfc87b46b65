//! Work-sets and bad input: it is refused, or means the nearest thing that has a meaning, and it stops nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use ha_core::ErrorKind;
use ha_core::spi::{Collection, Name};
use ha_core::work_set::{Claim, Item, Retention, Retry, Settled, Status, WorkSet};

use super::work_set::{NAME, add, ids, take, work};
use crate::context::Context;
use crate::verbs::{Verbs, refused};

crate::case::cases! {
    "work_set_input";
    bad_input_is_refused_and_changes_nothing { guarantee: "G203" }
    claims_of_others_are_refused { guarantee: "G203" }
    empty_batches_are_answered { guarantee: "G203" }
    ids_that_are_named_twice_are_changed_once { guarantee: "G191" }
    a_claim_of_an_earlier_life_changes_nothing_of_the_next { guarantee: "G194" }
    a_stream_of_none_holds_one { guarantee: "G200" }
    options_beyond_reason_mean_the_nearest_that_has_one { guarantee: "G203" }
    entries_that_nobody_can_read_are_in_nobodys_way { guarantee: "G203" }
}

async fn bad_input_is_refused_and_changes_nothing(cx: Context) {
    let node = cx.node("node").await;
    assert!(refused(node.work_set::<u32>(""), ErrorKind::InvalidInput).to_string().contains("work-set"));
    assert!(refused(node.work_set::<u32>("_ha"), ErrorKind::InvalidInput).to_string().contains("_ha"));
    let texts = node.work_set::<String>(NAME).unwrap();
    let most = "x".repeat(WorkSet::<String>::PAYLOAD_BYTES - 2);
    assert!(texts.add("large", &most).await.unwrap().is_new());
    let too_large = refused(texts.add("larger", &format!("{most}x")).await, ErrorKind::TooLarge).to_string();
    assert!(too_large.contains("larger") && too_large.contains("32768"), "{too_large}");
    let batch = [Item::new("fine", String::new()), Item::new("", String::new())];
    refused(texts.add_all(batch).await, ErrorKind::InvalidInput);
    let long = "i".repeat(201);
    refused(texts.add(&long, &String::new()).await, ErrorKind::InvalidInput);
    refused(texts.get("").await, ErrorKind::InvalidInput);
    assert_eq!(texts.stats().await.unwrap().ready, 1, "only the first was added");
    let claims = texts.claim(9).await.unwrap();
    let result = refused(claims[0].complete(&format!("{most}x")).await, ErrorKind::TooLarge).to_string();
    assert!(result.contains("at most"), "{result}");
    assert!(claims[0].is_valid(), "nothing was done");
    let maps = BTreeMap::from([((1, 2), 3)]);
    refused(claims[0].complete(&maps).await, ErrorKind::InvalidInput);
    let name = "n".repeat(200);
    assert!(texts.add(&name, &String::new()).await.unwrap().is_new());
    assert_eq!(texts.remove(["nobody", &name]).await.unwrap(), [false, true]);
}

async fn claims_of_others_are_refused(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let (own, other) = (work(&a), a.work_set::<u32>("other").unwrap());
    assert!(own.add("own", &1).await.unwrap().is_new());
    assert!(other.add("other", &2).await.unwrap().is_new());
    let (first, foreign) = (take(&own).await, take(&other).await);
    assert!(own.add("far", &3).await.unwrap().is_new());
    let far = take(&work(&b)).await;
    let settled = own.complete_all([(&foreign, 1), (&first, 2), (&far, 3)]).await;
    let [Err(of_other), Ok(Settled::Applied), Err(of_b)] = settled.as_slice() else { panic!("{settled:?}") };
    for (error, id) in [(of_other, "other"), (of_b, "far")] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(id), "{error}");
    }
    let second = [&foreign, &far];
    refused(own.extend_all(second, Duration::from_secs(1)).await, ErrorKind::InvalidInput);
    for claim in second {
        assert!(claim.is_valid() && claim.complete(&()).await.unwrap().is_applied(), "{claim:?}");
    }
    assert_eq!((own.stats().await.unwrap().done, other.stats().await.unwrap().done), (2, 1));
}

async fn empty_batches_are_answered(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    let none: [&Claim<u32>; 0] = [];
    assert!(cx.within("adding none", 10, work.add_all([])).await.unwrap().is_empty());
    assert!(
        cx.within("completing none", 10, work.complete_all(none.map(|claim| (claim, 1)))).await.is_empty()
    );
    let extended = work.extend_all(none, Duration::from_secs(1));
    assert!(cx.within("extending none", 10, extended).await.unwrap().is_empty());
    assert!(cx.within("removing none", 10, work.remove([])).await.unwrap().is_empty());
    assert!(cx.within("redriving none", 10, work.redrive([])).await.unwrap().is_empty());
    assert!(cx.within("claiming none", 10, work.claim(0)).await.unwrap().is_empty());
    // Nor is there anything to wait for.
    assert!(cx.within("waiting for none", 10, work.next(0)).await.unwrap().is_empty());
}

async fn ids_that_are_named_twice_are_changed_once(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    add(&work, 80).await;
    let buried = take(&work).await;
    let dead = buried.id().to_owned();
    assert!(buried.bury("never").await.unwrap().is_applied());
    assert_eq!(work.redrive([&*dead, &dead]).await.unwrap(), [true, false]);
    // So many that they do not fit into one request.
    let all: Vec<_> = (0..80).map(|at| format!("i-{at:05}")).collect();
    let removed = work.remove(all.iter().chain(&all).map(String::as_str)).await.unwrap();
    assert!(removed[..80].iter().all(|removed| *removed) && !removed[80..].contains(&true), "{removed:?}");
    assert_eq!(work.stats().await.unwrap(), Default::default());
}

async fn a_claim_of_an_earlier_life_changes_nothing_of_the_next(cx: Context) {
    let (a, b) = (cx.node("a").await, cx.node("b").await);
    let (work, other) = (work(&a), work(&b));
    let mut late = Vec::new();
    for id in ["complete", "fail", "release", "bury"] {
        assert!(work.add(id, &1).await.unwrap().is_new());
        late.push(take(&work).await);
    }
    let all = ids(&late);
    assert_eq!(other.remove(all.iter().map(String::as_str)).await.unwrap(), [true; 4]);
    let again = all.iter().map(|id| Item::new(id, 2));
    assert!(other.add_all(again).await.unwrap().iter().all(|added| added.is_new()));
    let claims = other.claim(9).await.unwrap();
    assert_eq!(claims.len(), 4);
    let [completed, failed, released, buried] = <[Claim<u32>; 4]>::try_from(late).unwrap();
    assert_eq!(completed.complete(&1).await.unwrap(), Settled::Stale);
    assert_eq!(failed.fail("late").await.unwrap(), Settled::Stale);
    assert_eq!(released.release().await.unwrap(), Settled::Stale);
    assert_eq!(buried.bury("late").await.unwrap(), Settled::Stale);
    for claim in claims {
        assert_eq!((*claim.item(), claim.failures()), (2, 0));
        assert!(claim.complete(&()).await.unwrap().is_applied());
    }
    assert_eq!(work.stats().await.unwrap().done, 4);
}

async fn a_stream_of_none_holds_one(cx: Context) {
    let node = cx.node("node").await;
    let work = work(&node);
    add(&work, 2).await;
    let mut stream = work.stream(0);
    let first = cx.within("it holds one", 10, stream.next()).await.unwrap();
    cx.not_within("one is held", Duration::from_millis(100), stream.next()).await;
    drop(first.into_claim());
    drop(cx.within("there is room", 10, stream.next()).await.unwrap());
    drop(stream);
    let mut all = work.stream(usize::MAX);
    let both = [all.next().await.unwrap(), all.next().await.unwrap()];
    assert_ne!(both[0].id(), both[1].id());
}

async fn options_beyond_reason_mean_the_nearest_that_has_one(cx: Context) {
    let node = cx.node("node").await;
    let mut retry = Retry::default();
    (retry.max_failures, retry.max_abandons) = (0, 0);
    let once = work(&node).retry(retry);
    assert!(once.add("once", &1).await.unwrap().is_new());
    assert!(take(&once).await.fail("at once").await.unwrap().is_applied());
    assert_eq!(once.get("once").await.unwrap().unwrap().status(), Status::Dead("at once".into()));

    let hasty = once.clone().deadline(Duration::ZERO);
    assert!(hasty.add("hasty", &1).await.unwrap().is_new());
    let late = take(&hasty).await;
    cx.within("it has no time", 10, late.lost()).await;
    cx.until("it is dead", 10, async || hasty.stats().await.unwrap().dead == 2).await;

    (retry.max_failures, retry.max_abandons) = (u32::MAX, u32::MAX);
    (retry.backoff, retry.backoff_max) = (Duration::MAX, Duration::MAX);
    let mut retention = Retention::default();
    (retention.time, retention.count) = (Duration::MAX, u64::MAX);
    let patient = work(&node).retry(retry).retention(retention).deadline(Duration::MAX);
    let far = [Item::new("far", 1).after(Duration::MAX), Item::new("patient", 2)];
    assert!(patient.add_all(far).await.unwrap().iter().all(|added| added.is_new()));
    let claim = take(&patient).await;
    assert_eq!(claim.extend(Duration::MAX).await.unwrap(), Settled::Applied);
    assert!(claim.is_valid());
    assert!(claim.fail("not in this life").await.unwrap().is_applied());
    assert_eq!(patient.get("patient").await.unwrap().unwrap().status(), Status::Ready);
    assert!(patient.claim(9).await.unwrap().is_empty(), "both wait for the end of time");
    assert!(patient.add("kept", &3).await.unwrap().is_new());
    assert!(take(&patient).await.complete(&()).await.unwrap().is_applied());
    assert!(!patient.add("kept", &3).await.unwrap().is_new(), "it is remembered for ever");
}

async fn entries_that_nobody_can_read_are_in_nobodys_way(cx: Context) {
    let (node, hand) = (cx.node("node").await, cx.session().await);
    let part = |part: &str| Collection::parse(&["work", NAME, part]).unwrap();
    let key = |of: &str, name: &str| part(of).key(Name::parse(name).unwrap());
    for of in ["ready", "later", "claim", "worker", "done", "dead", "tally", "item"] {
        for name in ["0", "127-000000000000-nobody.00000001", "nobody-1.00000001"] {
            hand.put(&key(of, name), "\u{1}\u{7f}nothing").await;
        }
    }
    hand.put(&key("item", "odd"), "no record").await;
    // A list that names it, and what is not there.
    hand.put(&key("ready", "000-000000000000-nobody.00000002"), "\u{1}\0\u{3}odd\u{4}none").await;
    let work = work(&node);
    add(&work, 3).await;
    let claims = cx.within("the others are claimed", 10, work.claim(9)).await.unwrap();
    assert_eq!(ids(&claims), ["i-00000", "i-00001", "i-00002"]);
    for settled in work.complete_all(claims.iter().map(|claim| (claim, ()))).await {
        assert!(settled.unwrap().is_applied());
    }
    let Status::Dead(reason) = work.get("odd").await.unwrap().unwrap().status() else {
        panic!("nobody can do it")
    };
    assert!(reason.contains("read"), "{reason}");
    // What it says is no payload either: having another chance does not help, and it does not come for ever.
    assert_eq!(work.redrive(["odd"]).await.unwrap(), [true]);
    assert!(work.claim(9).await.unwrap().is_empty());
    cx.until("it is dead again", 10, async || {
        let status = work.get("odd").await.unwrap().unwrap().status();
        matches!(status, Status::Dead(reason) if reason.contains("payload"))
    })
    .await;
    assert_eq!(work.remove(["odd"]).await.unwrap(), [true]);
}
