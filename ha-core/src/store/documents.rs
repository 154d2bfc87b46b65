//! Entries whose values are JSON.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entries::{Entries, Written};
use crate::error::{Error, ErrorKind};
use crate::spi::{Entry, Stamp};

/// How often [`Documents::modify`] begins anew. Each time somebody else succeeded, so this is reached in a crowd only.
const ROUNDS: usize = 100;

/// The entries of one collection, with values of type `T` as JSON. Get them from [`Store::documents`](super::Store::documents).
///
/// ```
/// # use std::sync::Arc;
/// # use ha_core::{Coordinator, memory::MemoryBackend};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node = Coordinator::builder(Arc::new(MemoryBackend::new())).node("box-1").connect().await?;
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Rule { limit: u32 }
///
/// let rules = node.store().documents::<Rule>("rules")?;
/// let raised = rules.modify("cpu", |rule| Rule { limit: rule.map_or(80, |rule| rule.limit + 5) });
/// assert_eq!(raised.await?.value().limit, 80);
/// assert_eq!(rules.get("cpu").await?.ok_or("it is there")?.value().limit, 80);
/// # Ok(())
/// # }
/// ```
///
/// A field that a release adds should have a `#[serde(default)]`, so that nodes of both releases can read what either has written.
pub struct Documents<T> {
    entries: Entries,
    values: PhantomData<fn() -> T>,
}

impl<T> Documents<T> {
    pub(super) fn new(entries: Entries) -> Self {
        Self { entries, values: PhantomData }
    }

    /// The entries themselves: to list, watch, delete, and for transactions.
    #[must_use]
    pub fn entries(&self) -> &Entries {
        &self.entries
    }
}

impl<T: DeserializeOwned> Documents<T> {
    /// Reads one document; `None` if there is none.
    ///
    /// # Errors
    /// `Corrupt` for a value that is no `T`; otherwise as [`Entries::get`].
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn get(&self, name: &str) -> Result<Option<Document<T>>, Error> {
        self.entries.get(name).await?.map(|entry| self.decode(&entry)).transpose()
    }

    /// Reads the value of an entry that a listing or a watch has shown.
    ///
    /// # Errors
    /// `Corrupt` for a value that is no `T`.
    pub fn decode(&self, entry: &Entry) -> Result<Document<T>, Error> {
        match serde_json::from_slice(entry.value()) {
            Ok(value) => Ok(Document { stamp: entry.stamp().clone(), value }),
            Err(error) => Err(Error::new(ErrorKind::Corrupt, "read document")
                .on(entry.key())
                .because("its value is not of the expected type; was it written by another release?")
                .with_source(error)),
        }
    }
}

impl<T: Serialize> Documents<T> {
    /// A value as it is stored, for a transaction.
    ///
    /// # Errors
    /// `InvalidInput` for a value that has no JSON form, such as a map whose keys are no text.
    pub fn encode(&self, value: &T) -> Result<Bytes, Error> {
        match serde_json::to_vec(value) {
            Ok(json) => Ok(json.into()),
            Err(error) => Err(Error::new(ErrorKind::InvalidInput, "write document")
                .on(self.entries.collection())
                .because("the value cannot be written as JSON")
                .with_source(error)),
        }
    }

    /// Creates the document `name`. A conflict: there is one already.
    ///
    /// # Errors
    /// As [`encode`](Self::encode) and [`Entries::create`].
    ///
    /// # Cancel safety
    /// As [`Entries::create`].
    pub async fn create(&self, name: &str, value: &T) -> Result<Written, Error> {
        self.entries.create(name, self.encode(value)?).await
    }

    /// Replaces the document in the very state of `stamp`. A conflict: it was changed or deleted since.
    ///
    /// # Errors
    /// As [`encode`](Self::encode) and [`Entries::update`].
    ///
    /// # Cancel safety
    /// As [`Entries::update`].
    pub async fn update(&self, stamp: &Stamp, value: &T) -> Result<Written, Error> {
        self.entries.update(stamp, self.encode(value)?).await
    }
}

impl<T: Serialize + DeserializeOwned> Documents<T> {
    /// Puts what `change` makes of the document in its place, and again from the new state if somebody else was faster; `None` stands for
    /// "there is none yet". Returns what is stored now.
    ///
    /// # Errors
    /// `Unavailable` when others keep changing it; otherwise as [`get`](Self::get), [`create`](Self::create) and
    /// [`update`](Self::update). With effect `Unknown` the last change may have been applied, once.
    ///
    /// # Cancel safety
    /// The change under way is applied or not; no further one is begun.
    pub async fn modify(
        &self,
        name: &str,
        mut change: impl FnMut(Option<T>) -> T,
    ) -> Result<Document<T>, Error> {
        for _ in 0..ROUNDS {
            let (stamp, before) = match self.get(name).await? {
                Some(Document { stamp, value }) => (Some(stamp), Some(value)),
                None => (None, None),
            };
            let value = change(before);
            let written = match stamp {
                Some(stamp) => self.update(&stamp, &value).await?,
                None => self.create(name, &value).await?,
            };
            if let Written::Done(stamp) = written {
                return Ok(Document { stamp, value });
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "modify document")
            .on(format_args!("{}/{name}", self.entries.collection()))
            .because(format_args!("others changed it {ROUNDS} times meanwhile; try again")))
    }
}

impl<T> Clone for Documents<T> {
    fn clone(&self) -> Self {
        Self::new(self.entries.clone())
    }
}

impl<T> fmt::Debug for Documents<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Documents").field(self.entries.collection()).finish()
    }
}

/// One state of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<T> {
    stamp: Stamp,
    value: T,
}

impl<T> Document<T> {
    /// The value.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The value, by itself.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    /// What identifies this state: for the next update, and for guards.
    #[must_use]
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }
}
