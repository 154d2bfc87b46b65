//! Many seeds, on several threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::counters::{Counter, Counters};
use super::run::{Report, Settings, Subject, run};
use super::zoo::StoreBug;

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
    /// On how many threads.
    pub threads: u64,
    /// What the nodes do.
    pub subjects: Vec<Subject>,
}

impl Default for Batch {
    fn default() -> Self {
        Self { from: 0, count: 1_000, threads: 2, subjects: Subject::ALL.to_vec() }
    }
}

/// How a batch went.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
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
        self.counters.merge(&report.counters);
        self.digest = self.digest.wrapping_add(report.trace);
        if !report.violations.is_empty() {
            self.failed.push(report);
        }
    }
}

/// Runs a batch.
#[must_use]
pub fn run_all(batch: &Batch, subject: Subject, settings: Settings) -> Outcome {
    let next = AtomicU64::new(0);
    let outcome = Mutex::new(Outcome::default());
    std::thread::scope(|scope| {
        for _ in 0..batch.threads {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < batch.count)
                {
                    let report = run(subject, batch.from + at, settings);
                    outcome.lock().unwrap_or_else(PoisonError::into_inner).add(report);
                }
            });
        }
    });
    let mut outcome = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.failed.sort_by_key(|report| report.seed);
    if batch.count >= REPRESENTATIVE {
        outcome.missing = outcome.counters.missing(subject.counters());
    }
    outcome
}

/// Runs a batch without a planted defect.
#[must_use]
pub fn run_plain(batch: &Batch, subject: Subject) -> Outcome {
    run_all(batch, subject, Settings::default())
}

/// The first seed of the batch that catches `bug`, with the recipe and the invariant that it violates.
#[must_use]
pub fn catch(batch: &Batch, bug: StoreBug) -> Option<(Subject, u64, String)> {
    let settings = Settings { bug: Some(bug), ..Settings::default() };
    (batch.from..batch.from + batch.count).find_map(|seed| {
        batch.subjects.iter().find_map(|subject| {
            let report = run(*subject, seed, settings);
            let first = report.violations.first()?;
            let invariant = first.split(':').next().unwrap_or_default().to_owned();
            Some((*subject, seed, invariant))
        })
    })
}
