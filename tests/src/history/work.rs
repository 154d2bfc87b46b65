//! What becomes of the items of work-sets.

use serde::{Deserialize, Serialize};

/// What an item is, as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Stage {
    /// It can be claimed.
    Ready {
        /// From this instant on, by the wall clocks; 0: at once.
        from: u64,
    },
    /// Somebody has claimed it.
    Claimed,
    /// It is done.
    Done,
    /// It is a dead letter.
    Dead,
    /// There is none.
    Gone,
}

/// What the holder of a claim asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The item is done.
    Complete,
    /// It did not work this time.
    Fail,
    /// It never will.
    Bury,
    /// Somebody else may have it.
    Release,
    /// The claim is to have more time.
    Extend,
}

/// What the holder of a claim is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Settlement {
    /// It was applied.
    Applied,
    /// The item is not this claim's any more, and nothing was changed.
    Stale,
    /// Nor is it, and somebody completed it.
    Done {
        /// The token of the claim that did.
        token: u64,
    },
    /// Nothing was done.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// What whoever adds an item is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Addition {
    /// It is new.
    New,
    /// It was there before, in whatever state.
    Known,
}
