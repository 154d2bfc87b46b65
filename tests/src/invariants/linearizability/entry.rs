//! One entry of a store as a model: create, update and delete by stamp, and read.

use super::Model;
use crate::history::{Action, Outcome, Version};

/// A request on the entry, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryOperation {
    /// What was wanted.
    pub action: Action,
    /// What was answered. `Unknown`: as if it took effect.
    pub outcome: Outcome,
}

impl EntryOperation {
    /// A request and its outcome.
    #[must_use]
    pub fn new(action: Action, outcome: Outcome) -> Self {
        Self { action, outcome }
    }
}

/// What is known of the entry: revisions that only a lost reply would have told are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EntryState {
    created: Option<u64>,
    modified: Option<u64>,
    value: u64,
}

impl EntryState {
    /// The same state with what `created` adds, unless they contradict each other.
    fn of_incarnation(self, created: u64) -> Option<Self> {
        match self.created {
            Some(known) if known != created => None,
            _ => Some(Self { created: Some(created), ..self }),
        }
    }

    /// The same state with what a stamp adds, unless they contradict each other.
    fn of_stamp(self, created: u64, modified: u64) -> Option<Self> {
        let state = self.of_incarnation(created)?;
        match self.modified {
            Some(known) if known != modified => None,
            _ => Some(Self { modified: Some(modified), ..state }),
        }
    }
}

/// One entry, absent at first.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct EntryModel;

impl Model for EntryModel {
    type Operation = EntryOperation;
    type State = Option<EntryState>;

    fn initial(&self) -> Self::State {
        None
    }

    fn apply(&self, state: &Self::State, operation: &EntryOperation) -> Option<Self::State> {
        let revision = match operation.outcome {
            Outcome::Seen(seen) => return read(*state, seen),
            Outcome::Conflict => return (!is_satisfied(*state, operation.action)).then_some(*state),
            Outcome::Applied { revision } => Some(revision),
            Outcome::Unknown => None,
            // Nothing was done, and nothing was learned.
            Outcome::Refused | Outcome::Failed => return Some(*state),
        };
        match operation.action {
            Action::Get => Some(*state),
            Action::Create { value } => {
                state.is_none().then_some(Some(EntryState { created: revision, modified: revision, value }))
            }
            Action::Update { created, modified, value } => {
                let before = (*state)?.of_stamp(created, modified)?;
                Some(Some(EntryState { modified: revision, value, ..before }))
            }
            Action::Delete { created } => (*state)?.of_incarnation(created).map(|_| None),
        }
    }
}

/// The state after a read that saw `seen`.
fn read(state: Option<EntryState>, seen: Option<Version>) -> Option<Option<EntryState>> {
    match (state, seen) {
        (None, None) => Some(None),
        (Some(state), Some(seen)) if state.value == seen.value => {
            state.of_stamp(seen.created, seen.modified).map(Some)
        }
        _ => None,
    }
}

/// Whether the condition of `action` certainly holds. A revision that nobody was told may be any.
fn is_satisfied(state: Option<EntryState>, action: Action) -> bool {
    match (action, state) {
        (Action::Create { .. }, state) => state.is_none(),
        (Action::Update { created, modified, .. }, Some(state)) => {
            state.created == Some(created) && state.modified == Some(modified)
        }
        (Action::Delete { created }, Some(state)) => state.created == Some(created),
        (Action::Update { .. } | Action::Delete { .. }, None) | (Action::Get, _) => false,
    }
}
