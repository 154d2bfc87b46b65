//! One run: a seed in, a verdict out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::Collection;

use super::cluster::{Cluster, NAMESPACE};
use super::counters::{Counter, Counters};
use super::plan::{FaultKind, Plan};
use super::random::Random;
use super::zoo::{Defect, Planted};
use super::{desks, election, group, items, mutex, partitions, shared, steps, storage, work};
use crate::history::{History, Key};

/// What the nodes of a run do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// They contend for a mutex.
    Mutex,
    /// They stand for election.
    Election,
    /// They contend for shares of a read-write lock and of a semaphore.
    Shared,
    /// They join a group, leave it, and follow who is there.
    Group,
    /// They share partitions.
    Partitions,
    /// They add items to a work-set, claim them and work on them, and want slots.
    Work,
    /// They use the contract itself, without any recipe.
    Store,
}

impl Subject {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Mutex, Self::Election, Self::Shared, Self::Group, Self::Partitions, Self::Work, Self::Store];

    /// What has to happen now and then in its runs.
    pub(super) fn counters(self) -> impl Iterator<Item = Counter> {
        let own: &[&[Counter]] = match self {
            Self::Mutex => &[Counter::OF_SESSIONS, Counter::OF_RECIPES, Counter::OF_QUEUES],
            Self::Election => {
                &[Counter::OF_SESSIONS, Counter::OF_RECIPES, &[Counter::Transferred, Counter::Vanished]]
            }
            Self::Shared => &[Counter::OF_SESSIONS, Counter::OF_RECIPES, &[Counter::Downgraded]],
            Self::Group => &[Counter::OF_SESSIONS, &[Counter::Joined, Counter::Rejoined, Counter::Resynced]],
            Self::Partitions => &[Counter::OF_PARTITIONS],
            Self::Work => &[Counter::OF_SESSIONS, Counter::OF_RECIPES, Counter::OF_WORK],
            Self::Store => &[],
        };
        [Counter::COMMON].iter().chain(own).flat_map(|counters| counters.iter().copied())
    }

    /// Whether its nodes can be expected to cope with that. The checkers of requests know of no writer but the nodes.
    fn copes_with(self, fault: FaultKind) -> bool {
        let by_others = [FaultKind::Forget, FaultKind::Delete, FaultKind::Restart, FaultKind::Replace];
        match self {
            Self::Store => !by_others.contains(&fault),
            _ => true,
        }
    }

    /// Where its recipe keeps its entries.
    fn collections(self) -> Vec<Collection> {
        let segments: &[&[&str]] = match self {
            Self::Mutex => &[&["lock", "deploy"]],
            Self::Election => &[&["election", "timers", "candidates"], &["election", "timers", "record"]],
            Self::Shared => &[&["lock", "config"], &["lock", "jobs"]],
            Self::Group => &[&["group", group::NAME, "members"], &["group", group::NAME, "ids", "n0"]],
            Self::Partitions => &[
                steps::MEMBERS,
                steps::NAME_OF_ONE,
                steps::CANDIDATES,
                steps::LEADER,
                steps::PLAN,
                steps::ASSIGNED,
                steps::ACKS,
            ],
            Self::Work => {
                &[items::ITEMS, items::WORKERS, items::DONE, items::DEAD, items::TALLIES, desks::SLOTS]
            }
            Self::Store => &[storage::OWNED],
        };
        segments.iter().filter_map(|segments| Collection::parse(segments).ok()).collect()
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mutex => "mutex",
            Self::Election => "election",
            Self::Shared => "shared",
            Self::Group => "group",
            Self::Partitions => "partitions",
            Self::Work => "work",
            Self::Store => "store",
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
    let mut plan = Plan::draw(&mut Random::new(seed), settings.nodes, settings.span);
    plan.faults.retain(|(fault, _)| subject.copes_with(*fault));
    if subject == Subject::Partitions {
        // Those who come and go show how little moves only where nothing else happens.
        plan = plan.without_faults_if_fair();
    }
    let program = match subject {
        Subject::Mutex => mutex::program(),
        Subject::Election => election::program(),
        Subject::Shared => shared::program(),
        Subject::Group => group::program(),
        Subject::Partitions => partitions::program(),
        Subject::Work => work::program(),
        Subject::Store => storage::program(),
    };
    let _planted = Planted::new(settings.defect);
    let cluster = Cluster::new(seed, plan, settings.defect, program, subject.collections());
    if subject == Subject::Store {
        cluster.write_log();
    }
    if subject == Subject::Partitions {
        cluster.watch_steps();
    }
    if subject == Subject::Work {
        cluster.watch_items();
    }
    cluster.run();
    if subject == Subject::Work {
        cluster.check_numbers();
    }
    // Of a group, somebody stays to the end, and who works is a worker to the end.
    if ![Subject::Group, Subject::Partitions, Subject::Work].contains(&subject) {
        find_leftovers(&cluster, subject);
    }
    let (history, mut violations) = cluster.recorder.finish();
    violations.extend(super::judge::judge(&history, &cluster.plan));
    let (trace, polls) = (cluster.world.trace(), cluster.world.polls());
    let counters = Arc::clone(&cluster.counters);
    cluster.world.end();
    Report { seed, trace, counters, history, violations, polls }
}

/// Looks into the store: after the drain no session-owned entry may be left.
fn find_leftovers(cluster: &Cluster, subject: Subject) {
    for collection in &cluster.collections {
        for entry in cluster.server.memory().entries(NAMESPACE, collection) {
            let Some(owner) = entry.owner() else { continue };
            if subject == Subject::Store {
                let what =
                    format!("leftover: {} of {owner} is there though nobody has it any more", entry.key());
                cluster.recorder.mistake(what);
                continue;
            }
            let key = Key::new(collection.to_string(), entry.key().name().to_string());
            cluster.recorder.leftover(key, Some(owner.to_string()));
        }
    }
}
