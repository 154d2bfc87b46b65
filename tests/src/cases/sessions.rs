//! Sessions: what they own, how they are closed and ended, and what observers may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use ha_core::spi::{Naming, Page, Session, Txn};
use ha_core::{Effect, ErrorKind};

use crate::case::Need;
use crate::context::{Context, name};
use crate::verbs::{Verbs, names, refused};

crate::case::cases! {
    "sessions";
    session_ids_are_never_repeated { guarantee: "G20" }
    a_session_is_granted_at_least_the_ttl_that_it_asked_for { guarantee: "G21" }
    a_ttl_beyond_the_capabilities_is_refused { guarantee: "G21" }
    what_a_session_owns_vanishes_when_it_is_closed { guarantee: "G22" }
    what_a_session_owns_vanishes_at_once_and_as_a_whole { guarantee: "G22" }
    persistent_entries_outlive_their_session { guarantee: "G22" }
    an_entry_belongs_to_one_session_of_a_process_and_not_to_another { guarantee: "G22" }
    closing_twice_is_fine { guarantee: "G23" }
    a_closed_session_writes_nothing_any_more { guarantee: "G23" }
    a_closed_session_is_renewed_by_nobody { guarantee: "G23" }
    another_session_is_ended_as_a_whole { guarantee: "G24", needs: [Need::EndsSessions] }
    an_ended_session_writes_nothing_any_more { guarantee: "G24", needs: [Need::EndsSessions] }
    ending_twice_is_fine { guarantee: "G24", needs: [Need::EndsSessions] }
    ending_a_session_touches_no_other { guarantee: "G24", needs: [Need::EndsSessions] }
    without_the_capability_no_session_is_ended { guarantee: "G24" }
    an_observer_reads_and_watches { guarantee: "G28" }
    an_observer_writes_nothing { guarantee: "G28" }
    namespaces_share_nothing { guarantee: "G9" }
}

async fn session_ids_are_never_repeated(cx: Context) {
    let mut ids = BTreeSet::new();
    for round in 0..30 {
        let session = match round % 3 {
            0 => cx.session_of("same node").await,
            1 => cx.session().await,
            _ => cx.observer().await,
        };
        assert!(ids.insert(session.id().clone()), "{} was used before", session.id());
        if round % 2 == 0 {
            session.close().await.unwrap();
        }
    }
}

async fn a_session_is_granted_at_least_the_ttl_that_it_asked_for(cx: Context) {
    let backend = cx.connect_as("node");
    let capabilities = backend.capabilities();
    let odd = cx.ttl() + capabilities.ttl_step / 3 + std::time::Duration::from_micros(1);
    for asked in [capabilities.ttl_min, cx.ttl(), odd.min(capabilities.ttl_max), capabilities.ttl_max] {
        let session = cx.open(&*backend, cx.request("node").with_ttl(asked)).await;
        let granted = session.ttl();
        assert!(granted >= Some(asked), "asked for {asked:?}, granted {granted:?}");
        session.close().await.unwrap();
    }
    assert_eq!(cx.observer().await.ttl(), None);
}

async fn a_ttl_beyond_the_capabilities_is_refused(cx: Context) {
    let backend = cx.connect_as("node");
    let capabilities = backend.capabilities();
    let tiny = std::time::Duration::from_nanos(1);
    for ttl in [std::time::Duration::ZERO, capabilities.ttl_min - tiny, capabilities.ttl_max + tiny] {
        let error = backend.open_session(cx.request("node").with_ttl(ttl)).await.expect_err("no session");
        assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported), "{ttl:?}: {error}");
    }
}

async fn what_a_session_owns_vanishes_when_it_is_closed(cx: Context) {
    let (owner, other) = (cx.session().await, cx.session().await);
    for collection in ["c", "d", "e"] {
        owner.own(&cx.key(collection, "a"), "").await;
        other.own(&cx.key(collection, "b"), "").await;
    }
    owner.close().await.unwrap();
    for collection in ["c", "d", "e"] {
        assert_eq!(names(&other.all(&cx.collection(collection)).await), ["b"]);
    }
}

async fn what_a_session_owns_vanishes_at_once_and_as_a_whole(cx: Context) {
    let observer = cx.session().await;
    for round in 0..10 {
        let owner = cx.session().await;
        let collection = cx.collection(&format!("c{round}"));
        for at in 0..20 {
            owner.own(&collection.key(name(&at.to_string())), "").await;
        }
        let closing = tokio::spawn(async move { owner.close().await });
        loop {
            let closed = closing.is_finished();
            let count = observer.list(&collection, Page::by_name(100)).await.unwrap().entries().len();
            assert!(count == 20 || count == 0, "{count} of 20 entries are left");
            if count == 0 {
                break;
            }
            assert!(!closed, "the session is closed, and its entries are there");
            tokio::task::yield_now().await;
        }
        closing.await.unwrap().unwrap();
    }
}

async fn persistent_entries_outlive_their_session(cx: Context) {
    let (writer, reader) = (cx.session().await, cx.session().await);
    let stamp = writer.put(&cx.key("c", "a"), "kept").await;
    writer.close().await.unwrap();
    let entry = reader.read(&cx.key("c", "a")).await.unwrap();
    assert_eq!((entry.stamp(), entry.value().as_ref(), entry.owner()), (&stamp, &b"kept"[..], None));
}

async fn an_entry_belongs_to_one_session_of_a_process_and_not_to_another(cx: Context) {
    let backend = cx.connect_as("node");
    let ttl = cx.calm_ttl(&*backend);
    let first = cx.open(&*backend, cx.request("node").with_ttl(ttl)).await;
    let second = cx.open(&*backend, cx.request("node").with_ttl(ttl)).await;
    first.own(&cx.key("c", "first"), "").await;
    second.own(&cx.key("c", "second"), "").await;
    first.close().await.unwrap();
    assert_eq!(names(&second.all(&cx.collection("c")).await), ["second"]);
}

async fn closing_twice_is_fine(cx: Context) {
    let session = cx.session().await;
    session.close().await.unwrap();
    session.close().await.unwrap();
}

/// Tries everything that a session could leave behind, after it is over.
async fn write_after_the_end(cx: &Context, ended: &dyn Session, kept: ha_core::spi::Stamp) {
    for txn in [
        Txn::new().create_owned(cx.key("c", "ghost"), "", Naming::Unique),
        Txn::new().create_persistent(cx.key("c", "ghost"), "", Naming::Unique),
        Txn::new().update(kept.clone(), "late"),
        Txn::new().delete(kept.clone()),
        Txn::new().held(kept.clone()),
    ] {
        let error = ended.fail(txn).await;
        assert!(matches!(error.kind(), ErrorKind::SessionLost | ErrorKind::Closed), "{error}");
        assert_eq!(error.effect(), Effect::NotApplied, "nothing was sent into the dark: {error}");
    }
    let reader = cx.session().await;
    let entries = reader.all(&cx.collection("c")).await;
    assert_eq!((names(&entries), entries[0].stamp()), (vec!["kept"], &kept));
}

async fn a_closed_session_writes_nothing_any_more(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let kept = other.put(&cx.key("c", "kept"), "").await;
    session.close().await.unwrap();
    write_after_the_end(&cx, &*session, kept).await;
}

async fn a_closed_session_is_renewed_by_nobody(cx: Context) {
    let session = cx.session().await;
    session.renew().await.unwrap();
    session.close().await.unwrap();
    let error = session.renew().await.expect_err("the session is over");
    assert!(matches!(error.kind(), ErrorKind::SessionLost | ErrorKind::Closed), "{error}");
    let error = session.list(&cx.collection("c"), Page::by_name(1)).await.expect_err("the session is over");
    assert!(matches!(error.kind(), ErrorKind::SessionLost | ErrorKind::Closed), "{error}");
}

async fn another_session_is_ended_as_a_whole(cx: Context) {
    let (dead, living) = (cx.session().await, cx.session().await);
    for collection in ["c", "d"] {
        dead.own(&cx.key(collection, "a"), "").await;
        dead.put(&cx.key(collection, "persistent"), "").await;
    }
    living.end(dead.id()).await.unwrap();
    for collection in ["c", "d"] {
        assert_eq!(names(&living.all(&cx.collection(collection)).await), ["persistent"]);
    }
    refused(dead.renew().await, ErrorKind::SessionLost);
}

async fn an_ended_session_writes_nothing_any_more(cx: Context) {
    let (dead, living) = (cx.session().await, cx.session().await);
    let kept = living.put(&cx.key("c", "kept"), "").await;
    living.end(dead.id()).await.unwrap();
    write_after_the_end(&cx, &*dead, kept).await;
}

async fn ending_twice_is_fine(cx: Context) {
    let (ended, closed, living) = (cx.session().await, cx.session().await, cx.session().await);
    closed.close().await.unwrap();
    for over in [&ended, &ended, &closed] {
        living.end(over.id()).await.unwrap();
    }
}

async fn ending_a_session_touches_no_other(cx: Context) {
    let (dead, living) = (cx.session_of("same node").await, cx.session_of("same node").await);
    let kept = living.own(&cx.key("c", "living"), "").await;
    dead.own(&cx.key("c", "dead"), "").await;
    let judge: Arc<dyn Session> = cx.session().await;
    judge.end(dead.id()).await.unwrap();
    living.renew().await.unwrap();
    let entries = judge.all(&cx.collection("c")).await;
    assert_eq!((names(&entries), entries[0].stamp()), (vec!["living"], &kept));
}

async fn without_the_capability_no_session_is_ended(cx: Context) {
    let (dead, living) = (cx.session().await, cx.session().await);
    dead.own(&cx.key("c", "a"), "").await;
    if cx.connect().1.capabilities().ends_sessions {
        living.end(dead.id()).await.unwrap();
        assert!(living.all(&cx.collection("c")).await.is_empty(), "it can, so it does");
    } else {
        refused(living.end(dead.id()).await, ErrorKind::Unsupported);
        assert_eq!(names(&living.all(&cx.collection("c")).await), ["a"]);
    }
}

async fn an_observer_reads_and_watches(cx: Context) {
    let (observer, session) = (cx.observer().await, cx.session().await);
    let mut mirror =
        crate::mirror::Mirror::open(&*observer, ha_core::spi::WatchTarget::Collection(cx.collection("c")))
            .await;
    let key = cx.key("c", "a");
    let stamp = session.own(&key, "").await;
    cx.within("the entry on the watch", 20, mirror.until(|mirror| mirror.entry(&key).is_some())).await;
    assert_eq!(mirror.entry(&key).map(|entry| entry.stamp()), Some(&stamp));
    cx.until("the entry in a listing", 20, async || observer.read(&key).await.is_some()).await;
    observer.close().await.unwrap();
}

async fn an_observer_writes_nothing(cx: Context) {
    let (observer, session) = (cx.observer().await, cx.session().await);
    let stamp = session.put(&cx.key("c", "a"), "").await;
    for txn in [
        Txn::new().create_persistent(cx.key("c", "b"), "", Naming::Unique),
        Txn::new().create_owned(cx.key("c", "b"), "", Naming::Unique),
        Txn::new().update(stamp.clone(), ""),
        Txn::new().delete(stamp.clone()),
    ] {
        assert_eq!(observer.fail(txn).await.kind(), ErrorKind::Unsupported);
    }
    refused(observer.renew().await, ErrorKind::Unsupported);
    let entries = session.all(&cx.collection("c")).await;
    assert_eq!((names(&entries), entries[0].stamp()), (vec!["a"], &stamp));
}

async fn namespaces_share_nothing(cx: Context) {
    let backend = cx.connect_as("node");
    let here = cx.session().await;
    let mut request = cx.request("node").with_ttl(cx.calm_ttl(&*backend));
    request.namespace = name(&format!("{}-other", cx.namespace()));
    let there = cx.open(&*backend, request).await;
    let stamp = here.own(&cx.key("c", "a"), "here").await;
    there.own(&cx.key("c", "a"), "there").await;
    there.put(&cx.key("c", "b"), "there").await;
    let entries = here.all(&cx.collection("c")).await;
    assert_eq!((names(&entries), entries[0].stamp()), (vec!["a"], &stamp));
    there.close().await.unwrap();
    assert_eq!(names(&here.all(&cx.collection("c")).await), ["a"]);
}
