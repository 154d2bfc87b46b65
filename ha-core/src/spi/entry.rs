//! Entries and what identifies them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key};

/// A number that grows with every commit of a namespace. Not dense.
///
/// It never goes back; a backend that sees it go back (a restored backup, a failover that lost writes) reports a
/// discontinuity. All entries that one transaction creates share its revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision(u64);

impl Revision {
    /// The revision `value`.
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self(value)
    }

    /// The revision as a number.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Identifies one session for ever: never reused, not even after the session is over.
///
/// The text is short enough to be a part of entry names.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The longest session id, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// Makes an id from the backend's own.
    ///
    /// # Errors
    /// `InvalidInput` unless it consists of 1 to [`SessionId::MAX_BYTES`] ASCII letters and digits: recipes build entry
    /// names as `<session id>-<number>`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fits = !text.is_empty() && text.len() <= Self::MAX_BYTES;
        if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self(text.into()));
        }
        Err(Error::new(ErrorKind::InvalidInput, "make session id")
            .on(format_args!("{text:.64?}"))
            .because(format_args!("a session id has 1 to {} ASCII letters and digits", Self::MAX_BYTES)))
    }

    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the name of a created entry can ever be used again.
///
/// A backend whose server cannot tell two incarnations of one name apart (ZooKeeper) gives reusable names a companion
/// that can; unique names need none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Naming {
    /// The name is used once and never again, such as a place in a queue. The exception is
    /// [`remembers_names`](super::Capabilities::remembers_names).
    Unique,
    /// The name may be created again after a deletion, such as a leader record.
    Reusable,
}

/// Identifies one state of one incarnation of an entry.
///
/// A read or a commit returns it; guards, updates and deletes take it. There is no blind write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    key: Key,
    created: Revision,
    modified: Revision,
    detail: Bytes,
}

impl Stamp {
    /// The stamp of the entry at `key`, made by a backend. `detail` is for the backend alone, such as a server version.
    #[must_use]
    pub fn new(key: Key, created: Revision, modified: Revision, detail: Bytes) -> Self {
        Self { key, created, modified, detail }
    }

    /// Where the entry lives.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The revision of the commit that created this incarnation: its order and its fencing token.
    #[must_use]
    pub fn created(&self) -> Revision {
        self.created
    }

    /// The revision of the commit that wrote this state.
    #[must_use]
    pub fn modified(&self) -> Revision {
        self.modified
    }

    /// What the backend put in.
    #[must_use]
    pub fn detail(&self) -> &Bytes {
        &self.detail
    }

    /// The same stamp, naming its collection as the caller does: a reference count that every worker changes slows all of them.
    pub(crate) fn named_in(&self, collection: &Collection) -> Self {
        debug_assert_eq!(self.key.collection(), collection);
        let Self { created, modified, .. } = *self;
        Self { key: collection.key(self.key.name().clone()), created, modified, detail: self.detail.clone() }
    }

    /// The stamp of another state of the same incarnation.
    pub(crate) fn at(self, modified: Revision) -> Self {
        Self { modified, ..self }
    }

    /// Whether both name the same incarnation of the same entry.
    #[must_use]
    pub fn is_same_incarnation(&self, other: &Self) -> bool {
        self.created == other.created && self.key == other.key
    }
}

/// An entry as a read shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    stamp: Stamp,
    value: Bytes,
    owner: Option<SessionId>,
}

impl Entry {
    /// The entry of `stamp` with its value and its owner, made by a backend.
    #[must_use]
    pub fn new(stamp: Stamp, value: Bytes, owner: Option<SessionId>) -> Self {
        Self { stamp, value, owner }
    }

    /// What identifies this state of the entry.
    #[must_use]
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The value, by value.
    pub(crate) fn into_value(self) -> Bytes {
        self.value
    }

    /// Writes another state of the same incarnation. Returns the value that was there.
    pub(crate) fn update(&mut self, modified: Revision, value: Bytes) -> Bytes {
        self.stamp.modified = modified;
        std::mem::replace(&mut self.value, value)
    }

    /// Where the entry lives.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.stamp.key
    }

    /// The revision of the commit that created this incarnation.
    #[must_use]
    pub fn created(&self) -> Revision {
        self.stamp.created
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &Bytes {
        &self.value
    }

    /// The session that the entry vanishes with; `None` for a persistent entry.
    #[must_use]
    pub fn owner(&self) -> Option<&SessionId> {
        self.owner.as_ref()
    }
}
