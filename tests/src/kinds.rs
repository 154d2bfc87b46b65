//! The kinds of commits there are, for tests that break something around each of them.

use ha_core::spi::{Collection, Committed, Key, Name, Naming, Outcome, Session, Txn};

use crate::verbs::{Verbs, only_stamp};

/// The kinds: each is guarded by what it finds, and can be undone so that its guard is true again where that is possible. A commit of one own
/// unique entry leaves a trace of its own; several operations stand or fall together.
pub const KINDS: [&str; 8] = [
    "create owned",
    "create unique",
    "create persistent",
    "update",
    "delete",
    "delete unique",
    "create two",
    "update and delete",
];

/// The collection that all of this happens in.
///
/// # Panics
/// Never: it is a valid one.
#[must_use]
pub fn collection() -> Collection {
    Collection::parse(&["c"]).unwrap_or_else(|error| panic!("{error}"))
}

/// An entry of it.
///
/// # Panics
/// If the name is none.
#[must_use]
pub fn key(name: &str) -> Key {
    collection().key(Name::parse(name).unwrap_or_else(|error| panic!("{error}")))
}

/// The entries of a commit by this name, in the order of its operations; most have only the first.
#[must_use]
pub fn names(name: &str) -> [String; 2] {
    [name.to_owned(), format!("{name}-too")]
}

/// Lays out what a commit of this kind finds; the commit.
///
/// # Panics
/// If that fails.
pub async fn prepare(session: &dyn Session, kind: &str, name: &str) -> Txn {
    let [key, other] = names(name).map(|name| key(&name));
    match kind {
        "create owned" => Txn::new().create_owned(key, "new", Naming::Reusable),
        "create unique" => Txn::new().create_owned(key, "new", Naming::Unique),
        "create persistent" => Txn::new().create_persistent(key, "new", Naming::Reusable),
        "create two" => {
            let txn = Txn::new().create_owned(key, "new", Naming::Reusable);
            txn.create_persistent(other, "new", Naming::Reusable)
        }
        "update" => Txn::new().update(session.put(&key, "old").await, "new"),
        "update and delete" => {
            let txn = Txn::new().update(session.put(&key, "old").await, "new");
            txn.delete(session.put(&other, "old").await)
        }
        "delete unique" => {
            let created = session.apply(Txn::new().create_owned(key, "old", Naming::Unique)).await;
            Txn::new().delete(only_stamp(created))
        }
        _ => Txn::new().delete(session.put(&key, "old").await),
    }
}

/// Commits what has to be committed.
///
/// # Panics
/// If it is not.
pub async fn commit(session: &dyn Session, kind: &str, txn: Txn) -> Committed {
    match session.commit(txn).await {
        Ok(Outcome::Committed(committed)) => committed,
        other => panic!("{kind}: it should have been committed: {other:?}"),
    }
}

/// Commits each kind several times. Each time `lose` has the reply of the next commit lost, and `is_lost` tells whether one was.
///
/// # Panics
/// If a commit fails, is done otherwise than it says, or nobody can be told of its doubt.
pub async fn survive_lost_replies(session: &dyn Session, lose: impl Fn(), is_lost: impl Fn() -> bool) {
    for (number, kind) in KINDS.into_iter().cycle().take(3 * KINDS.len()).enumerate() {
        let name = format!("lost-{number}");
        let txn = prepare(session, kind, &name).await;
        let doubts = session.doubts();
        lose();
        let committed = commit(session, kind, txn).await;
        assert!(is_lost(), "{kind}: no reply was lost");
        assert!(session.doubts() > doubts, "{kind}: operators are not told of the lost reply");
        for (name, stamp) in names(&name).iter().zip(committed.stamps) {
            let entry = session.read(&key(name)).await;
            assert_eq!(entry.map(|entry| entry.stamp().clone()), stamp, "{kind}: {name}");
        }
    }
}

/// Commits each kind twice while `hold` has a copy of the next request wait on its way, and undoes each, so that its guard is true again. Then the copies
/// `arrive`, and `judge`, another session, looks at what is there.
///
/// # Panics
/// If a commit fails, or a copy is applied.
pub async fn survive_late_copies(
    session: &dyn Session,
    judge: &dyn Session,
    hold: impl Fn(),
    arrive: impl Future<Output = ()>,
) {
    let mut expected = Vec::new();
    for (number, kind) in KINDS.into_iter().cycle().take(2 * KINDS.len()).enumerate() {
        let name = format!("late-{number}");
        let txn = prepare(session, kind, &name).await;
        hold();
        for (name, stamp) in names(&name).into_iter().zip(commit(session, kind, txn).await.stamps) {
            // Where there is something, it goes; then the guard of a creation is true again.
            let left = match (kind, stamp) {
                ("update", Some(stamp)) => {
                    Some(only_stamp(session.apply(Txn::new().update(stamp, "later")).await))
                }
                (_, Some(stamp)) => {
                    session.apply(Txn::new().delete(stamp)).await;
                    None
                }
                (_, None) => Some(session.put(&key(&name), "old").await),
            };
            expected.push((kind, name, left));
        }
    }
    arrive.await;
    for (kind, name, left) in expected {
        let found = judge.read(&key(&name)).await.map(|entry| entry.stamp().clone());
        assert_eq!(found, left, "{kind}: a late copy was applied to {name}");
    }
}
