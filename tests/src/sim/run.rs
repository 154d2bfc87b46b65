//! One run: a seed in, a verdict out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::Collection;

use super::cluster::{Cluster, NAMESPACE};
use super::counters::{Counter, Counters};
use super::plan::Plan;
use super::random::Random;
use super::zoo::{Defect, Planted};
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
    pub(super) fn counters(self) -> impl Iterator<Item = Counter> {
        let own: &[Counter] = match self {
            Self::Mutex => &[],
            Self::Election => &[Counter::Transferred, Counter::Vanished],
        };
        Counter::COMMON.iter().chain(own).copied()
    }

    /// Where its recipe keeps its entries.
    fn collections(self) -> Vec<Collection> {
        let segments: &[&[&str]] = match self {
            Self::Mutex => &[&["lock", "deploy"]],
            Self::Election => &[&["election", "timers", "candidates"], &["election", "timers", "record"]],
        };
        segments.iter().filter_map(|segments| Collection::parse(segments).ok()).collect()
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
    /// A planted defect.
    pub defect: Option<Defect>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { nodes: 5, span: Duration::from_secs(60), defect: None }
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
    let _planted = Planted::new(settings.defect);
    let cluster = Cluster::new(seed, plan, settings.defect, program, subject.collections());
    cluster.run();
    find_leftovers(&cluster);
    let (history, mut violations) = cluster.recorder.finish();
    violations.extend(super::judge::judge(&history, &cluster.plan));
    let (trace, polls) = (cluster.world.trace(), cluster.world.polls());
    let counters = Arc::clone(&cluster.counters);
    cluster.world.end();
    Report { seed, trace, counters, history, violations, polls }
}

/// Looks into the store: after the drain no session-owned entry may be left.
fn find_leftovers(cluster: &Cluster) {
    for collection in &cluster.collections {
        for entry in cluster.server.memory().entries(NAMESPACE, collection) {
            if let Some(owner) = entry.owner() {
                let key = Key::new(collection.to_string(), entry.key().name().to_string());
                cluster.recorder.leftover(key, Some(owner.to_string()));
            }
        }
    }
}
