//! What a checker found.

use std::fmt;

use super::index::Mark;
use crate::history::Record;

/// An invariant does not hold, or could not be decided, which counts as much.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The id of the invariant, such as `"L3"`.
    pub id: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The search for a proof of innocence ran out of steps. The history is too long, or too concurrent, to be judged.
    pub undecided: bool,
    /// The records that show it, with their positions in the history.
    pub records: Vec<(usize, Record)>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id, self.message)?;
        for (position, Record { at, node, incarnation, event }) in &self.records {
            write!(f, "\n  #{position} {at} ns {node}/{incarnation} {event:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violation {}

/// What a checker knows of a violation; the registry adds the rest.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    message: String,
    undecided: bool,
    records: Vec<usize>,
}

impl Broken {
    /// `message`, shown by these records.
    pub(crate) fn new(message: impl Into<String>, records: impl IntoIterator<Item = Mark>) -> Self {
        let mut records: Vec<usize> = records.into_iter().map(|mark| mark.record).collect();
        records.sort_unstable();
        records.dedup();
        Self { message: message.into(), undecided: false, records }
    }

    /// Whether it holds could not be decided.
    pub(crate) fn undecided(message: impl Into<String>) -> Self {
        Self { message: message.into(), undecided: true, records: Vec::new() }
    }

    pub(super) fn named(self, id: &'static str, records: &[Record]) -> Violation {
        let records =
            self.records.into_iter().map(|position| (position, records[position].clone())).collect();
        Violation { id, message: self.message, undecided: self.undecided, records }
    }
}
