//! What the operator's process and that of a node say to each other: a message per line, as JSON, on the node's standard streams.

use std::time::Duration;

use ha_core::runtime::Instant;
use serde::{Deserialize, Serialize};

use super::inputs::Inputs;
use super::options::Sabotage;
use super::records::Write;
use super::schedule::Emitted;
use super::timeline::EventRecord;
use super::world::Places;

/// To a node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToNode {
    /// What it is there for. The first message, once.
    Live(Box<Errand>),
    /// The resource answers the question with this number.
    Answer { number: u64, answer: Answer },
    /// The operator asks it to hand the timers over.
    HandOver { to: String },
    /// The operator asks it to shut down.
    ShutDown,
}

/// From a node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromNode {
    /// Something happened there.
    Event(EventRecord),
    /// It has sent ticks, and they will be here in a moment.
    TicksUnderWay,
    /// It asks something of the resource, and shows its token.
    Ask { number: u64, token: u64, question: Question },
}

/// What a node asks of the resource.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Question {
    /// Which ticks were emitted?
    Emitted,
    /// How many critical sections were there?
    Counter,
    /// Write this.
    Write(Write),
}

/// What the resource says to that.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// These.
    Emitted(Emitted),
    /// So many.
    Counter(u64),
    /// It is written.
    Written,
    /// No: a larger token was seen before, at the most this one.
    Stale(u64),
}

/// What a node is there for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Errand {
    pub(super) node: String,
    /// The store, as this node reaches it.
    pub(super) url: String,
    pub(super) namespace: String,
    pub(super) ttl: Duration,
    /// When the run started, on the clock of the machine, which all its processes share.
    pub(super) start: Duration,
    pub(super) inputs: Inputs,
    pub(super) places: Places,
    pub(super) sabotage: Option<Sabotage>,
}

impl Errand {
    /// When the run started.
    pub(super) fn start(&self) -> Instant {
        Instant::from_start(self.start)
    }

    /// Whether this defect was asked for.
    pub(super) fn is_sabotaged(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }
}
