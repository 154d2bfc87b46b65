//! The suite as a test binary.

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::case::Case;
use crate::cases;
use crate::context::name;
use crate::harness::{Harness, missing_is_a_failure};
use crate::pace::Pace;
use crate::patience::patient;
use crate::untaking::Untaking;
use crate::verdict::{Verdict, judge};

/// More threads than cores: a case mostly waits.
const THREADS: usize = 8;

/// Judges a backend by all cases: the `main` of a test target with `harness = false`.
///
/// `ignored` is the number of cases that this backend cannot be judged by. A different number fails, so that a capability
/// that gets lost, or a case that begins to need one, does not go unseen.
///
/// When the harness has no store, all cases show as ignored with the reason; with `HA_TEST_REQUIRE=1` that is a failure.
#[must_use]
pub fn run(harness: impl Harness, ignored: usize) -> ExitCode {
    let mut arguments = Arguments::from_args();
    let threads = *arguments.test_threads.get_or_insert(THREADS);
    let harness = patient(Arc::new(harness));
    libtest_mimic::run(&arguments, trials(&harness, threads, ignored)).exit_code()
}

fn trials(harness: &Arc<dyn Harness>, threads: usize, ignored: usize) -> Vec<Trial> {
    let store = match harness.store() {
        Ok(store) => store,
        Err(missing) => {
            let reason = format!("no store for {}: {missing}", harness.name());
            return trials_without_store(&reason, missing_is_a_failure());
        }
    };
    let backend = store.connect(&name("judge"));
    let unmet: Vec<(&'static Case, Option<String>)> = cases::all()
        .map(|case| (case, case.unmet(backend.capabilities(), store.faults().as_deref())))
        .collect();
    let reasons: Vec<String> = unmet
        .iter()
        .filter_map(|(case, reason)| reason.as_ref().map(|reason| format!("{}: {reason}", case.name)))
        .collect();
    let pinned = Trial::test("suite::the_number_of_ignored_cases_is_the_expected_one", move || {
        if reasons.len() == ignored {
            return Ok(());
        }
        Err(Failed::from(format!("{} instead of {ignored}:\n{}", reasons.len(), reasons.join("\n"))))
    });
    let pace = Pace::of(store, threads);
    let without = trials_without_takes(harness, &pace, backend.capabilities().takes);
    let judged = unmet.into_iter().map(|(case, reason)| {
        let (harness, pace) = (Arc::clone(harness), Arc::clone(&pace));
        Trial::ignorable_test(case.name, move || match reason {
            Some(reason) => Ok(Completion::ignored_with(reason)),
            None => judge_in_turn(case, &harness, &pace),
        })
    });
    judged.chain([pinned]).chain(without).collect()
}

fn judge_in_turn(
    case: &'static Case,
    harness: &Arc<dyn Harness>,
    pace: &Arc<Pace>,
) -> Result<Completion, Failed> {
    let _turn = pace.begin();
    match judge(case, harness) {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Ignored(reason) => Ok(Completion::ignored_with(reason)),
        Verdict::Failed(how) => {
            let pace = pace.summary().map(|summary| format!("\n{summary}")).unwrap_or_default();
            Err(format!("guarantee {} is broken: {how}{pace}", case.guarantee).into())
        }
    }
}

/// Where the store can choose what is taken of a work-set, it is judged by the way that does without as well: the one that other stores go.
fn trials_without_takes(harness: &Arc<dyn Harness>, pace: &Arc<Pace>, takes: bool) -> Vec<Trial> {
    let without: Arc<dyn Harness> = Arc::new(Untaking(Arc::clone(harness)));
    let of_work_sets = |case: &&Case| takes && case.name.starts_with("work_set");
    let trial = |case: &'static Case| {
        let (harness, pace) = (Arc::clone(&without), Arc::clone(pace));
        let name = format!("{}_without_takes", case.name);
        Trial::ignorable_test(name, move || judge_in_turn(case, &harness, &pace))
    };
    cases::all().filter(of_work_sets).map(trial).collect()
}

fn trials_without_store(reason: &str, required: bool) -> Vec<Trial> {
    let trial = |case: &Case| {
        let reason = reason.to_owned();
        Trial::ignorable_test(case.name, move || match required {
            true => Err(Failed::from(reason)),
            false => Ok(Completion::ignored_with(reason)),
        })
    };
    cases::all().map(trial).collect()
}

#[cfg(test)]
#[path = "suite_test.rs"]
mod tests;
