//! Re-created entries are not what they were: a stamp of an earlier incarnation satisfies nothing.

use ha_core::spi::{Guard, Key, Naming, Session, Stamp, Txn};

use crate::context::Context;
use crate::verbs::{Verbs, only_stamp};

crate::case::cases! {
    "incarnations";
    an_update_refuses_the_stamp_of_an_earlier_incarnation { guarantee: "G5" }
    a_deletion_refuses_the_stamp_of_an_earlier_incarnation { guarantee: "G5" }
    unchanged_refuses_the_stamp_of_an_earlier_incarnation { guarantee: "G5" }
    held_refuses_the_stamp_of_an_earlier_incarnation { guarantee: "G5" }
    a_name_that_changes_its_owner_is_another_incarnation { guarantee: "G5" }
    an_entry_deleted_and_created_in_turn_by_two_sessions_is_never_deleted_twice { guarantee: "G5" }
}

/// An entry with the same key and value as one before it that was deleted; the stamps of both.
///
/// Both were created with the same number of updates, so that counting them does not tell them apart.
async fn re_created(session: &dyn Session, key: &Key) -> (Stamp, Stamp) {
    let old = session.put(key, "same").await;
    session.apply(Txn::new().delete(old.clone())).await;
    let new = session.put(key, "same").await;
    assert_ne!(old, new, "two incarnations have different stamps");
    (old, new)
}

/// Runs `txn`, which carries a stale stamp, and checks that the entry did not suffer.
async fn stale(cx: &Context, txn: impl FnOnce(Stamp) -> Txn) {
    let session = cx.session().await;
    let key = cx.key("c", "a");
    let (old, new) = re_created(&*session, &key).await;
    let conflict = session.refuse(txn(old)).await;
    assert_eq!(conflict.keys.as_slice(), std::slice::from_ref(&key));
    assert_eq!(*session.read(&key).await.unwrap().stamp(), new, "the new incarnation is untouched");
}

async fn an_update_refuses_the_stamp_of_an_earlier_incarnation(cx: Context) {
    stale(&cx, |old| Txn::new().update(old, "late")).await;
}

async fn a_deletion_refuses_the_stamp_of_an_earlier_incarnation(cx: Context) {
    stale(&cx, |old| Txn::new().delete(old)).await;
}

async fn unchanged_refuses_the_stamp_of_an_earlier_incarnation(cx: Context) {
    stale(&cx, |old| Txn::new().unchanged(old)).await;
}

async fn held_refuses_the_stamp_of_an_earlier_incarnation(cx: Context) {
    stale(&cx, |old| Txn::new().held(old)).await;
}

async fn a_name_that_changes_its_owner_is_another_incarnation(cx: Context) {
    let (first, second) = (cx.session().await, cx.session().await);
    let key = cx.key("c", "leader");
    let old = first.own(&key, "same").await;
    first.close().await.unwrap();
    let new = second.own(&key, "same").await;
    assert!(new.created() > old.created(), "a later holder has a larger token");
    let third = cx.session().await;
    for guard in [Guard::Held(old.clone()), Guard::Unchanged(old.clone())] {
        third.refuse(Txn::new().guard(guard)).await;
    }
    third.refuse(Txn::new().delete(old)).await;
    assert_eq!(third.read(&key).await.unwrap().owner(), Some(second.id()));
}

async fn an_entry_deleted_and_created_in_turn_by_two_sessions_is_never_deleted_twice(cx: Context) {
    let sessions = [cx.session().await, cx.session().await];
    let key = cx.key("c", "leader");
    let mut stale: Vec<Stamp> = Vec::new();
    for round in 0..10 {
        let session = &sessions[round % 2];
        let created = session.apply(Txn::new().create_owned(key.clone(), "", Naming::Reusable)).await;
        let stamp = only_stamp(created);
        for old in &stale {
            sessions[(round + 1) % 2].refuse(Txn::new().delete(old.clone())).await;
        }
        session.apply(Txn::new().held(stamp.clone()).delete(stamp.clone())).await;
        stale.push(stamp);
    }
}
