//! What cases do with sessions, failing where the answer is not the one that the sentence of the case needs.

use std::fmt;
use std::panic::Location;

use ha_core::runtime::BoxFuture;
use ha_core::spi::{Collection, Committed, Conflict, Entry, Key, Naming, Outcome, Page, Session, Stamp, Txn};
use ha_core::{Error, ErrorKind};

/// Short forms of the calls of a [`Session`], for cases.
pub trait Verbs {
    /// Commits a transaction that has to be committed.
    fn apply(&self, txn: Txn) -> BoxFuture<'_, Committed>;

    /// Commits a transaction that has to be refused by a guard.
    fn refuse(&self, txn: Txn) -> BoxFuture<'_, Conflict>;

    /// Commits a transaction that has to fail.
    fn fail(&self, txn: Txn) -> BoxFuture<'_, Error>;

    /// Creates a persistent entry of a reusable name.
    fn put(&self, key: &Key, value: &'static str) -> BoxFuture<'_, Stamp>;

    /// Creates a session-owned entry of a reusable name.
    fn own(&self, key: &Key, value: &'static str) -> BoxFuture<'_, Stamp>;

    /// Reads one entry.
    fn read(&self, key: &Key) -> BoxFuture<'_, Option<Entry>>;

    /// Reads all entries of a collection, by name, page by page.
    fn all(&self, collection: &Collection) -> BoxFuture<'_, Vec<Entry>>;
}

impl Verbs for dyn Session {
    #[track_caller]
    fn apply(&self, txn: Txn) -> BoxFuture<'_, Committed> {
        let at = Location::caller();
        Box::pin(async move {
            match self.commit(txn).await {
                Ok(Outcome::Committed(committed)) => committed,
                other => panic!("{at}: it should have been committed: {other:?}"),
            }
        })
    }

    #[track_caller]
    fn refuse(&self, txn: Txn) -> BoxFuture<'_, Conflict> {
        let at = Location::caller();
        Box::pin(async move {
            match self.commit(txn).await {
                Ok(Outcome::Conflict(conflict)) => conflict,
                other => panic!("{at}: a guard should have refused it: {other:?}"),
            }
        })
    }

    #[track_caller]
    fn fail(&self, txn: Txn) -> BoxFuture<'_, Error> {
        let at = Location::caller();
        Box::pin(async move {
            match self.commit(txn).await {
                Err(error) => error,
                Ok(outcome) => panic!("{at}: it should have failed: {outcome:?}"),
            }
        })
    }

    #[track_caller]
    fn put(&self, key: &Key, value: &'static str) -> BoxFuture<'_, Stamp> {
        let created = self.apply(Txn::new().create_persistent(key.clone(), value, Naming::Reusable));
        Box::pin(async move { only_stamp(created.await) })
    }

    #[track_caller]
    fn own(&self, key: &Key, value: &'static str) -> BoxFuture<'_, Stamp> {
        let created = self.apply(Txn::new().create_owned(key.clone(), value, Naming::Reusable));
        Box::pin(async move { only_stamp(created.await) })
    }

    fn read(&self, key: &Key) -> BoxFuture<'_, Option<Entry>> {
        let key = key.clone();
        Box::pin(
            async move { self.all(key.collection()).await.into_iter().find(|entry| *entry.key() == key) },
        )
    }

    #[track_caller]
    fn all(&self, collection: &Collection) -> BoxFuture<'_, Vec<Entry>> {
        let (at, collection) = (Location::caller(), collection.clone());
        Box::pin(async move {
            let mut entries: Vec<Entry> = Vec::new();
            let mut page = Page::by_name(Page::MAX_LIMIT);
            loop {
                let listing = match self.list(&collection, page).await {
                    Ok(listing) => listing,
                    Err(error) => panic!("{at}: it should have been listed: {error:?}"),
                };
                let more = listing.has_more();
                entries.extend(listing.into_entries());
                let Some(last) = entries.last().filter(|_| more) else { return entries };
                page = Page::after(last.key().name().clone(), Page::MAX_LIMIT);
            }
        })
    }
}

/// The stamp that a transaction of one creation or update returned.
#[track_caller]
#[must_use]
pub fn only_stamp(committed: Committed) -> Stamp {
    let Ok([stamp]) = <[Option<Stamp>; 1]>::try_from(committed.stamps) else {
        panic!("a transaction of one operation returns one stamp");
    };
    let Some(stamp) = stamp else { panic!("a creation or an update returns the new stamp") };
    stamp
}

/// The error of a call that has to fail with `kind`.
#[track_caller]
pub fn refused<T: fmt::Debug>(result: Result<T, Error>, kind: ErrorKind) -> Error {
    match result {
        Err(error) if error.kind() == kind => error,
        other => panic!("it should have failed with {kind:?}: {other:?}"),
    }
}

/// The names of entries, in their order.
#[must_use]
pub fn names(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.key().name().as_str()).collect()
}
