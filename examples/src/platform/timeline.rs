//! What happens, written down as it happens: in the file of events, and in front of the reader.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::clock::{Clock, Moment};
use super::failure::Failure;
use super::narrator::Narrator;
use super::records::{EVENTS, OutputFile};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// A new part of the story begins.
    Act { text: String },
    /// A node was started and has connected to the store.
    Started { node: String },
    /// The story does this to a node.
    Fault { node: String, fault: Fault },
    /// A node was granted something: to lead the timers, or to poll a sensor.
    Granted { node: String, thing: String, token: u64 },
    /// A node knows that it no longer has what it was granted.
    Ended { node: String, thing: String, token: u64, reason: String },
    /// A new leader of the timers found these ticks missing and emits them late.
    CatchesUp { node: String, ticks: usize, oldest_late_ms: u64, predecessor: String },
    /// A node's session is in doubt; its grants stay valid for so long.
    Suspect { node: String, remaining_ms: u64 },
    /// A node's session is no longer in doubt.
    Recovered { node: String },
    /// A node's session is over, and so is all that it held.
    SessionLost { node: String, reason: String },
    /// A node opened another session by itself.
    Reconnected { node: String },
    /// The resource refused a write, because its token is too old.
    Refused { node: String, thing: String, token: u64, highest: u64 },
    /// A node was shut down: it has released what it held.
    Stopped { node: String },
    /// The operator sees that a node is a member, for the first time or again.
    Here { node: String },
    /// The operator sees that a node is no longer a member.
    Gone { node: String },
    /// The trackers begin, all at once, with all files before them.
    TrackersStart { trackers: usize, files: usize },
    /// So many files that a dead tracker was at were begun by others, the last one so much later.
    Rescued { from: String, files: usize, after_ms: u64 },
    /// How many files each tracker has hashed.
    Hashed { files: BTreeMap<String, u64> },
    /// Something did not work that should.
    Trouble { node: Option<String>, message: String },
    /// The machine kept even a thread that only sleeps and writes a byte waiting, from then until now.
    Stalled { since: Moment },
    /// The end begins: nothing after this has to be taken over.
    Stopping,
}

/// What can be done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fault {
    /// Its process ended, without a word.
    Killed,
    /// Its process stands still.
    Frozen,
    /// Its process goes on.
    Resumed,
    /// It cannot reach the store.
    CutOff,
    /// It can reach the store again.
    Healed,
    /// It was asked to hand over the timers.
    HandsOver,
    /// It was asked to shut down.
    ShutsDown,
    /// It was started again, under the same name.
    Restarted,
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EventRecord {
    pub(super) at: Moment,
    #[serde(flatten)]
    pub(super) event: Event,
}

/// How events are shown.
#[derive(Debug)]
pub(super) enum View {
    /// A line of text for a reader.
    Text(Narrator),
    /// A line of JSON for a program.
    Json,
}

/// Takes note of events. Clones share it.
#[derive(Clone)]
pub(super) struct Timeline(Arc<Mutex<Inner>>);

struct Inner {
    clock: Clock,
    file: OutputFile,
    view: View,
    output: Box<dyn Write + Send>,
}

impl Timeline {
    /// A timeline that is written to a file in `folder` and shown on `output`.
    pub(super) fn create(
        folder: &Path,
        clock: Clock,
        view: View,
        output: Box<dyn Write + Send>,
    ) -> Result<Self, Failure> {
        let file = OutputFile::create(folder, EVENTS)?;
        Ok(Self(Arc::new(Mutex::new(Inner { clock, file, view, output }))))
    }

    /// Notes that `event` happens now.
    pub(super) fn record(&self, event: Event) {
        self.with(|inner| inner.note(&EventRecord { at: inner.clock.now(), event }));
    }

    /// Notes what has happened elsewhere.
    pub(super) fn note(&self, record: &EventRecord) {
        self.with(|inner| inner.note(record));
    }

    /// Shows text that is no event.
    pub(super) fn say(&self, text: &str) {
        self.flush();
        self.with(|inner| show(&mut inner.output, text));
    }

    /// Shows what was kept back, to be told in one line with what comes next.
    pub(super) fn flush(&self) {
        self.with(|inner| {
            if let View::Text(narrator) = &mut inner.view {
                narrator.flush().iter().for_each(|line| show(&mut inner.output, line));
            }
        });
    }

    /// Fails if an event could not be written to the file.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.with(|inner| inner.file.check())
    }

    fn with<T>(&self, step: impl FnOnce(&mut Inner) -> T) -> T {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn note(&mut self, record: &EventRecord) {
        self.file.append(record);
        let lines: Vec<String> = match &mut self.view {
            View::Text(narrator) => narrator.tell(record),
            View::Json => serde_json::to_string(record).into_iter().collect(),
        };
        lines.iter().for_each(|line| show(&mut self.output, line));
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").finish_non_exhaustive()
    }
}

/// A reader who has gone away, as `head` does, stops nothing.
fn show(output: &mut impl Write, text: &str) {
    drop(writeln!(output, "{text}").and_then(|()| output.flush()));
}
