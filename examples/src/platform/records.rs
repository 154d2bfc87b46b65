//! The output files of a run: JSON, one record per line. The verification knows nothing but them.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::clock::Moment;
use super::failure::Failure;
use super::inputs::Inputs;
use super::schedule::Tick;

/// What the run was about: one [`RunRecord`].
pub(super) const RUN: &str = "run.json";
/// What happened: an event per line.
pub(super) const EVENTS: &str = "events.jsonl";
/// The ticks that were emitted: a [`TickRecord`] per line.
pub(super) const TICKS: &str = "ticks.jsonl";
/// The polls of all sensors: a [`PollRecord`] per line.
pub(super) const POLLS: &str = "polls.jsonl";
/// The critical sections of the maintenance: a [`SectionRecord`] per line.
pub(super) const SECTIONS: &str = "sections.jsonl";
/// What the resource refused: a [`RefusedRecord`] per line.
pub(super) const REFUSED: &str = "refused.jsonl";
/// What changed in the world that the sensors watch: a [`Change`] per line.
pub(super) const WORLD: &str = "world.jsonl";
/// The files that the trackers hash: a folder.
pub(super) const FILES: &str = "files";
/// What the trackers did: an [`ExecutionRecord`] per line.
pub(super) const EXECUTIONS: &str = "executions.jsonl";
/// What the work-set knows of each file in the end: a [`ResultRecord`] per line.
pub(super) const RESULTS: &str = "results.jsonl";
/// How many critical sections there were, as a number.
pub(super) const COUNTER: &str = "counter.txt";

/// What a run was about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RunRecord {
    pub(super) ttl_ms: u64,
    pub(super) patience_ms: u64,
    /// Whether the store sees by itself that a process has died.
    pub(super) sees_deaths: bool,
    pub(super) nodes: Vec<String>,
    pub(super) inputs: Inputs,
}

impl RunRecord {
    /// The ttl that the store granted to each node.
    pub(super) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// How much later than usual a take-over may be.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms)
    }
}

/// What a node asks the resource to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Write {
    /// Emit these ticks.
    Ticks(Vec<Tick>),
    /// Keep what a sensor has read.
    Poll(Poll),
    /// Finish a critical section.
    Section(Section),
}

impl Write {
    /// What its author has to hold.
    pub(super) fn thing(&self) -> String {
        match self {
            Self::Ticks(_) => TIMERS.into(),
            Self::Poll(poll) => sensor_thing(&poll.sensor),
            Self::Section(_) => MAINTENANCE.into(),
        }
    }
}

/// The election of the node that emits ticks.
pub(super) const TIMERS: &str = "timers";
/// The group of all nodes.
pub(super) const PLATFORM: &str = "platform";
/// The mutex of the maintenance.
pub(super) const MAINTENANCE: &str = "maintenance";

/// The partitions that the sensors are.
pub(super) const SENSORS: &str = "sensors";
/// What the names begin with by which the resource knows sensors.
pub(super) const SENSOR: &str = "sensor/";

/// What the resource calls `sensor`: each has a sequence of tokens of its own.
pub(super) fn sensor_thing(sensor: &str) -> String {
    format!("{SENSOR}{sensor}")
}

/// One poll: two looks at a sensor, or one if the grant was lost after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Poll {
    pub(super) sensor: String,
    /// Before the first look.
    pub(super) start: Moment,
    /// After the last look.
    pub(super) end: Moment,
    /// What the last look saw.
    pub(super) reading: Reading,
}

/// What a look at a sensor saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reading {
    /// The file has so many lines.
    Lines(u64),
    /// Whether the port is open.
    Open(bool),
}

/// One critical section: the counter was read, and is set to `value`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) start: Moment,
    pub(super) value: u64,
}

/// A tick that was emitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TickRecord {
    #[serde(flatten)]
    pub(super) tick: Tick,
    pub(super) at: Moment,
    pub(super) node: String,
    pub(super) token: u64,
}

/// A poll whose result was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PollRecord {
    #[serde(flatten)]
    pub(super) poll: Poll,
    pub(super) node: String,
    pub(super) token: u64,
}

/// A critical section that was finished at `end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SectionRecord {
    #[serde(flatten)]
    pub(super) section: Section,
    pub(super) end: Moment,
    pub(super) node: String,
    pub(super) token: u64,
}

/// A write that was refused, because a larger token had been seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefusedRecord {
    pub(super) at: Moment,
    pub(super) node: String,
    pub(super) token: u64,
    pub(super) highest: u64,
    pub(super) write: Write,
}

/// A step of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExecutionRecord {
    pub(super) at: Moment,
    pub(super) tracker: String,
    #[serde(flatten)]
    pub(super) execution: Execution,
    pub(super) step: Step,
}

/// A tracker at work on an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Execution {
    /// The file.
    pub(super) item: String,
    /// That of the claim.
    pub(super) token: u64,
    /// How often the item was claimed, this time included.
    pub(super) attempt: u32,
}

/// What is written down of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Before anything is done.
    Begun,
    /// Afterwards.
    Ended(Outcome),
}

/// How an execution has ended, as the tracker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Its result is that of the item.
    Accepted,
    /// Its result was refused: the item has one.
    AlreadyDone,
    /// Its result was refused: the item is somebody else's.
    Stale,
    /// The claim was lost before there was a result.
    Lost,
    /// The session was lost while the result was handed in: it was accepted or not.
    Unknown,
    /// The file could not be read.
    Failed(String),
}

/// What the work-set knows of an item in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResultRecord {
    pub(super) item: String,
    /// How often it was claimed.
    pub(super) attempts: u32,
    /// How often whoever had it died.
    pub(super) abandonments: u32,
    /// Its result, if it is done.
    pub(super) hashed: Option<Hashed>,
}

/// The result of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hashed {
    pub(super) sha256: String,
    pub(super) bytes: u64,
    pub(super) tracker: String,
    /// That of the claim.
    pub(super) token: u64,
}

/// Something that sensors can see has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) at: Moment,
    pub(super) sensor: String,
    pub(super) reading: Reading,
}

/// A file of records that is written.
#[derive(Debug)]
pub(super) struct OutputFile {
    path: PathBuf,
    file: File,
    failed: Option<Failure>,
}

impl OutputFile {
    /// Makes the file.
    pub(super) fn create(folder: &Path, name: &str) -> Result<Self, Failure> {
        let path = folder.join(name);
        let opened = OpenOptions::new().create_new(true).append(true).open(&path);
        let file = opened.map_err(|error| Failure::at("create", &path, error))?;
        Ok(Self { path, file, failed: None })
    }

    /// Appends a record. What goes wrong is told by [`check`](Self::check): no node could do anything about it.
    pub(super) fn append(&mut self, record: &impl Serialize) {
        let line = serde_json::to_string(record).map_err(std::io::Error::from);
        let written = line.and_then(|line| self.file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            self.failed.get_or_insert(Failure::at("write", &self.path, error));
        }
    }

    /// Fails if a record could not be written since the last check.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

/// Reads the records of a file.
pub(super) fn read_lines<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>, Failure> {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::at("read", &path, error))?;
    let parse = |(at, line): (usize, &str)| {
        serde_json::from_str(line)
            .map_err(|error| Failure::at(&format!("read line {} of", at + 1), &path, error))
    };
    text.lines().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::{Moment, Poll, PollRecord, Reading};
    use std::time::Duration;

    #[test]
    fn a_record_is_one_flat_line() {
        let poll = Poll {
            sensor: "web".into(),
            start: Moment::from_start(Duration::from_micros(7)),
            end: Moment::from_start(Duration::from_millis(8)),
            reading: Reading::Open(true),
        };
        let record = PollRecord { poll, node: "node-1".into(), token: 3 };
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(
            line,
            r#"{"sensor":"web","start":7,"end":8000,"reading":{"open":true},"node":"node-1","token":3}"#
        );
        assert_eq!(serde_json::from_str::<PollRecord>(&line).unwrap(), record);
    }
}
