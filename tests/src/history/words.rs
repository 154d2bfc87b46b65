//! What the words of events can be.

use serde::{Deserialize, Serialize};

/// What kind of grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Recipe {
    /// A mutex.
    Mutex,
    /// Leadership.
    Election,
    /// A share of a read-write lock or semaphore. A writer that goes on as a reader is recorded as another call, with another grant of the same token.
    Shared,
    /// A partition of a group. One that may be moved by force, because what it writes to refuses smaller tokens, is recorded as one share of several.
    Partition,
    /// A claim of an item of a work-set. The call is for the set, `jobs`, the grant is of an item, `jobs/7`. Whoever asks for the completion does not believe in it any more.
    Claim,
    /// A slot. The call is for any of the slots, `desks`, the grant is of one, `desks/0`.
    Slot,
}

/// Why a holder stopped to believe in its grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// It released or resigned, or dropped the guard.
    Released,
    /// It was told that the grant is lost.
    Lost,
    /// Its local deadline passed.
    Expired,
    /// Its own process gave it up on purpose: handed over, unhealthy, or shutting down.
    Yielded,
}

/// Why the store ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionEnd {
    /// Its process closed it.
    Closed,
    /// Its deadline passed.
    Expired,
    /// Another process, or an administrator, ended it.
    Ended,
}

/// What an observer of an election knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Sight {
    /// Nothing, for now.
    Unknown,
    /// Nobody leads.
    Vacant,
    /// This node leads.
    Leader {
        /// The term.
        term: u64,
        /// The node.
        node: String,
    },
}

/// What a fenced resource decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// The write was applied.
    Accepted,
    /// The write was refused: its token is stale.
    Refused,
    /// Its writer was never told.
    Unknown,
}

/// What a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Target {
    /// The store, and so everybody.
    Store,
    /// One node, or its way to the store.
    Node(String),
}

/// The phases of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Faults strike; only what must never happen is judged.
    Safety,
    /// A healthy core is left, the rest stays broken for ever; what must happen is judged too.
    Liveness,
}
