//! Processes that hold things, to be killed and frozen.
//!
//! A task can be cancelled; only a process can be killed with `kill -9`, or be frozen so that it goes on believing what it believed. A holder is
//! the test binary itself, started once more: its `main` asks [`holder::main`](main) first.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::sync::Arc;
//!
//! use ha_conformance::servers::holder;
//! # use ha_core::memory::MemoryBackend;
//!
//! fn main() -> ExitCode {
//! #   let connect = |url: &str| MemoryBackend::named(url).unwrap();
//!     if let Some(ended) = holder::main(|url| Arc::new(connect(url))) {
//!         return ended; // this process was a holder
//!     }
//!     // .. the tests
//! #   ExitCode::SUCCESS
//! }
//! ```

mod program;
mod turns;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::recorder::{Recorder, recorded};
use super::{Folder, Process};
use crate::clock::Stopwatch;
use crate::history::{Event, History, Recipe};

pub use program::main;

/// How long a holder that was asked to end may take to let go.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

/// How often a history is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// What a holder does, from its start until it is asked to end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Work {
    /// What it wants.
    pub recipe: Recipe,
    /// The name of the lock or election.
    pub name: String,
    /// How many callers of it want that, one after the other or at once.
    pub callers: usize,
    /// How long a caller holds it, at most, unless it is lost before; `None`: until the end.
    pub hold: Option<Duration>,
    /// How long a caller waits, at most, before it asks again.
    pub pause: Duration,
}

impl Work {
    /// One caller that holds what it gets until the end.
    #[must_use]
    pub fn hold(recipe: Recipe, name: impl Into<String>) -> Self {
        Self { recipe, name: name.into(), callers: 1, hold: None, pause: Duration::ZERO }
    }

    /// So many callers take turns, each holding for at most `hold` and pausing for at most `pause`.
    #[must_use]
    pub fn take_turns(
        recipe: Recipe,
        name: impl Into<String>,
        callers: usize,
        hold: Duration,
        pause: Duration,
    ) -> Self {
        Self { recipe, name: name.into(), callers, hold: Some(hold), pause }
    }
}

/// All that a holder is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Orders {
    url: String,
    namespace: String,
    node: String,
    incarnation: u64,
    ttl: Duration,
    work: Work,
    history: PathBuf,
}

/// Where holders find the store, and how they live.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Site {
    /// What the function given to [`main`] makes a backend of.
    pub url: String,
    /// The namespace.
    pub namespace: String,
    /// The ttl of each holder's session.
    pub ttl: Duration,
}

impl Site {
    /// The store at `url`, with sessions of this ttl.
    #[must_use]
    pub fn new(url: impl Into<String>, namespace: impl Into<String>, ttl: Duration) -> Self {
        Self { url: url.into(), namespace: namespace.into(), ttl }
    }
}

/// A process that works as ordered and records what happens to it. It is killed when this is dropped.
#[derive(Debug)]
pub struct Holder {
    process: Process,
    recorder: Recorder,
    node: String,
    incarnation: u64,
    history: PathBuf,
    is_frozen: bool,
}

impl Holder {
    /// Starts the `incarnation`th life of `node`, which has its files in `folder`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(folder: &Folder, site: &Site, node: &str, incarnation: u64, work: Work) -> Self {
        let history = folder.path().join(format!("{node}-{incarnation}.history"));
        let witness = folder.path().join(format!("{node}-{incarnation}.witness"));
        let recorder = match Recorder::new(&witness, node, incarnation) {
            Ok(recorder) => recorder,
            Err(error) => panic!("create {}: {error}", witness.display()),
        };
        // It exists before the holder does, so that it can be read at any time.
        recorder.record(Event::Started);
        drop(Recorder::new(&history, node, incarnation));
        let Site { url, namespace, ttl } = site.clone();
        let node = node.to_owned();
        let orders =
            Orders { url, namespace, node: node.clone(), incarnation, ttl, work, history: history.clone() };
        let orders = serde_json::to_string(&orders).unwrap();
        let program = std::env::current_exe().unwrap();
        let log = folder.path().join(format!("{node}-{incarnation}.log"));
        let process = Process::start(&node, &program, [program::ARGUMENT, &orders], log);
        Self { process, recorder, node, incarnation, history, is_frozen: false }
    }

    /// The name of its node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it without a warning (`SIGKILL`).
    pub fn kill(&mut self) {
        // Where others hear of a death at once they can be granted what it had before we hear of it, so nothing of it may run after this moment.
        if !self.is_frozen && self.process.is_running() {
            self.process.stop();
        }
        let at = Recorder::now();
        self.process.kill();
        self.recorder.record_at(at, Event::Crashed);
    }

    /// Freezes it (`SIGSTOP`): it knows nothing of it.
    ///
    /// # Panics
    /// If it has ended.
    pub fn freeze(&mut self) {
        let at = Recorder::now();
        self.process.stop();
        self.is_frozen = true;
        self.recorder.record_at(at, Event::Frozen);
    }

    /// Lets it go on (`SIGCONT`).
    pub fn thaw(&mut self) {
        self.process.resume();
        self.is_frozen = false;
        self.recorder.record(Event::Thawed);
    }

    /// Asks it to end in good order (`SIGTERM`), and waits for that.
    ///
    /// # Panics
    /// If it does not end, or not with success; the message ends with its log.
    pub fn end(&mut self) {
        let ended = self.process.terminate(ENDED_WITHIN);
        assert!(
            ended.is_some_and(|status| status.success()),
            "{} did not end in good order: {ended:?}\n{}",
            self.node,
            self.process.log_tail()
        );
        self.recorder.record(Event::Stopped);
    }

    /// What happened to it so far, as it and those who broke it recorded.
    #[must_use]
    pub fn history(&self) -> History {
        let witness = self.history.with_extension("witness");
        History::merge([witness.as_path(), self.history.as_path()].map(recorded))
    }

    /// How often `counts` is true of what happened to it so far.
    pub fn count(&self, counts: impl Fn(&Event) -> bool) -> usize {
        self.history().records().iter().filter(|record| counts(&record.event)).count()
    }

    /// Waits until `counts` is true of at least `times` events, at most for `bound`.
    ///
    /// # Panics
    /// If that does not happen, or the holder ends before; the message ends with its log.
    pub fn wait_for(&mut self, what: &str, times: usize, bound: Duration, counts: impl Fn(&Event) -> bool) {
        let watch = Stopwatch::start();
        while self.count(&counts) < times {
            let goes_on = self.process.is_running() && watch.elapsed() < bound;
            assert!(
                goes_on,
                "{} after {:?}: not {what}\n{}",
                self.node,
                watch.elapsed(),
                self.process.log_tail()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until it has been granted what it wants for the `times`th time.
    ///
    /// # Panics
    /// As [`wait_for`](Self::wait_for).
    pub fn wait_for_grant(&mut self, times: usize, bound: Duration) {
        self.wait_for("granted", times, bound, |event| matches!(event, Event::Granted { .. }));
    }

    /// Which life of its node it is.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }
}
