//! What is recorded of a store: keys, requests and their outcomes, changes, items of a watch.

use serde::{Deserialize, Serialize};

/// Where an entry lives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Key {
    /// The collection, its segments joined by `/`.
    pub collection: String,
    /// The name of the entry.
    pub name: String,
}

impl Key {
    /// The entry `name` of `collection`.
    #[must_use]
    pub fn new(collection: impl Into<String>, name: impl Into<String>) -> Self {
        Self { collection: collection.into(), name: name.into() }
    }
}

/// One state of one incarnation of an entry, with its value.
///
/// Values are numbers here: whoever tests a store writes numbers, each once per key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Version {
    /// The revision that created the incarnation.
    pub created: u64,
    /// The revision that wrote the state.
    pub modified: u64,
    /// The value.
    pub value: u64,
}

impl Version {
    /// The state with these revisions and this value.
    #[must_use]
    pub fn new(created: u64, modified: u64, value: u64) -> Self {
        Self { created, modified, value }
    }
}

/// What a request wants, of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Action {
    /// To read the entry.
    Get,
    /// To create it where there is none.
    Create {
        /// The value.
        value: u64,
    },
    /// To replace it if it is in this very state.
    Update {
        /// The incarnation that is expected.
        created: u64,
        /// The state that is expected.
        modified: u64,
        /// The new value.
        value: u64,
    },
    /// To delete it if it is this incarnation.
    Delete {
        /// The incarnation that is expected.
        created: u64,
    },
}

/// What a caller was told of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Outcome {
    /// A read: the entry, if there is one.
    Seen(Option<Version>),
    /// A write: applied, with this revision.
    Applied {
        /// The revision of the commit.
        revision: u64,
    },
    /// A write: its condition did not hold, nothing was applied.
    Conflict,
    /// Refused before anything was sent, because it is beyond a limit.
    Refused,
    /// An error: nothing was done, and nothing will be.
    Failed,
    /// It happened or not.
    Unknown,
}

/// A change of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Change {
    /// It now has this state.
    Put {
        /// Where.
        key: Key,
        /// The revision that created the incarnation.
        created: u64,
        /// The revision that wrote the state.
        modified: u64,
        /// The session that it vanishes with.
        owner: Option<String>,
    },
    /// This incarnation of it vanished.
    Removed {
        /// Where.
        key: Key,
        /// The revision that created the incarnation.
        created: u64,
    },
}

impl Change {
    /// Where the change is.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Removed { key, .. } => key,
        }
    }

    /// The revision that created the incarnation.
    #[must_use]
    pub fn created(&self) -> u64 {
        match self {
            Self::Put { created, .. } | Self::Removed { created, .. } => *created,
        }
    }
}

/// What a watch delivers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Item {
    /// The whole target; replaces everything delivered before. Puts only.
    Snapshot {
        /// The revision that it is not older than.
        revision: u64,
        /// The entries that exist.
        entries: Vec<Change>,
    },
    /// What changed since the item before.
    Changed {
        /// The revision that the view is now not older than.
        revision: u64,
        /// The changes, at most one per entry.
        changes: Vec<Change>,
    },
    /// The watch knows nothing until the next snapshot.
    Interrupted,
}
