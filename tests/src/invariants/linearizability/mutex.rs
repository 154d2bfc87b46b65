//! Locks as models: one holder at a time, with and without fencing tokens.

use super::Model;

/// What is done with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MutexOperation {
    /// It was acquired, with this token.
    Acquire {
        /// The token.
        token: u64,
    },
    /// The holder with this token let go, or lost it to an expiry, which nobody is told of. A release of what is no longer held
    /// changes nothing.
    Release {
        /// The token.
        token: u64,
    },
}

/// A lock that tells its holders apart by their tokens and asks nothing else of these.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MutexModel;

impl Model for MutexModel {
    type Operation = MutexOperation;
    type State = Option<u64>;

    fn initial(&self) -> Self::State {
        None
    }

    fn apply(&self, holder: &Self::State, operation: &MutexOperation) -> Option<Self::State> {
        match operation {
            MutexOperation::Acquire { token } => holder.is_none().then_some(Some(*token)),
            MutexOperation::Release { token } if *holder == Some(*token) => Some(None),
            MutexOperation::Release { .. } => Some(*holder),
        }
    }
}

/// A lock whose every holder has a larger token than all holders before.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct FencedMutexModel;

impl Model for FencedMutexModel {
    type Operation = MutexOperation;
    /// The holder, and the largest token so far.
    type State = (Option<u64>, u64);

    fn initial(&self) -> Self::State {
        (None, 0)
    }

    fn apply(&self, (holder, largest): &Self::State, operation: &MutexOperation) -> Option<Self::State> {
        if let MutexOperation::Acquire { token } = operation
            && token <= largest
        {
            return None;
        }
        let holder = MutexModel.apply(holder, operation)?;
        Some((holder, holder.map_or(*largest, |token| token.max(*largest))))
    }
}
