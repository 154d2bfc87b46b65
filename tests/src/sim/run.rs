//! One run: a seed in, a verdict out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::Collection;

use super::cluster::{Cluster, NAMESPACE};
use super::counters::{Counter, Counters};
use super::plan::Plan;
use super::random::Random;
use super::zoo::StoreBug;
use super::{election, mutex};
use crate::history::{History, Key};

/// What the nodes of a run do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// They contend for a mutex.
    Mutex,
    /// They stand for election.
    Election,
}

impl Subject {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Mutex, Self::Election];

    /// What has to happen now and then in its runs.
    pub(super) fn counters(self) -> &'static [Counter] {
        use Counter as C;
        const COMMON: &[Counter] = &[
            C::LostRequest,
            C::LostReply,
            C::Duplicate,
            C::LateCopyKilled,
            C::ResolvedApplied,
            C::ResolvedAbsent,
            C::SlowMessage,
            C::CutBoth,
            C::CutRequests,
            C::CutReplies,
            C::Frozen,
            C::FrozenLong,
            C::Crashed,
            C::Restarted,
            C::Expired,
            C::WatchGap,
            C::Forgotten,
            C::Dropped,
            C::Granted,
            C::LostWhileHeld,
            C::MovedNode,
            C::StaleWrite,
            C::Reopened,
        ];
        const ELECTION: &[Counter] = &[
            C::LostRequest,
            C::LostReply,
            C::Duplicate,
            C::LateCopyKilled,
            C::ResolvedApplied,
            C::ResolvedAbsent,
            C::SlowMessage,
            C::CutBoth,
            C::CutRequests,
            C::CutReplies,
            C::Frozen,
            C::FrozenLong,
            C::Crashed,
            C::Restarted,
            C::Expired,
            C::WatchGap,
            C::Forgotten,
            C::Dropped,
            C::Granted,
            C::LostWhileHeld,
            C::MovedNode,
            C::StaleWrite,
            C::Reopened,
            C::Transferred,
            C::Vanished,
        ];
        match self {
            Self::Mutex => COMMON,
            Self::Election => ELECTION,
        }
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mutex => "mutex",
            Self::Election => "election",
        }
    }
}

/// What a run is made of, besides its seed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// How many nodes take part.
    pub nodes: usize,
    /// How long both phases take, in virtual time.
    pub span: Duration,
    /// A planted defect of the store.
    pub bug: Option<StoreBug>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { nodes: 5, span: Duration::from_secs(60), bug: None }
    }
}

/// How a run went.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// A digest of everything that happened.
    pub trace: u64,
    /// What happened how often.
    pub counters: Arc<Counters>,
    /// What happened when.
    pub history: History,
    /// What must not happen and did.
    pub violations: Vec<String>,
    /// How many times a task was polled.
    pub polls: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} trace {:016x} polls {}", self.seed, self.trace, self.polls)?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

/// Runs `seed`.
#[must_use]
pub fn run(subject: Subject, seed: u64, settings: Settings) -> Report {
    let plan = Plan::draw(&mut Random::new(seed), settings.nodes, settings.span);
    let program = match subject {
        Subject::Mutex => mutex::program(),
        Subject::Election => election::program(),
    };
    let cluster = Cluster::new(seed, plan, settings.bug, program);
    cluster.run();
    find_leftovers(&cluster, subject);
    let (history, mut violations) = cluster.recorder.finish();
    violations.extend(super::judge::judge(&history, &cluster.plan));
    let (trace, polls) = (cluster.world.trace(), cluster.world.polls());
    let counters = Arc::clone(&cluster.counters);
    cluster.world.end();
    Report { seed, trace, counters, history, violations, polls }
}

/// Looks into the store: after the drain no session-owned entry may be left.
fn find_leftovers(cluster: &Cluster, subject: Subject) {
    let collections: &[&[&str]] = match subject {
        Subject::Mutex => &[&["lock", "deploy"]],
        Subject::Election => &[&["election", "timers", "candidates"], &["election", "timers", "record"]],
    };
    for segments in collections {
        let Ok(collection) = Collection::parse(segments) else { continue };
        for entry in cluster.server.memory().entries(NAMESPACE, &collection) {
            if let Some(owner) = entry.owner() {
                let key = Key::new(collection.to_string(), entry.key().name().to_string());
                cluster.recorder.leftover(key, Some(owner.to_string()));
            }
        }
    }
}
