//! Many seeds, on several threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::counters::{Counter, Counters};
use super::run::{Report, Settings, Subject, run};
use super::zoo::Defect;
use crate::clock::Stopwatch;

/// From how many seeds on every kind of fault has to have happened.
const REPRESENTATIVE: u64 = 1_000;

/// Which seeds to run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Batch {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub count: u64,
    /// Begins no further seed after so long, in real time.
    pub limit: Option<Duration>,
    /// On how many threads.
    pub threads: u64,
    /// What the nodes do.
    pub subjects: Vec<Subject>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { from: 0, count: 1_000, limit: None, threads: 2, subjects: Subject::ALL.to_vec() }
    }
}

/// How a batch went.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// How many seeds were run.
    pub seeds: u64,
    /// How long that took, in real time.
    pub took: Duration,
    /// What happened how often.
    pub counters: Counters,
    /// The runs in which something happened that must not.
    pub failed: Vec<Report>,
    /// What should have happened and never did.
    pub missing: Vec<Counter>,
    /// A digest of all runs, whatever the order in which they ended.
    pub digest: u64,
}

impl Outcome {
    fn add(&mut self, report: Report) {
        self.seeds += 1;
        self.counters.merge(&report.counters);
        self.digest = self.digest.wrapping_add(report.trace);
        if !report.violations.is_empty() {
            self.failed.push(report);
        }
    }
}

impl Batch {
    /// Calls `visit` with each seed, on the threads of the batch, until it says that it is enough.
    fn each(&self, visit: impl Fn(u64) -> bool + Sync) {
        let next = AtomicU64::new(0);
        let began = Stopwatch::start();
        let in_time = || self.limit.is_none_or(|limit| began.elapsed() < limit);
        let take = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            (at < self.count && in_time()).then_some(self.from + at)
        };
        let work = || while take().is_some_and(&visit) {};
        std::thread::scope(|scope| (0..self.threads).for_each(|_| drop(scope.spawn(work))));
    }
}

/// Runs a batch.
#[must_use]
pub fn run_all(batch: &Batch, subject: Subject, settings: Settings) -> Outcome {
    let began = Stopwatch::start();
    let outcome = Mutex::new(Outcome::default());
    batch.each(|seed| {
        let report = run(subject, seed, settings);
        outcome.lock().unwrap_or_else(PoisonError::into_inner).add(report);
        true
    });
    let mut outcome = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.took = began.elapsed();
    outcome.failed.sort_by_key(|report| report.seed);
    if outcome.seeds >= REPRESENTATIVE {
        outcome.missing = outcome.counters.missing(subject.counters());
    }
    outcome
}

/// Runs a batch without a planted defect.
#[must_use]
pub fn run_plain(batch: &Batch, subject: Subject) -> Outcome {
    run_all(batch, subject, Settings::default())
}

/// How a defect was caught.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Catch {
    /// The seed.
    pub seed: u64,
    /// The recipe that ran.
    pub subject: &'static str,
    /// The ids of the invariants that do not hold.
    pub invariants: Vec<String>,
}

/// The first seed of the batch that catches `defect`, or one that is known to.
#[must_use]
pub fn catch(batch: &Batch, defect: Defect) -> Option<Catch> {
    let is_chosen = |(subject, seed): &(Subject, u64)| {
        batch.subjects.contains(subject)
            && (batch.from..batch.from.saturating_add(batch.count)).contains(seed)
    };
    let known = defect.caught_before().filter(is_chosen);
    known.and_then(|(subject, seed)| catch_at(subject, seed, defect)).or_else(|| search(batch, defect))
}

fn catch_at(subject: Subject, seed: u64, defect: Defect) -> Option<Catch> {
    let report = run(subject, seed, Settings { defect: Some(defect), ..Settings::default() });
    let id = |violation: &String| violation.split(':').next().unwrap_or_default().to_owned();
    let invariants: Vec<_> = report.violations.iter().map(id).collect();
    (!invariants.is_empty()).then(|| Catch { seed, subject: subject.name(), invariants })
}

/// The first seed of the batch that catches `defect`.
fn search(batch: &Batch, defect: Defect) -> Option<Catch> {
    let one_is_chosen = batch.subjects.len() == 1;
    let concerned = |subject: &&Subject| one_is_chosen || defect.concerns(**subject);
    let first: Mutex<Option<Catch>> = Mutex::default();
    batch.each(|seed| {
        let lock = || first.lock().unwrap_or_else(PoisonError::into_inner);
        if lock().as_ref().is_some_and(|first| first.seed < seed) {
            return false;
        }
        let caught =
            batch.subjects.iter().filter(concerned).find_map(|subject| catch_at(*subject, seed, defect));
        let mut first = lock();
        *first = [first.take(), caught].into_iter().flatten().min();
        true
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner)
}
