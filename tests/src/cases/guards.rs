//! Guards, each way, explicit and implied by an operation.

use ha_core::spi::{Guard, Naming, Session, Stamp, Txn};

use crate::context::Context;
use crate::verbs::{Verbs, only_stamp};

crate::case::cases! {
    "guards";
    absent_admits_a_missing_entry { guarantee: "G2" }
    absent_refuses_an_existing_entry { guarantee: "G2" }
    present_admits_an_existing_entry { guarantee: "G2" }
    present_refuses_a_missing_entry { guarantee: "G2" }
    unchanged_admits_the_very_state { guarantee: "G2" }
    unchanged_refuses_a_state_that_was_updated { guarantee: "G2" }
    unchanged_refuses_a_deleted_entry { guarantee: "G2" }
    unchanged_admits_the_state_that_an_update_returned { guarantee: "G2" }
    held_survives_an_update_of_the_entry { guarantee: "G2" }
    held_refuses_a_deleted_entry { guarantee: "G2" }
    guards_see_the_session_owned_entries_of_others { guarantee: "G2" }
    a_guard_and_an_operation_may_share_a_key { guarantee: "G2" }
    every_one_of_many_guards_counts { guarantee: "G2" }
    a_creation_refuses_an_existing_entry { guarantee: "G3" }
    an_update_refuses_a_state_that_was_updated { guarantee: "G3" }
    an_update_refuses_a_deleted_entry { guarantee: "G3" }
    a_deletion_survives_an_update_of_the_entry { guarantee: "G3" }
    a_deletion_refuses_a_deleted_entry { guarantee: "G3" }
    a_conflict_names_a_key_whose_guard_failed { guarantee: "G4" }
    a_conflict_names_the_key_of_an_operation { guarantee: "G4" }
}

/// A transaction with this guard and one creation, to see whether it was admitted.
fn behind(cx: &Context, guard: Guard) -> Txn {
    Txn::new().guard(guard).create_persistent(cx.key("witness", "w"), "seen", Naming::Reusable)
}

async fn admits(cx: &Context, session: &dyn Session, guard: Guard) {
    session.apply(behind(cx, guard)).await;
    assert!(
        session.read(&cx.key("witness", "w")).await.is_some(),
        "the operation behind the guard was applied"
    );
}

async fn refuses(cx: &Context, session: &dyn Session, guard: Guard) {
    session.refuse(behind(cx, guard)).await;
    assert!(
        session.read(&cx.key("witness", "w")).await.is_none(),
        "nothing is applied behind a failed guard"
    );
}

async fn update(session: &dyn Session, stamp: &Stamp) -> Stamp {
    only_stamp(session.apply(Txn::new().update(stamp.clone(), "updated")).await)
}

async fn delete(session: &dyn Session, stamp: &Stamp) {
    session.apply(Txn::new().delete(stamp.clone())).await;
}

async fn absent_admits_a_missing_entry(cx: Context) {
    let session = cx.session().await;
    admits(&cx, &*session, Guard::Absent(cx.key("c", "a"))).await;
}

async fn absent_refuses_an_existing_entry(cx: Context) {
    let session = cx.session().await;
    session.put(&cx.key("c", "a"), "").await;
    refuses(&cx, &*session, Guard::Absent(cx.key("c", "a"))).await;
}

async fn present_admits_an_existing_entry(cx: Context) {
    let session = cx.session().await;
    session.put(&cx.key("c", "a"), "").await;
    admits(&cx, &*session, Guard::Present(cx.key("c", "a"))).await;
}

async fn present_refuses_a_missing_entry(cx: Context) {
    let session = cx.session().await;
    let stamp = session.put(&cx.key("c", "a"), "").await;
    delete(&*session, &stamp).await;
    refuses(&cx, &*session, Guard::Present(cx.key("c", "a"))).await;
}

async fn unchanged_admits_the_very_state(cx: Context) {
    let session = cx.session().await;
    let stamp = session.put(&cx.key("c", "a"), "").await;
    admits(&cx, &*session, Guard::Unchanged(stamp)).await;
}

async fn unchanged_refuses_a_state_that_was_updated(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.put(&cx.key("c", "a"), "").await;
    update(&*other, &stamp).await;
    refuses(&cx, &*session, Guard::Unchanged(stamp)).await;
}

async fn unchanged_refuses_a_deleted_entry(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.put(&cx.key("c", "a"), "").await;
    delete(&*other, &stamp).await;
    refuses(&cx, &*session, Guard::Unchanged(stamp)).await;
}

async fn unchanged_admits_the_state_that_an_update_returned(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.put(&cx.key("c", "a"), "").await;
    let updated = update(&*other, &stamp).await;
    let read = session.read(&cx.key("c", "a")).await.unwrap();
    assert_eq!(*read.stamp(), updated, "a read and a commit give the same stamp");
    admits(&cx, &*session, Guard::Unchanged(updated)).await;
}

async fn held_survives_an_update_of_the_entry(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.own(&cx.key("c", "a"), "").await;
    update(&*other, &stamp).await;
    admits(&cx, &*session, Guard::Held(stamp)).await;
}

async fn held_refuses_a_deleted_entry(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.own(&cx.key("c", "a"), "").await;
    delete(&*other, &stamp).await;
    refuses(&cx, &*session, Guard::Held(stamp)).await;
}

async fn guards_see_the_session_owned_entries_of_others(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.own(&cx.key("c", "a"), "").await;
    refuses(&cx, &*other, Guard::Absent(cx.key("c", "a"))).await;
    admits(&cx, &*other, Guard::Held(stamp)).await;
}

async fn a_guard_and_an_operation_may_share_a_key(cx: Context) {
    let session = cx.session().await;
    let key = cx.key("c", "a");
    let create = Txn::new().absent(key.clone()).create_persistent(key.clone(), "1", Naming::Reusable);
    let stamp = only_stamp(session.apply(create).await);
    let update = Txn::new().held(stamp.clone()).unchanged(stamp.clone()).update(stamp, "2");
    let stamp = only_stamp(session.apply(update).await);
    session.apply(Txn::new().present(key.clone()).held(stamp.clone()).delete(stamp)).await;
    assert!(session.read(&key).await.is_none());
}

async fn every_one_of_many_guards_counts(cx: Context) {
    let session = cx.session().await;
    let mut stamps = Vec::new();
    for at in 0..5 {
        stamps.push(session.put(&cx.key("c", &format!("p{at}")), "").await);
    }
    let guards = |wrong: usize| {
        let guards = stamps.iter().enumerate().map(|(at, stamp)| match at == wrong {
            true => Guard::Absent(stamp.key().clone()),
            false => Guard::Unchanged(stamp.clone()),
        });
        let missing = (5..10).map(|at| match at == wrong {
            true => Guard::Present(cx.key("c", &format!("missing{at}"))),
            false => Guard::Absent(cx.key("c", &format!("missing{at}"))),
        });
        guards.chain(missing).collect::<Vec<_>>()
    };
    let txn = |wrong: usize| {
        let witness = behind(&cx, Guard::Absent(cx.key("witness", "other")));
        guards(wrong).into_iter().fold(witness, Txn::guard)
    };
    for wrong in 0..10 {
        session.refuse(txn(wrong)).await;
    }
    session.apply(txn(usize::MAX)).await;
}

async fn a_creation_refuses_an_existing_entry(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.own(&cx.key("c", "a"), "first").await;
    other.refuse(Txn::new().create_owned(cx.key("c", "a"), "second", Naming::Reusable)).await;
    other.refuse(Txn::new().create_persistent(cx.key("c", "a"), "third", Naming::Reusable)).await;
    session.refuse(Txn::new().create_owned(cx.key("c", "a"), "fourth", Naming::Reusable)).await;
    let entry = session.read(&cx.key("c", "a")).await.unwrap();
    assert_eq!((entry.stamp(), &entry.value()[..]), (&stamp, &b"first"[..]));
}

async fn an_update_refuses_a_state_that_was_updated(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.put(&cx.key("c", "a"), "").await;
    update(&*other, &stamp).await;
    session.refuse(Txn::new().update(stamp, "late")).await;
    assert_eq!(session.read(&cx.key("c", "a")).await.unwrap().value(), "updated");
}

async fn an_update_refuses_a_deleted_entry(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.put(&cx.key("c", "a"), "").await;
    delete(&*other, &stamp).await;
    session.refuse(Txn::new().update(stamp, "late")).await;
    assert!(session.read(&cx.key("c", "a")).await.is_none(), "an update creates nothing");
}

async fn a_deletion_survives_an_update_of_the_entry(cx: Context) {
    let (session, other) = (cx.session().await, cx.session().await);
    let stamp = session.put(&cx.key("c", "a"), "").await;
    update(&*other, &stamp).await;
    delete(&*session, &stamp).await;
    assert!(session.read(&cx.key("c", "a")).await.is_none());
}

async fn a_deletion_refuses_a_deleted_entry(cx: Context) {
    let session = cx.session().await;
    let stamp = session.put(&cx.key("c", "a"), "").await;
    delete(&*session, &stamp).await;
    session.refuse(Txn::new().delete(stamp)).await;
}

async fn a_conflict_names_a_key_whose_guard_failed(cx: Context) {
    let session = cx.session().await;
    let kept = session.put(&cx.key("c", "kept"), "").await;
    let gone = session.put(&cx.key("c", "gone"), "").await;
    delete(&*session, &gone).await;
    let failing = [
        Guard::Absent(cx.key("c", "kept")),
        Guard::Present(cx.key("c", "gone")),
        Guard::Unchanged(gone.clone()),
        Guard::Held(gone),
    ];
    for guard in failing {
        let failed = match &guard {
            Guard::Absent(key) | Guard::Present(key) => key.clone(),
            Guard::Unchanged(stamp) | Guard::Held(stamp) => stamp.key().clone(),
            other => panic!("a guard that the case does not know: {other:?}"),
        };
        let others = Txn::new().held(kept.clone()).absent(cx.key("c", "never"));
        let conflict = session.refuse(others.guard(guard)).await;
        assert_eq!(conflict.keys, [failed], "only this guard was not satisfied");
    }
}

async fn a_conflict_names_the_key_of_an_operation(cx: Context) {
    let session = cx.session().await;
    let kept = session.put(&cx.key("c", "kept"), "").await;
    let gone = session.put(&cx.key("c", "gone"), "").await;
    delete(&*session, &gone).await;
    let create = Txn::new().create_persistent(cx.key("c", "kept"), "", Naming::Reusable);
    for (txn, failed) in [
        (create, "kept"),
        (Txn::new().update(gone.clone(), ""), "gone"),
        (Txn::new().delete(gone.clone()), "gone"),
    ] {
        let conflict = session.refuse(txn.held(kept.clone())).await;
        assert_eq!(conflict.keys, [cx.key("c", failed)], "only this operation could not be applied");
    }
}
