//! What is added to a work-set, and what can be known of it.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::claim::Recorded;
use super::records::{Record, Stage};
use crate::error::{Error, ErrorKind};

/// When an item can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    After(Duration),
    At(SystemTime),
}

/// An item to be added.
#[derive(Clone, Debug)]
#[must_use = "an item is worked on once it is added"]
pub struct Item<T> {
    pub(super) id: String,
    pub(super) payload: T,
    pub(super) priority: i8,
    pub(super) start: Start,
}

impl<T> Item<T> {
    /// An item of this id: any text of 1 to 200 bytes, compared byte by byte.
    pub fn new(id: impl Into<String>, payload: T) -> Self {
        Self { id: id.into(), payload, priority: 0, start: Start::Now }
    }

    /// Items of a higher priority are claimed first. Default: 0.
    pub fn priority(mut self, priority: i8) -> Self {
        self.priority = priority;
        self
    }

    /// Claimed so much later at the earliest.
    pub fn after(mut self, delay: Duration) -> Self {
        self.start = Start::After(delay);
        self
    }

    /// Claimed at this time at the earliest, by the wall clock of whoever claims.
    pub fn not_before(mut self, time: SystemTime) -> Self {
        self.start = Start::At(time);
        self
    }
}

/// What adding an item did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an item that was there is as it was"]
#[non_exhaustive]
pub enum Added {
    /// It is new.
    New,
    /// There is an item of this id, in this state; it was not changed.
    Known(Status),
}

impl Added {
    /// Whether it is new.
    #[must_use]
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New)
    }
}

/// What has become of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It can be claimed, or can be from some time on.
    Ready,
    /// Some worker has it.
    Claimed,
    /// It is done, with this result.
    Done(Recorded),
    /// It is a dead letter, for this reason.
    Dead(String),
}

impl Status {
    pub(super) fn of(record: &Record) -> Self {
        match record.stage {
            Stage::Ready { .. } => Self::Ready,
            Stage::Claimed { .. } => Self::Claimed,
            Stage::Done { .. } => Self::Done(Recorded(record.payload.clone())),
            Stage::Dead { .. } => Self::Dead(record.reason.clone()),
        }
    }
}

/// An item as it was when somebody looked.
pub struct Seen<T> {
    id: String,
    record: Record,
    payload: PhantomData<fn() -> T>,
}

impl<T> Seen<T> {
    pub(super) fn new(id: &str, record: Record) -> Self {
        Self { id: id.into(), record, payload: PhantomData }
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What has become of it.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.record)
    }

    /// Its priority.
    #[must_use]
    pub fn priority(&self) -> i8 {
        self.record.priority
    }

    /// How often it was claimed.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.record.claims
    }

    /// How often it failed since it was added or redriven.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.record.failures
    }

    /// How often a worker that had it died, or took too long, since it was added or redriven.
    #[must_use]
    pub fn abandonments(&self) -> u32 {
        self.record.abandons
    }

    /// Why it failed last; empty if it never did.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.record.reason
    }
}

impl<T: DeserializeOwned> Seen<T> {
    /// What is to be done; `None` once it is done.
    ///
    /// # Errors
    /// `Corrupt` if it is no `T`.
    pub fn payload(&self) -> Result<Option<T>, Error> {
        if matches!(self.record.stage, Stage::Done { .. }) {
            return Ok(None);
        }
        serde_json::from_slice(&self.record.payload).map(Some).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "read item")
                .on(format_args!("{:?}", self.id))
                .because("its payload is not of the expected type; was it added by another release?")
                .with_source(error)
        })
    }
}

impl<T> fmt::Debug for Seen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("id", &self.id).field("status", &self.status()).finish_non_exhaustive()
    }
}

/// How many items are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Can be claimed, now or from some time on.
    pub ready: u64,
    /// Are claimed.
    pub claimed: u64,
    /// Are done, and remembered.
    pub done: u64,
    /// Are dead letters.
    pub dead: u64,
}

impl Stats {
    /// Whether nothing is left to be done. Dead letters wait for somebody to look at them, and do not count.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.ready == 0 && self.claimed == 0
    }
}
