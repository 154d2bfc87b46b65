//! The entries of one collection of users.

use std::fmt;

use bytes::Bytes;

use super::Store;
use super::watch::Watch;
use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key, Name};
use crate::spi::{Committed, Entry, Listing, Outcome, Page, Stamp, Txn, WatchTarget};

use super::LAYOUT;

/// What became of a write that the store has decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a conflict has changed nothing"]
#[non_exhaustive]
pub enum Written<T = Stamp> {
    /// It was applied, once.
    Done(T),
    /// The entry was not in the state that the write needs; nothing was changed. Read it again.
    Conflict,
}

impl<T> Written<T> {
    /// What the write gives, unless it met a conflict.
    #[must_use]
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Conflict => None,
        }
    }

    /// Whether it was applied.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// The entries of one collection. Get them from [`Store::collection`].
///
/// Cheap to clone. Names are any text of 1 to 200 bytes, compared byte by byte.
#[derive(Clone)]
pub struct Entries {
    store: Store,
    collection: Collection,
}

impl Entries {
    pub(super) fn new(store: Store, name: Name) -> Self {
        Self { store, collection: Collection::of(LAYOUT, &[&name]) }
    }

    /// The collection, for the read-backs of a transaction.
    #[must_use]
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// The store that it belongs to.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The key of the entry `name`, for a transaction.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name.
    pub fn key(&self, name: &str) -> Result<Key, Error> {
        Ok(self.collection.key(Name::parse(name)?))
    }

    /// Reads one entry; `None` if there is none.
    ///
    /// # Guarantees
    /// Those of [`list`](Self::list).
    ///
    /// # Errors
    /// As [`list`](Self::list); `InvalidInput` for a bad name.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn get(&self, name: &str) -> Result<Option<Entry>, Error> {
        let key = self.key(name)?;
        let listing = self.list(Page::only(key.name().clone())).await?;
        Ok(listing.into_entries().into_iter().next())
    }

    /// Reads a page of the collection.
    ///
    /// # Guarantees
    /// Linearizable where the capabilities say so, and never older than what this session has committed or shown. A page is of one instant;
    /// several together need not be. Following pages [by name](Page::after) shows each entry that stays exactly once.
    ///
    /// # Errors
    /// `Unavailable` while the backend cannot be reached or there is no session; `Denied`; `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn list(&self, page: Page) -> Result<Listing, Error> {
        self.store.desk().list(self.collection.clone(), page).await
    }

    /// Creates the entry `name`. A conflict: there is one already.
    ///
    /// # Errors
    /// As [`Store::commit`]; `InvalidInput` for a bad name.
    ///
    /// # Cancel safety
    /// As [`Store::commit`]: the entry is created or not, and stays.
    pub async fn create(&self, name: &str, value: impl Into<Bytes>) -> Result<Written, Error> {
        let txn = Txn::new().create(self.key(name)?, value);
        self.write(txn).await
    }

    /// Replaces the value of the entry in the very state of `stamp`. A conflict: it was changed or deleted since.
    ///
    /// # Errors
    /// As [`Store::commit`]; `InvalidInput` for a stamp of another collection.
    ///
    /// # Cancel safety
    /// As [`Store::commit`]: the value is replaced or not.
    pub async fn update(&self, stamp: &Stamp, value: impl Into<Bytes>) -> Result<Written, Error> {
        self.check(stamp, "update")?;
        self.write(Txn::new().update(stamp.clone(), value)).await
    }

    /// Deletes the incarnation of `stamp`, whatever its value is now; guard a transaction by [`unchanged`](Txn::unchanged) to delete only what
    /// you have read. A conflict: it was deleted, and perhaps created anew, since.
    ///
    /// # Errors
    /// As [`Store::commit`]; `InvalidInput` for a stamp of another collection.
    ///
    /// # Cancel safety
    /// As [`Store::commit`]: the entry is deleted or not.
    pub async fn delete(&self, stamp: &Stamp) -> Result<Written<()>, Error> {
        self.check(stamp, "delete")?;
        Ok(match self.store.commit(Txn::new().delete(stamp.clone())).await? {
            Outcome::Committed(_) => Written::Done(()),
            Outcome::Conflict(_) => Written::Conflict,
        })
    }

    /// Follows the whole collection, from now on until the coordinator is shut down.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::open(self.store.desk().hub(), WatchTarget::Collection(self.collection.clone()))
    }

    /// Follows the entry `name`, which need not exist.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name.
    pub fn watch_entry(&self, name: &str) -> Result<Watch, Error> {
        Ok(Watch::open(self.store.desk().hub(), WatchTarget::Entry(self.key(name)?)))
    }

    async fn write(&self, txn: Txn) -> Result<Written, Error> {
        match self.store.commit(txn).await? {
            Outcome::Committed(Committed { mut stamps, .. }) => match stamps.pop().flatten() {
                Some(stamp) => Ok(Written::Done(stamp)),
                None => Err(Error::new(ErrorKind::Corrupt, "commit")
                    .on(&self.collection)
                    .because("the backend gave no stamp for what it wrote; it does not keep its contract")),
            },
            Outcome::Conflict(_) => Ok(Written::Conflict),
        }
    }

    fn check(&self, stamp: &Stamp, operation: &'static str) -> Result<(), Error> {
        if *stamp.key().collection() == self.collection {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidInput, operation)
            .on(stamp.key())
            .because(format_args!("the stamp is not of an entry in {}", self.collection)))
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entries").field(&self.collection).finish()
    }
}
