//! Whether a concurrent history could have happened one operation after the other.
//!
//! The search of Wing and Gong in the form that Lowe gave it: depth first through all orders that real time allows, with a memory of
//! configurations (which operations are done, and what state they led to) that were tried before. A history is split by key before it comes
//! here, because objects are linearizable one by one.
//!
//! An operation whose outcome is unknown may be put anywhere behind its invocation, or left out.

mod entry;
mod mutex;
mod search;

pub use entry::{EntryModel, EntryOperation, EntryState};
pub use mutex::{FencedMutexModel, MutexModel, MutexOperation};

use std::hash::Hash;

/// What the object does when operations come one after the other.
pub trait Model {
    /// An operation with its outcome.
    type Operation;
    /// What the object remembers.
    type State: Clone + Eq + Hash;

    /// The state before everything.
    fn initial(&self) -> Self::State;

    /// The state after `operation`, if the operation can have this outcome in `state`. Of an operation with an unknown outcome: the state
    /// after it took effect; that it may have had none is the search's concern.
    fn apply(&self, state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;
}

/// One operation of a history.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Timed<O> {
    /// When it was called.
    pub invoked: u64,
    /// When its outcome was known; `None`: never, it may have had its effect at any time or not at all.
    pub returned: Option<u64>,
    /// What it was and what came of it.
    pub operation: O,
}

impl<O> Timed<O> {
    /// An operation that took effect between these two instants.
    pub fn new(invoked: u64, returned: u64, operation: O) -> Self {
        Self { invoked, returned: Some(returned), operation }
    }

    /// An operation whose outcome is unknown.
    pub fn unknown(invoked: u64, operation: O) -> Self {
        Self { invoked, returned: None, operation }
    }
}

/// What the search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// There is an order that explains every outcome.
    Linearizable,
    /// There is none. No order that was tried got beyond this operation.
    Impossible {
        /// Its place in the list.
        stuck_at: usize,
    },
    /// The search took more steps than allowed. Not a pass.
    Undecided,
}

/// Searches for an order of `history` that `model` allows, in at most `steps` steps.
#[must_use]
pub fn check<M: Model>(model: &M, history: &[Timed<M::Operation>], steps: u64) -> Verdict {
    search::Search::new(model, history, steps).run()
}
