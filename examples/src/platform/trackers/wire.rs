//! What the operator's process and that of a tracker say to each other: a message per line, as JSON, on the tracker's standard streams.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::platform::records::ExecutionRecord;
use crate::platform::timeline::EventRecord;

/// To a tracker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToTracker {
    /// What it is there for. The first message, once.
    Track(Box<Errand>),
    /// All are ready: begin.
    Begin,
    /// The step of this number is in the book.
    Written(u64),
    /// The operator asks it to shut down.
    ShutDown,
}

/// From a tracker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromTracker {
    /// Something happened there.
    Event(EventRecord),
    /// It can begin.
    Ready,
    /// A step of an execution, to be written down.
    Step { number: u64, record: ExecutionRecord },
}

/// What the operator hears of a tracker, besides events.
#[derive(Debug)]
pub(super) enum Heard {
    /// It can begin.
    Ready,
    /// A step of an execution.
    Step { number: u64, record: ExecutionRecord },
    /// Its process is gone, and everything that it said was heard.
    Ended,
}

/// What a tracker is there for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Errand {
    pub(super) tracker: String,
    /// The store, as this tracker reaches it.
    pub(super) url: String,
    pub(super) namespace: String,
    pub(super) ttl: Duration,
    /// When the run started, on the clock of the machine.
    pub(super) start: Duration,
    /// Where the files are.
    pub(super) files: PathBuf,
}
