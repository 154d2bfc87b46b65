//! Transactions as a whole: atomic, one revision, growing revisions, limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ha_core::spi::{Naming, Outcome, Page, Session, Stamp, Txn};
use ha_core::{Effect, ErrorKind};

use crate::context::{Context, name};
use crate::verbs::{Verbs, names, only_stamp};

crate::case::cases! {
    "txn";
    a_failed_guard_leaves_every_operation_undone { guarantee: "G1" }
    a_failed_operation_leaves_every_other_undone { guarantee: "G1" }
    a_page_never_shows_half_a_transaction { guarantee: "G1" }
    concurrent_increments_are_never_lost { guarantee: "G1" }
    one_of_many_concurrent_creations_wins { guarantee: "G1" }
    a_transaction_without_operations_only_checks { guarantee: "G1" }
    entries_of_one_transaction_share_its_revision { guarantee: "G6" }
    stamps_come_in_the_order_of_the_operations { guarantee: "G6" }
    an_update_keeps_the_incarnation_and_the_owner { guarantee: "G6" }
    revisions_grow_with_every_commit_of_any_session { guarantee: "G6" }
    revisions_grow_across_re_creation_and_the_end_of_sessions { guarantee: "G6" }
    a_key_in_two_operations_is_refused { guarantee: "G11" }
    two_owned_entries_in_one_collection_are_refused { guarantee: "G11" }
    as_many_operations_as_the_capabilities_say_are_accepted { guarantee: "G11" }
    more_operations_than_the_capabilities_say_are_refused_before_sending { guarantee: "G11" }
    more_guards_than_the_capabilities_say_are_refused_before_sending { guarantee: "G11" }
}

async fn a_failed_guard_leaves_every_operation_undone(cx: Context) {
    let session = cx.session().await;
    let kept = session.put(&cx.key("c", "kept"), "before").await;
    let deleted = session.put(&cx.key("c", "deleted"), "").await;
    let txn = Txn::new()
        .create_persistent(cx.key("c", "new"), "", Naming::Reusable)
        .create_owned(cx.key("d", "owned"), "", Naming::Unique)
        .update(kept, "after")
        .delete(deleted)
        .absent(cx.key("c", "kept"));
    session.refuse(txn).await;
    let entries = session.all(&cx.collection("c")).await;
    assert_eq!(names(&entries), ["deleted", "kept"]);
    assert_eq!(entries[1].value(), "before");
    assert!(session.all(&cx.collection("d")).await.is_empty());
}

async fn a_failed_operation_leaves_every_other_undone(cx: Context) {
    let session = cx.session().await;
    let kept = session.put(&cx.key("c", "kept"), "before").await;
    let gone = session.put(&cx.key("c", "gone"), "").await;
    session.apply(Txn::new().delete(gone.clone())).await;
    for failing in [
        Txn::new().create_persistent(cx.key("c", "kept"), "again", Naming::Reusable),
        Txn::new().update(gone.clone(), "again"),
        Txn::new().delete(gone),
    ] {
        session.refuse(failing.create_persistent(cx.key("c", "new"), "", Naming::Reusable)).await;
    }
    let last = Txn::new().update(kept, "after").create_owned(cx.key("c", "new"), "", Naming::Unique);
    session.refuse(last.present(cx.key("c", "gone"))).await;
    let entries = session.all(&cx.collection("c")).await;
    assert_eq!(names(&entries), ["kept"]);
    assert_eq!(entries[0].value(), "before");
}

async fn a_page_never_shows_half_a_transaction(cx: Context) {
    let (writer, reader) = (cx.session().await, cx.session().await);
    let collection = cx.collection("c");
    let mut stamp = writer.put(&cx.key("c", "0"), "").await;
    let (moves, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let moving = {
        let (collection, moves, stop) = (collection.clone(), Arc::clone(&moves), Arc::clone(&stop));
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let next = collection.key(name(&(moves.fetch_add(1, Ordering::Relaxed) + 1).to_string()));
                let txn = Txn::new().delete(stamp).create_persistent(next, "", Naming::Unique);
                let mut stamps = writer.apply(txn).await.stamps;
                stamp = stamps.pop().unwrap().unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    let mut pages = 0;
    while pages < 500 || (moves.load(Ordering::Relaxed) < 200 && !moving.is_finished()) {
        let listing = reader.list(&collection, Page::by_name(10)).await.unwrap();
        assert_eq!(listing.entries().len(), 1, "the entry is moved in one step: {listing:?}");
        tokio::task::yield_now().await;
        pages += 1;
    }
    stop.store(true, Ordering::Relaxed);
    moving.await.unwrap();
}

/// Adds `times` to a counter by reading and writing it under the guard of what was read.
async fn count(cx: &Context, session: &dyn Session, times: u32) {
    let key = cx.key("c", "counter");
    for _ in 0..times {
        loop {
            let entry = session.read(&key).await.unwrap();
            let value: u32 = std::str::from_utf8(entry.value()).unwrap().parse().unwrap();
            let txn = Txn::new().update(entry.stamp().clone(), (value + 1).to_string());
            if let Outcome::Committed(_) = session.commit(txn).await.unwrap() {
                break;
            }
        }
    }
}

async fn concurrent_increments_are_never_lost(cx: Context) {
    let cx = Arc::new(cx);
    let first = cx.session().await;
    first.put(&cx.key("c", "counter"), "0").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (cx, session) = (Arc::clone(&cx), cx.session().await);
        tasks.spawn(async move { count(&cx, &*session, 25).await });
    }
    tasks.join_all().await;
    assert_eq!(first.read(&cx.key("c", "counter")).await.unwrap().value(), "100");
}

async fn one_of_many_concurrent_creations_wins(cx: Context) {
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(cx.session().await);
    }
    for round in 0..10 {
        let key = cx.key("c", &round.to_string());
        let mut tasks = tokio::task::JoinSet::new();
        for session in &sessions {
            let (session, key) = (Arc::clone(session), key.clone());
            tasks.spawn(async move {
                let txn = Txn::new().create_owned(key, "", Naming::Reusable);
                let committed = session.commit(txn).await.unwrap().committed()?;
                Some((session.id().clone(), only_stamp(committed)))
            });
        }
        let won: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        let entry = sessions[0].read(&key).await.unwrap();
        let [(winner, stamp)] = &won[..] else { panic!("one creation is committed, not {won:?}") };
        assert_eq!((entry.owner(), entry.stamp()), (Some(winner), stamp));
    }
}

async fn a_transaction_without_operations_only_checks(cx: Context) {
    let session = cx.session().await;
    let stamp = session.put(&cx.key("c", "a"), "").await;
    let checked = session.apply(Txn::new().held(stamp.clone()).absent(cx.key("c", "b"))).await;
    assert!(checked.stamps.is_empty());
    assert!(checked.revision >= stamp.created(), "its revision is not older than what was committed before");
    session.apply(Txn::new()).await;
    session.refuse(Txn::new().absent(cx.key("c", "a"))).await;
    assert_eq!(*session.read(&cx.key("c", "a")).await.unwrap().stamp(), stamp);
}

async fn entries_of_one_transaction_share_its_revision(cx: Context) {
    let session = cx.session().await;
    let updated = session.put(&cx.key("c", "updated"), "").await;
    let txn = Txn::new()
        .create_owned(cx.key("c", "owned"), "", Naming::Reusable)
        .create_owned(cx.key("d", "owned"), "", Naming::Unique)
        .create_persistent(cx.key("c", "persistent"), "", Naming::Unique)
        .update(updated.clone(), "");
    let committed = session.apply(txn).await;
    let stamps: Vec<Stamp> = committed.stamps.into_iter().map(Option::unwrap).collect();
    assert!(stamps.iter().all(|stamp| stamp.modified() == committed.revision), "{stamps:?}");
    assert!(stamps[..3].iter().all(|stamp| stamp.created() == committed.revision), "{stamps:?}");
    assert_eq!(stamps[3].created(), updated.created(), "an update is no creation");
    for stamp in stamps {
        assert_eq!(*session.read(stamp.key()).await.unwrap().stamp(), stamp, "a read gives the same stamp");
    }
}

async fn stamps_come_in_the_order_of_the_operations(cx: Context) {
    let session = cx.session().await;
    let deleted = session.put(&cx.key("c", "deleted"), "").await;
    let updated = session.put(&cx.key("c", "updated"), "").await;
    let txn = Txn::new()
        .create_persistent(cx.key("c", "z"), "", Naming::Reusable)
        .delete(deleted)
        .update(updated, "")
        .create_persistent(cx.key("c", "a"), "", Naming::Reusable);
    let stamps = session.apply(txn).await.stamps;
    let keys: Vec<_> = stamps.iter().map(|stamp| stamp.as_ref().map(|stamp| stamp.key().clone())).collect();
    let expected = [Some("z"), None, Some("updated"), Some("a")];
    assert_eq!(keys, expected.map(|entry| entry.map(|entry| cx.key("c", entry))));
}

async fn an_update_keeps_the_incarnation_and_the_owner(cx: Context) {
    let (owner, other) = (cx.session().await, cx.session().await);
    let key = cx.key("c", "a");
    let created = owner.own(&key, "1").await;
    let updated = only_stamp(other.apply(Txn::new().update(created.clone(), "2")).await);
    assert!(updated.is_same_incarnation(&created) && updated.modified() > created.modified());
    let entry = other.read(&key).await.unwrap();
    assert_eq!((entry.owner(), entry.value().as_ref()), (Some(owner.id()), &b"2"[..]));
    owner.close().await.unwrap();
    assert!(other.read(&key).await.is_none(), "it still vanishes with its owner");
}

async fn revisions_grow_with_every_commit_of_any_session(cx: Context) {
    let sessions = [cx.session().await, cx.session().await, cx.session().await];
    let mut last = sessions[0].put(&cx.key("c", "a"), "").await;
    for round in 1..30 {
        let session = &sessions[round % 3];
        let next = only_stamp(session.apply(Txn::new().update(last.clone(), round.to_string())).await);
        assert!(next.modified() > last.modified(), "{next:?} after {last:?}");
        let elsewhere = session.put(&cx.key("elsewhere", &round.to_string()), "").await;
        assert!(elsewhere.created() > next.modified(), "{elsewhere:?} after {next:?}");
        last = next;
    }
}

async fn revisions_grow_across_re_creation_and_the_end_of_sessions(cx: Context) {
    let key = cx.key("c", "leader");
    let mut last = None;
    for _ in 0..5 {
        let session = cx.session().await;
        for _ in 0..2 {
            let stamp = session.own(&key, "").await;
            assert!(Some(stamp.created()) > last, "{stamp:?} after {last:?}");
            let deleted = session.apply(Txn::new().delete(stamp.clone())).await;
            assert!(deleted.revision > stamp.created(), "a deletion is a commit as well");
            last = Some(deleted.revision);
        }
        let stamp = session.own(&key, "").await;
        last = Some(stamp.created());
        session.close().await.unwrap();
    }
}

async fn a_key_in_two_operations_is_refused(cx: Context) {
    let session = cx.session().await;
    let stamp = session.put(&cx.key("c", "a"), "before").await;
    let create = || Txn::new().create_persistent(cx.key("c", "new"), "", Naming::Unique);
    for txn in [
        create().create_persistent(cx.key("c", "new"), "", Naming::Unique),
        create().update(stamp.clone(), "1").update(stamp.clone(), "2"),
        create().update(stamp.clone(), "1").delete(stamp.clone()),
        create().delete(stamp.clone()).create_persistent(cx.key("c", "a"), "", Naming::Reusable),
    ] {
        let error = session.fail(txn).await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidInput, Effect::NotApplied), "{error}");
    }
    let entries = session.all(&cx.collection("c")).await;
    assert_eq!((names(&entries), entries[0].stamp()), (vec!["a"], &stamp));
}

async fn two_owned_entries_in_one_collection_are_refused(cx: Context) {
    let session = cx.session().await;
    let owned = |txn: Txn, name: &str| txn.create_owned(cx.key("c", name), "", Naming::Unique);
    let error = session.fail(owned(owned(Txn::new(), "a"), "b")).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidInput, Effect::NotApplied), "{error}");
    assert!(session.all(&cx.collection("c")).await.is_empty());
    let persistent = owned(Txn::new(), "a").create_persistent(cx.key("c", "b"), "", Naming::Unique);
    session.apply(persistent).await;
}

fn many(cx: &Context, count: usize) -> Txn {
    (0..count).fold(Txn::new(), |txn, at| {
        txn.create_persistent(cx.key("c", &format!("{at:06}")), "", Naming::Unique)
    })
}

async fn as_many_operations_as_the_capabilities_say_are_accepted(cx: Context) {
    let session = cx.session().await;
    let most = cx.connect().1.capabilities().operations_max.min(1_000);
    let guarded = (0..most).fold(many(&cx, most), |txn, at| txn.absent(cx.key("c", &format!("{at:06}"))));
    session.apply(guarded).await;
    assert_eq!(session.all(&cx.collection("c")).await.len(), most);
}

async fn more_operations_than_the_capabilities_say_are_refused_before_sending(cx: Context) {
    let session = cx.session().await;
    let error = session.fail(many(&cx, cx.connect().1.capabilities().operations_max + 1)).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::TooLarge, Effect::NotApplied), "{error}");
    assert!(session.all(&cx.collection("c")).await.is_empty());
}

async fn more_guards_than_the_capabilities_say_are_refused_before_sending(cx: Context) {
    let session = cx.session().await;
    let most = cx.connect().1.capabilities().operations_max;
    let txn = (0..=most).fold(many(&cx, 1), |txn, at| txn.absent(cx.key("d", &format!("{at:06}"))));
    let error = session.fail(txn).await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::TooLarge, Effect::NotApplied), "{error}");
    assert!(session.all(&cx.collection("c")).await.is_empty());
}
