//! Sessions that are not renewed: not before the ttl, not much later, and then as a whole.

use std::time::Duration;

use ha_core::spi::{Naming, Page, Session, Txn};
use ha_core::{Effect, ErrorKind};

use crate::clock::Stopwatch;
use crate::context::{Context, name};
use crate::verbs::{Verbs, names, refused};

crate::case::cases! {
    "expiry";
    a_session_does_not_expire_before_its_ttl { guarantee: "G25" }
    a_session_does_not_expire_before_a_ttl_after_its_last_renewal { guarantee: "G25" }
    a_session_expires_within_its_ttl_and_the_slack { guarantee: "G26" }
    a_renewed_session_expires_within_its_ttl_and_the_slack { guarantee: "G26" }
    renewals_keep_a_session_alive { guarantee: "G25" }
    commits_and_listings_do_not_replace_renewals { guarantee: "G26" }
    what_an_expired_session_owned_vanishes_as_a_whole { guarantee: "G22" }
    an_expired_session_cannot_be_renewed { guarantee: "G27" }
    an_expired_session_writes_nothing_any_more { guarantee: "G27" }
    a_name_is_free_for_others_after_the_expiry { guarantee: "G27" }
}

/// Waits until the entry of `session` is gone; how long after the call that began its ttl.
///
/// `sent` was started before that call, and is read after the listing: gone then means gone at most that late.
async fn gone_after(cx: &Context, witness: &dyn Session, sent: Stopwatch) -> Duration {
    let mut gone = Duration::ZERO;
    let key = cx.key("c", "mortal");
    let slack = cx.connect().1.capabilities().expiry_slack;
    let ttls = 3 + u32::try_from(slack.as_millis() / cx.ttl().as_millis().max(1)).unwrap_or(100);
    cx.until("the entry of the dead session vanishes", ttls, async || {
        let there = witness.read(&key).await.is_some();
        gone = sent.elapsed();
        !there
    })
    .await;
    gone
}

fn assert_in_time(cx: &Context, session: &dyn Session, gone: Duration) {
    let granted = session.ttl().unwrap();
    let latest = granted + cx.connect().1.capabilities().expiry_slack + cx.margin();
    assert!(gone <= latest, "it was gone after {gone:?}, with a ttl of {granted:?}");
}

async fn a_session_does_not_expire_before_its_ttl(cx: Context) {
    let witness = cx.session().await;
    let sent = Stopwatch::start();
    let session = cx.mortal_session().await;
    session.own(&cx.key("c", "mortal"), "").await;
    let gone = gone_after(&cx, &*witness, sent).await;
    assert!(Some(gone) >= session.ttl(), "gone after {gone:?}, with a ttl of {:?}", session.ttl());
}

async fn a_session_does_not_expire_before_a_ttl_after_its_last_renewal(cx: Context) {
    let witness = cx.session().await;
    let session = cx.mortal_session().await;
    session.own(&cx.key("c", "mortal"), "").await;
    tokio::time::sleep(cx.ttl() / 2).await;
    let sent = Stopwatch::start();
    session.renew().await.unwrap();
    let gone = gone_after(&cx, &*witness, sent).await;
    assert!(Some(gone) >= session.ttl(), "gone after {gone:?}, with a ttl of {:?}", session.ttl());
}

async fn a_session_expires_within_its_ttl_and_the_slack(cx: Context) {
    let witness = cx.session().await;
    let session = cx.mortal_session().await;
    let opened = Stopwatch::start();
    session.own(&cx.key("c", "mortal"), "").await;
    let gone = gone_after(&cx, &*witness, opened).await;
    assert_in_time(&cx, &*session, gone);
}

async fn a_renewed_session_expires_within_its_ttl_and_the_slack(cx: Context) {
    let witness = cx.session().await;
    let session = cx.mortal_session().await;
    session.own(&cx.key("c", "mortal"), "").await;
    for _ in 0..5 {
        session.renew().await.unwrap();
    }
    let renewed = Stopwatch::start();
    let gone = gone_after(&cx, &*witness, renewed).await;
    assert_in_time(&cx, &*session, gone);
}

async fn renewals_keep_a_session_alive(cx: Context) {
    let witness = cx.session().await;
    let session = cx.mortal_session().await;
    let stamp = session.own(&cx.key("c", "mortal"), "").await;
    let started = Stopwatch::start();
    while started.elapsed() < cx.ttl() * 3 {
        tokio::time::sleep(cx.ttl() / 8).await;
        session.renew().await.unwrap();
        let entry = witness.read(&cx.key("c", "mortal")).await;
        assert_eq!(
            entry.map(|entry| entry.stamp().clone()),
            Some(stamp.clone()),
            "after {:?}",
            started.elapsed()
        );
    }
    session.apply(Txn::new().held(stamp)).await;
}

async fn commits_and_listings_do_not_replace_renewals(cx: Context) {
    let witness = cx.session().await;
    let session = cx.mortal_session().await;
    let stamp = session.own(&cx.key("c", "mortal"), "").await;
    let opened = Stopwatch::start();
    let busy = tokio::spawn(async move {
        // Ends with the session, at the first error.
        while session.commit(Txn::new().held(stamp.clone())).await.is_ok() {
            drop(session.list(stamp.key().collection(), Page::by_name(1)).await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        session
    });
    let gone = gone_after(&cx, &*witness, opened).await;
    let session = cx.within("a commit fails", 5, busy).await.unwrap();
    assert_in_time(&cx, &*session, gone);
}

async fn what_an_expired_session_owned_vanishes_as_a_whole(cx: Context) {
    let witness = cx.session().await;
    let session = cx.mortal_session().await;
    let collection = cx.collection("c");
    for at in 0..20 {
        session.own(&collection.key(name(&at.to_string())), "").await;
    }
    session.put(&cx.key("c", "persistent"), "").await;
    cx.until("the entries of the dead session vanish", 10, async || {
        let count = witness.list(&collection, Page::by_name(100)).await.unwrap().entries().len();
        assert!(count == 21 || count == 1, "{count} of 21 entries are left");
        count == 1
    })
    .await;
    assert_eq!(names(&witness.all(&collection).await), ["persistent"]);
}

/// A session that has run out, and one that has not.
async fn expired(cx: &Context) -> (std::sync::Arc<dyn Session>, std::sync::Arc<dyn Session>) {
    let witness = cx.session().await;
    let session = cx.mortal_session().await;
    session.own(&cx.key("c", "mortal"), "").await;
    gone_after(cx, &*witness, Stopwatch::start()).await;
    (session, witness)
}

async fn an_expired_session_cannot_be_renewed(cx: Context) {
    let (session, _) = expired(&cx).await;
    for _ in 0..3 {
        refused(session.renew().await, ErrorKind::SessionLost);
    }
    session.close().await.unwrap();
}

async fn an_expired_session_writes_nothing_any_more(cx: Context) {
    let (session, witness) = expired(&cx).await;
    let kept = witness.put(&cx.key("c", "kept"), "").await;
    for txn in [
        Txn::new().create_owned(cx.key("c", "ghost"), "", Naming::Unique),
        Txn::new().create_persistent(cx.key("c", "ghost"), "", Naming::Unique),
        Txn::new().update(kept.clone(), "late"),
        Txn::new().delete(kept.clone()),
    ] {
        let error = session.fail(txn).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::SessionLost, Effect::NotApplied), "{error}");
    }
    let entries = witness.all(&cx.collection("c")).await;
    assert_eq!((names(&entries), entries[0].stamp()), (vec!["kept"], &kept));
}

async fn a_name_is_free_for_others_after_the_expiry(cx: Context) {
    let (old, witness) = expired(&cx).await;
    let key = cx.key("c", "mortal");
    let stamp = witness.own(&key, "").await;
    let error = old.fail(Txn::new().delete(stamp.clone())).await;
    assert_eq!(error.kind(), ErrorKind::SessionLost);
    witness.apply(Txn::new().held(stamp)).await;
}
