//! What happened in a run: one format for simulated and for real runs.
//!
//! A [`History`] is a list of [`Record`]s in the order of one clock that all parties share: virtual time in the simulator, the boot-time
//! clock of the one machine that a real run stays on. The checkers of [`invariants`](crate::invariants) judge it; nothing else is
//! known about the run. As a file it is one JSON object per line, so that several processes write files of their own, which
//! [`History::merge`] puts together.
//!
//! Whoever records keeps to these rules:
//! * `at` is the instant at which the event took effect for the party that it is about, not the one at which it was written down.
//! * A process is a node and an incarnation. `call`, `grant`, `observer`, `watcher` and `watch` are numbered per process and never reused by it; `op`
//!   and `fault` are unique in the whole history.
//! * What a resource or the store itself records ([`Event::Wrote`], [`Event::Incremented`], [`Event::Committed`], [`Event::SessionEnded`]) carries
//!   the instant of its decision there, whenever the reply arrives. Its node is the resource's or the store's own name.

mod event;
mod group;
mod json;
mod store;
mod words;
mod work;

pub use event::Event;
pub use group::Shown;
pub use json::{Malformed, MalformedKind};
pub use store::{Action, Change, Item, Key, Outcome, Version};
pub use words::{Answer, EndReason, Phase, Recipe, SessionEnd, Sight, Target};
pub use work::{Addition, Settlement, Stage, Verdict};

use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Record {
    /// When, in nanoseconds on the clock that all parties share.
    pub at: u64,
    /// The stable id of the node that it happened to; the store and resources have names of their own.
    pub node: String,
    /// Which life of the node.
    pub incarnation: u64,
    /// What happened.
    pub event: Event,
}

impl Record {
    /// `event` happened to `node` at the instant `at`.
    #[must_use]
    pub fn new(at: u64, node: impl Into<String>, incarnation: u64, event: Event) -> Self {
        Self { at, node: node.into(), incarnation, event }
    }
}

/// Records in the order of their instants; those of one instant in the order in which they were recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(Vec<Record>);

impl History {
    /// A history in which nothing happened yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a record. One that is older than the last is put where it belongs, so that a late witness may speak late.
    pub fn push(&mut self, record: Record) {
        let behind = self.0.last().is_none_or(|last| last.at <= record.at);
        let place = if behind { self.0.len() } else { self.0.partition_point(|other| other.at <= record.at) };
        self.0.insert(place, record);
    }

    /// The records, oldest first.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.0
    }

    /// Puts together what several processes recorded on the same clock.
    #[must_use]
    pub fn merge(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().flat_map(|part| part.0).collect()
    }
}

impl FromIterator<Record> for History {
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        let mut records: Vec<Record> = records.into_iter().collect();
        // Stable: what happened at one instant stays in the order in which it was recorded.
        records.sort_by_key(|record| record.at);
        Self(records)
    }
}
