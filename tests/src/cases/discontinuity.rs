//! A store that forgot commits: it says so with every answer, and holds new grants back.

use ha_core::spi::{Naming, Outcome, Page, Txn, WatchEvent, WatchTarget};
use ha_core::{Effect, ErrorKind};

use crate::case::Need;
use crate::context::Context;
use crate::faults::Fault;
use crate::mirror::Mirror;
use crate::verbs::{Verbs, names, only_stamp};

const FORGET: Need = Need::Reconciliation;

crate::case::cases! {
    "discontinuity";
    the_hold_refuses_session_owned_creations { guarantee: "G40", needs: [FORGET] }
    the_hold_refuses_transactions_marked_as_granting { guarantee: "G40", needs: [FORGET] }
    new_grants_are_made_once_the_hold_is_over { guarantee: "G40", needs: [FORGET] }
    the_hold_lets_everything_else_pass { guarantee: "G41", needs: [FORGET] }
    the_hold_lets_sessions_be_closed_and_ended { guarantee: "G41", needs: [FORGET, Need::EndsSessions] }
    the_hold_ends_no_session_for_its_deadline { guarantee: "G42", needs: [FORGET] }
    every_answer_carries_the_new_generation { guarantee: "G43", needs: [FORGET] }
    a_watch_tells_of_it_and_shows_the_older_state { guarantee: "G43", needs: [FORGET] }
    the_generation_grows_each_time { guarantee: "G43", needs: [FORGET] }
    revisions_go_on_above_the_forgotten_ones { guarantee: "G44", needs: [FORGET] }
    a_forgotten_creation_satisfies_no_guard { guarantee: "G44", needs: [FORGET] }
    a_session_that_was_forgotten_is_over { guarantee: "G44", needs: [FORGET] }
    what_was_asked_for_in_an_earlier_history_is_refused { guarantee: "G47", needs: [FORGET] }
}

/// Forgets what was committed since [`Fault::Record`], and holds grants back for `ttls`.
async fn forget(cx: &Context, ttls: u32) {
    cx.inject(Fault::Forget(cx.ttl() * ttls)).await;
}

/// Long enough for the rest of a case that is not about the end of the hold.
const LONG: u32 = 100;

async fn the_hold_refuses_session_owned_creations(cx: Context) {
    let session = cx.session().await;
    cx.inject(Fault::Record).await;
    forget(&cx, LONG).await;
    let owned = Txn::new().create_owned(cx.key("c", "a"), "", Naming::Unique);
    for txn in [owned.clone(), owned.clone().create_persistent(cx.key("c", "b"), "", Naming::Reusable)] {
        let error = session.fail(txn).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Recovering, Effect::NotApplied), "{error}");
        assert!(error.until().is_some(), "it says when to try again");
    }
    assert_eq!(session.all(&cx.collection("c")).await, []);
}

async fn the_hold_refuses_transactions_marked_as_granting(cx: Context) {
    let session = cx.session().await;
    let stamp = session.put(&cx.key("c", "item"), "ready").await;
    cx.inject(Fault::Record).await;
    forget(&cx, LONG).await;
    let error = session.fail(Txn::new().update(stamp.clone(), "claimed").granting()).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Recovering, Effect::NotApplied), "{error}");
    assert_eq!(session.read(&cx.key("c", "item")).await.unwrap().value(), "ready");
    session.apply(Txn::new().update(stamp, "swept")).await;
}

async fn new_grants_are_made_once_the_hold_is_over(cx: Context) {
    let session = cx.session().await;
    cx.inject(Fault::Record).await;
    forget(&cx, 1).await;
    let txn = Txn::new().create_owned(cx.key("c", "a"), "", Naming::Reusable);
    let error = session.fail(txn.clone()).await;
    assert_eq!(error.kind(), ErrorKind::Recovering);
    cx.until("a grant", 4, async || match session.commit(txn.clone()).await {
        Ok(Outcome::Committed(_)) => true,
        Err(error) if error.kind() == ErrorKind::Recovering => false,
        other => panic!("neither granted nor held back: {other:?}"),
    })
    .await;
}

async fn the_hold_lets_everything_else_pass(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let updated = session.put(&cx.key("c", "updated"), "").await;
    let owned = session.own(&cx.key("c", "owned"), "").await;
    let deleted = other.own(&cx.key("c", "deleted"), "").await;
    cx.inject(Fault::Record).await;
    forget(&cx, LONG).await;
    session.renew().await.unwrap();
    let txn = Txn::new()
        .update(updated, "new")
        .delete(deleted)
        .create_persistent(cx.key("c", "created"), "", Naming::Reusable)
        .held(owned.clone())
        .read_back(cx.collection("c"), Page::by_name(10));
    let committed = session.apply(txn).await;
    assert_eq!(names(committed.reads[0].entries()), ["created", "owned", "updated"]);
    session.refuse(Txn::new().absent(cx.key("c", "owned"))).await;
    let owned = only_stamp(session.apply(Txn::new().update(owned, "by its owner")).await);
    session.apply(Txn::new().delete(owned)).await;
    let mirror = Mirror::open(&*session, WatchTarget::Collection(cx.collection("c"))).await;
    assert_eq!(names(&mirror.entries()), ["created", "updated"]);
}

async fn the_hold_lets_sessions_be_closed_and_ended(cx: Context) {
    let (closed, ended, session) = (cx.session().await, cx.session().await, cx.session().await);
    closed.own(&cx.key("c", "closed"), "").await;
    ended.own(&cx.key("c", "ended"), "").await;
    cx.inject(Fault::Record).await;
    forget(&cx, LONG).await;
    closed.close().await.unwrap();
    session.end(ended.id()).await.unwrap();
    assert_eq!(session.all(&cx.collection("c")).await, []);
}

async fn the_hold_ends_no_session_for_its_deadline(cx: Context) {
    let (session, mortal) = (cx.session().await, cx.mortal_session().await);
    mortal.own(&cx.key("c", "a"), "").await;
    cx.inject(Fault::Record).await;
    forget(&cx, 3).await;
    tokio::time::sleep(cx.ttl() * 2).await;
    assert_eq!(names(&session.all(&cx.collection("c")).await), ["a"], "its ttl is over, the hold is not");
    mortal.renew().await.unwrap();
    cx.until("it ends after the hold", 6, async || session.all(&cx.collection("c")).await.is_empty()).await;
}

async fn every_answer_carries_the_new_generation(cx: Context) {
    let session = cx.session().await;
    let stamp = session.put(&cx.key("c", "a"), "").await;
    let before = session.renew().await.unwrap().lineage.generation();
    cx.inject(Fault::Record).await;
    forget(&cx, LONG).await;
    let listing = session.list(&cx.collection("c"), Page::by_name(1)).await.unwrap();
    let read = Txn::new().held(stamp).read_back(cx.collection("c"), Page::by_name(1));
    let committed = session.apply(read).await;
    let conflict = session.refuse(Txn::new().absent(cx.key("c", "a"))).await;
    let renewal = session.renew().await.unwrap();
    let mirror = Mirror::open(&*session, WatchTarget::Collection(cx.collection("c"))).await;
    for (what, lineage) in [
        ("a listing", listing.lineage()),
        ("a commit", committed.lineage),
        ("a read-back", committed.reads[0].lineage()),
        ("a conflict", conflict.lineage),
        ("a renewal", renewal.lineage),
        ("a snapshot", mirror.lineage()),
    ] {
        assert!(lineage.generation() > before, "{what} is of an older generation: {lineage:?}");
        assert!(lineage.hold_until().is_some(), "{what} does not tell of the hold: {lineage:?}");
    }
}

async fn a_watch_tells_of_it_and_shows_the_older_state(cx: Context) {
    let session = cx.session().await;
    let kept = session.put(&cx.key("c", "kept"), "old").await;
    let deleted = session.put(&cx.key("c", "deleted"), "").await;
    cx.inject(Fault::Record).await;
    let mut stream = session.watch(WatchTarget::Collection(cx.collection("c")));
    let first = cx.within("a snapshot", 20, stream.next()).await.unwrap();
    assert!(matches!(first, WatchEvent::Snapshot { .. }), "{first:?}");
    forget(&cx, LONG).await;
    let (mut told, mut shown) = (None, None);
    while shown.is_none() {
        match cx.within("the discontinuity", 20, stream.next()).await.unwrap() {
            WatchEvent::Discontinuity(lineage) => told = Some(lineage),
            WatchEvent::Snapshot { entries, lineage, .. } => {
                assert_eq!(Some(lineage.generation()), told.map(|told| told.generation()));
                shown = Some(entries);
            }
            WatchEvent::Interrupted => {}
            other => panic!("a change of a history that is over: {other:?}"),
        }
    }
    let mut stamps: Vec<_> = shown.unwrap().iter().map(|entry| entry.stamp().clone()).collect();
    stamps.sort_by_key(|stamp| stamp.created());
    assert_eq!(stamps, [kept, deleted]);
}

async fn the_generation_grows_each_time(cx: Context) {
    let session = cx.session().await;
    let mut last = session.renew().await.unwrap().lineage.generation();
    for _ in 0..3 {
        cx.inject(Fault::Record).await;
        forget(&cx, 1).await;
        let generation = session.renew().await.unwrap().lineage.generation();
        assert!(generation > last, "{generation} after {last}");
        last = generation;
    }
}

async fn revisions_go_on_above_the_forgotten_ones(cx: Context) {
    let session = cx.session().await;
    session.put(&cx.key("c", "kept"), "").await;
    cx.inject(Fault::Record).await;
    let mut forgotten = session.put(&cx.key("c", "counter"), "").await;
    for round in 0..20 {
        forgotten = only_stamp(session.apply(Txn::new().update(forgotten, round.to_string())).await);
    }
    forget(&cx, LONG).await;
    assert_eq!(names(&session.all(&cx.collection("c")).await), ["kept"]);
    let stamp = session.put(&cx.key("c", "counter"), "").await;
    assert!(stamp.created() > forgotten.modified(), "{stamp:?} after {forgotten:?}, which somebody may hold");
}

async fn a_forgotten_creation_satisfies_no_guard(cx: Context) {
    let session = cx.session().await;
    let key = cx.key("c", "a");
    cx.inject(Fault::Record).await;
    let forgotten = session.put(&key, "same").await;
    forget(&cx, LONG).await;
    for txn in [Txn::new().held(forgotten.clone()), Txn::new().delete(forgotten.clone())] {
        session.refuse(txn).await;
    }
    let again = session.put(&key, "same").await;
    session.refuse(Txn::new().held(forgotten.clone())).await;
    session.refuse(Txn::new().update(forgotten, "late")).await;
    session.apply(Txn::new().unchanged(again)).await;
}

async fn a_session_that_was_forgotten_is_over(cx: Context) {
    let kept = cx.session().await;
    cx.inject(Fault::Record).await;
    let session = cx.session().await;
    session.own(&cx.key("c", "a"), "").await;
    forget(&cx, LONG).await;
    let error = session.renew().await.expect_err("the store does not know it");
    assert_eq!(error.kind(), ErrorKind::SessionLost, "{error}");
    assert_eq!(kept.all(&cx.collection("c")).await, []);
    kept.renew().await.unwrap();
}

async fn what_was_asked_for_in_an_earlier_history_is_refused(cx: Context) {
    let session = cx.session().await;
    let before = session.renew().await.unwrap().lineage;
    let stamp = session.put(&cx.key("c", "plan"), "1").await;
    cx.inject(Fault::Record).await;
    drop(session.apply(Txn::new().update(stamp.clone(), "2")).await);
    forget(&cx, LONG).await;
    // Decided before "2" was written, and late: what it compares is there again.
    let late = Txn::new().update(stamp.clone(), "late");
    let error = session.fail(late.clone().asked_in(before)).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Recovering, Effect::NotApplied), "{error}");
    assert_eq!(session.read(&cx.key("c", "plan")).await.unwrap().value(), "1");
    let now = session.renew().await.unwrap().lineage;
    session.apply(late.asked_in(now)).await;
    assert_eq!(session.read(&cx.key("c", "plan")).await.unwrap().value(), "late");
}
