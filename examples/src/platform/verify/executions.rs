//! Each file is hashed once, and right; none is begun twice but what a dead tracker was at, and that in time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Check;
use super::outputs::Outputs;
use crate::platform::clock::Moment;
use crate::platform::records::{Hashed, Outcome, Step};
use crate::platform::timeline::Event;

/// One execution, from its first step to its last.
#[derive(Debug)]
struct Run<'a> {
    tracker: &'a str,
    token: u64,
    attempt: u32,
    begun: Moment,
    /// `None`: it was never ended.
    outcome: Option<&'a Outcome>,
}

/// Checks the result of each file against the file itself, and that it is that of the one execution that was accepted.
pub(super) fn check_results(outputs: &Outputs) -> Check {
    let (runs, mut problems) = runs(outputs);
    for (file, (sha256, bytes)) in &outputs.hashes {
        let results: Vec<_> = outputs.results.iter().filter(|result| result.item == *file).collect();
        let [result] = results.as_slice() else {
            problems.push(format!("{file} has {} results", results.len()));
            continue;
        };
        let Some(hashed) = &result.hashed else {
            problems.push(format!("{file} was not hashed"));
            continue;
        };
        if (&hashed.sha256, &hashed.bytes) != (sha256, bytes) {
            problems.push(format!("{file} is said to have the hash {}, and has {sha256}", hashed.sha256));
        }
        let runs = runs.get(file.as_str()).map_or(&[][..], Vec::as_slice);
        problems.extend(wrong_acceptance(file, runs, hashed));
    }
    let items = outputs.results.iter().map(|result| result.item.as_str()).chain(runs.keys().copied());
    let unknown: BTreeSet<&str> = items.filter(|item| !outputs.hashes.contains_key(*item)).collect();
    problems.extend(unknown.into_iter().map(|item| format!("there is no file {item}")));
    let bytes: u64 = outputs.hashes.values().map(|(_, bytes)| bytes).sum();
    let seen = format!("{} files of {bytes} bytes, all hashed anew", outputs.hashes.len());
    Check::new("each file is hashed once, and right", seen, problems)
}

/// What is wrong with who was told that the result is accepted.
fn wrong_acceptance(file: &str, runs: &[Run<'_>], hashed: &Hashed) -> Option<String> {
    let is_author = |run: &&Run<'_>| run.token == hashed.token && run.tracker == hashed.tracker;
    let accepted: Vec<_> = runs.iter().filter(|run| run.outcome == Some(&Outcome::Accepted)).collect();
    match accepted.as_slice() {
        [run] if is_author(run) => None,
        [run] => Some(format!(
            "{file} was completed by {} (token {}), and has the result of {} (token {})",
            run.tracker, run.token, hashed.tracker, hashed.token
        )),
        // Whoever completed it did not live to hear it.
        [] if runs.iter().any(|run| is_author(&run) && is_in_doubt(run)) => None,
        [] => Some(format!("{file} has a result, and nobody has completed it")),
        more => Some(format!("{file} was completed {} times", more.len())),
    }
}

/// Checks that a file is begun again only where a claim of it had died, with a larger token and a higher attempt.
pub(super) fn check_duplicates(outputs: &Outputs) -> Check {
    let (runs, mut problems) = runs(outputs);
    for (file, runs) in &runs {
        for run in runs.iter().filter(|run| run.outcome.is_none() && outputs.death_of(run.tracker).is_none())
        {
            problems.push(format!("{} lives and has never ended {file} (token {})", run.tracker, run.token));
        }
        for pair in runs.windows(2) {
            let [before, after] = pair else { continue };
            if after.token == before.token {
                problems.push(format!("{file} was claimed twice with token {}", after.token));
            }
            if after.attempt <= before.attempt {
                problems.push(format!("{file}: attempt {} after {}", after.attempt, before.attempt));
            }
            if !has_died(outputs, before, after.begun) {
                problems.push(format!(
                    "{file} is begun by {} (token {}) at {}, and {} (token {}) had begun it and not died",
                    after.tracker, after.token, after.begun, before.tracker, before.token
                ));
            }
        }
    }
    let executions: usize = runs.values().map(Vec::len).sum();
    let again = executions - runs.len();
    let trackers: BTreeSet<&str> = runs.values().flatten().map(|run| run.tracker).collect();
    let seen = format!("{executions} executions by {} trackers, {again} of them once more", trackers.len());
    Check::new("no file is begun twice but after a death", seen, problems)
}

/// Checks that what a killed tracker was at is begun by others in time.
pub(super) fn check_rescue(outputs: &Outputs) -> Check {
    let (runs, mut problems) = runs(outputs);
    let (mut died, mut slowest, bound) = (0, Duration::ZERO, outputs.crash_bound());
    for (file, runs) in &runs {
        for (place, run) in runs.iter().enumerate().filter(|(_, run)| run.outcome.is_none()) {
            let Some(death) = outputs.death_of(run.tracker) else { continue };
            died += 1;
            let result = outputs.results.iter().find(|result| result.item == *file);
            let is_done_by_it = result
                .and_then(|result| result.hashed.as_ref())
                .is_some_and(|hashed| hashed.token == run.token);
            match runs.get(place + 1).map(|next| (next, next.begun.since(death))) {
                Some((next, after)) if after <= bound + outputs.stalled(death, next.begun) => {
                    slowest = slowest.max(after);
                }
                Some((next, after)) => problems.push(format!(
                    "{file} is begun by {} {:.3} s after the death of {}; the bound is {:.3} s",
                    next.tracker,
                    after.as_secs_f64(),
                    run.tracker,
                    bound.as_secs_f64()
                )),
                None if is_done_by_it => {}
                None => problems.push(format!("nobody took {file} over from {}, which died", run.tracker)),
            }
        }
    }
    if died == 0 {
        problems.push("no tracker died at its work, so the run has shown too little".into());
    }
    let seen =
        format!("{died} executions died, the last was begun again after {:.2} s", slowest.as_secs_f64());
    Check::new("what a dead tracker was at is taken over", seen, problems)
}

/// The executions of each file by token, and what makes no sense.
fn runs(outputs: &Outputs) -> (BTreeMap<&str, Vec<Run<'_>>>, Vec<String>) {
    let (mut runs, mut problems) = (BTreeMap::<&str, Vec<Run<'_>>>::new(), Vec::new());
    for record in &outputs.executions {
        let (tracker, execution) = (record.tracker.as_str(), &record.execution);
        let of_file = runs.entry(&execution.item).or_default();
        let is_it = |run: &&mut Run<'_>| {
            run.tracker == tracker && run.token == execution.token && run.outcome.is_none()
        };
        match &record.step {
            Step::Begun => {
                let (token, attempt, begun) = (execution.token, execution.attempt, record.at);
                of_file.push(Run { tracker, token, attempt, begun, outcome: None });
            }
            Step::Ended(outcome) => match of_file.iter_mut().find(is_it) {
                Some(run) => run.outcome = Some(outcome),
                None => problems.push(format!("{tracker} has ended {} without a beginning", execution.item)),
            },
        }
    }
    runs.values_mut().for_each(|runs| runs.sort_by_key(|run| run.token));
    (runs, problems)
}

/// Whether it may have been accepted without that its tracker knows.
fn is_in_doubt(run: &Run<'_>) -> bool {
    matches!(run.outcome, None | Some(Outcome::Unknown))
}

/// Whether the claim of an execution had died by then: with its process, or with a session that its process says it has lost.
fn has_died(outputs: &Outputs, run: &Run<'_>, by: Moment) -> bool {
    let lost_session = || {
        outputs.events.iter().any(|record| {
            matches!(&record.event, Event::SessionLost { node, .. } if node == run.tracker)
                && record.at >= run.begun
        })
    };
    match run.outcome {
        None => outputs.death_of(run.tracker).is_some_and(|death| death <= by),
        Some(Outcome::Lost | Outcome::Stale | Outcome::Unknown) => lost_session(),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{check_duplicates, check_rescue, check_results};
    use crate::platform::records::{ExecutionRecord, Outcome, Step};
    use crate::platform::timeline::{Event, EventRecord};
    use crate::platform::verify::outputs::Outputs;
    use crate::platform::verify::sample::{at, complains, sample};

    const ACCEPTED: Step = Step::Ended(Outcome::Accepted);

    /// A step like the first one of the file, of somebody else.
    fn step(outputs: &Outputs, item: &str, tracker: &str, token: u64, step: Step) -> ExecutionRecord {
        let first = outputs.executions.iter().find(|record| record.execution.item == item).unwrap();
        let mut record = ExecutionRecord { at: at(4_000), tracker: tracker.into(), step, ..first.clone() };
        (record.execution.token, record.execution.attempt) = (token, 7);
        record
    }

    #[test]
    fn a_wrong_hash_is_found() {
        let mut outputs = sample();
        outputs.results[0].hashed.as_mut().unwrap().sha256 = "00".into();
        complains(&check_results(&outputs), "x is said to have the hash 00, and has 0x");
    }

    #[test]
    fn a_missed_file_is_found() {
        let mut outputs = sample();
        outputs.results[0].hashed = None;
        complains(&check_results(&outputs), "x was not hashed");
        outputs.results.remove(0);
        complains(&check_results(&outputs), "x has 0 results");
        outputs.hashes.remove("z");
        complains(&check_results(&outputs), "there is no file z");
    }

    #[test]
    fn a_second_completion_is_found() {
        let mut outputs = sample();
        let steps = [Step::Begun, ACCEPTED].map(|it| step(&outputs, "x", "t3", 50, it));
        outputs.executions.extend(steps);
        complains(&check_results(&outputs), "x was completed 2 times");
        complains(&check_duplicates(&outputs), "x is begun by t3 (token 50) at 4.000 s, and t1 (token 5)");
    }

    #[test]
    fn a_result_of_somebody_else_is_found() {
        let mut outputs = sample();
        outputs.results[0].hashed.as_mut().unwrap().token = 4;
        complains(
            &check_results(&outputs),
            "x was completed by t1 (token 5), and has the result of t1 (token 4)",
        );
        outputs.executions.retain(|record| record.execution.item != "x");
        complains(&check_results(&outputs), "x has a result, and nobody has completed it");
    }

    #[test]
    fn whoever_died_before_it_heard_of_its_completion_has_completed_it() {
        let mut outputs = sample();
        outputs.executions.retain(|record| record.execution.item != "y" || record.tracker == "t2");
        let hashed = outputs.results[1].hashed.as_mut().unwrap();
        (hashed.tracker, hashed.token) = ("t2".into(), 6);
        for check in [check_results(&outputs), check_duplicates(&outputs), check_rescue(&outputs)] {
            assert_eq!(check.problems, Vec::<String>::new());
        }
    }

    #[test]
    fn an_execution_beside_another_is_found() {
        let mut outputs = sample();
        // What `t2` was at is begun again before it died.
        outputs
            .executions
            .iter_mut()
            .filter(|record| record.execution.token == 9)
            .for_each(|it| it.at = at(2_400));
        complains(&check_duplicates(&outputs), "y is begun by t1 (token 9) at 2.400 s, and t2 (token 6)");
    }

    #[test]
    fn a_duplicate_without_a_crash_is_found_unless_a_session_was_lost() {
        let mut outputs = sample();
        let place = outputs.executions.iter().position(|record| record.execution.item == "x").unwrap();
        let mut early = [Step::Begun, Step::Ended(Outcome::Lost)].map(|it| step(&outputs, "x", "t3", 3, it));
        early.iter_mut().for_each(|record| (record.at, record.execution.attempt) = (at(1_000), 0));
        outputs.executions.splice(place..place, early);
        complains(&check_duplicates(&outputs), "x is begun by t1 (token 5) at 2.000 s, and t3 (token 3)");
        let event = Event::SessionLost { node: "t3".into(), reason: "for a reason".into() };
        outputs.events.push(EventRecord { at: at(1_500), event });
        assert_eq!(check_duplicates(&outputs).problems, Vec::<String>::new());
    }

    #[test]
    fn a_token_or_an_attempt_that_does_not_grow_is_found() {
        let mut outputs = sample();
        for record in outputs.executions.iter_mut().filter(|record| record.execution.token == 9) {
            (record.execution.token, record.execution.attempt) = (6, 1);
        }
        complains(&check_duplicates(&outputs), "y was claimed twice with token 6");
        complains(&check_duplicates(&outputs), "y: attempt 1 after 1");
    }

    #[test]
    fn an_execution_that_has_no_end_or_no_beginning_is_found() {
        let mut outputs = sample();
        outputs.executions.retain(|record| record.execution.item != "z" || record.step == Step::Begun);
        complains(&check_duplicates(&outputs), "t3 lives and has never ended z (token 7)");
        outputs.executions.push(step(&outputs, "x", "t3", 50, ACCEPTED));
        complains(&check_results(&outputs), "t3 has ended x without a beginning");
    }

    #[test]
    fn claims_of_the_dead_that_come_back_late_or_never_are_found() {
        let mut outputs = sample();
        // A ttl of 2 s and a second after the death at 2.5 s.
        outputs
            .executions
            .iter_mut()
            .filter(|record| record.execution.token == 9)
            .for_each(|it| it.at = at(5_501));
        complains(
            &check_rescue(&outputs),
            "y is begun by t1 3.001 s after the death of t2; the bound is 3.000 s",
        );
        outputs.executions.retain(|record| record.execution.token != 9);
        complains(&check_rescue(&outputs), "nobody took y over from t2, which died");
    }

    #[test]
    fn a_run_without_a_death_proves_too_little() {
        let mut outputs = sample();
        outputs.executions.retain(|record| record.tracker != "t2");
        complains(&check_rescue(&outputs), "no tracker died at its work");
    }
}
