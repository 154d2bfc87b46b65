//! The verification: what the platform did, judged by its output files alone.

mod executions;
mod fence;
mod members;
mod outputs;
mod polls;
mod readings;
mod sections;
mod takeovers;
mod ticks;

#[cfg(test)]
mod sample;

use std::path::{Path, PathBuf};

use serde::Serialize;

use outputs::Outputs;
pub use takeovers::TakeOver;

/// What one check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// What has to hold.
    pub name: &'static str,
    /// What was seen, in figures.
    pub seen: String,
    /// Where it does not hold.
    pub problems: Vec<String>,
}

/// The judgement on one run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Where the output files are.
    pub output: PathBuf,
    /// What was checked.
    pub checks: Vec<Check>,
    /// Every change of holder, of the timers and of sensors, in the order of time.
    pub take_overs: Vec<TakeOver>,
}

impl Verdict {
    /// Whether everything holds.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.problems.is_empty())
    }
}

impl Check {
    fn new(name: &'static str, seen: String, problems: Vec<String>) -> Self {
        Self { name, seen, problems }
    }
}

/// Verifies the output files in `folder`.
#[must_use]
pub fn verify(folder: &Path) -> Verdict {
    match Outputs::read(folder) {
        Ok(outputs) => judge(folder, &outputs),
        Err(failure) => {
            let check = Check::new("the output files can be read", String::new(), vec![failure.to_string()]);
            Verdict { output: folder.into(), checks: vec![check], take_overs: Vec::new() }
        }
    }
}

fn judge(folder: &Path, outputs: &Outputs) -> Verdict {
    let take_overs = takeovers::find(outputs);
    let checks = vec![
        ticks::check(outputs),
        polls::check_overlap(outputs),
        polls::check_tokens(outputs),
        polls::check_gaps(outputs),
        takeovers::check(outputs, &take_overs),
        takeovers::check_order(outputs),
        fence::check_accepted(outputs),
        fence::check_late_writes(outputs),
        members::check(outputs),
        sections::check(outputs),
        executions::check_results(outputs),
        executions::check_duplicates(outputs),
        executions::check_rescue(outputs),
        readings::check(outputs),
    ];
    Verdict { output: folder.into(), checks, take_overs }
}
