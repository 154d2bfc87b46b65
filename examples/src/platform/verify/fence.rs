//! The resource takes nothing from a holder that was replaced, and a frozen node proves that somebody has to check.

use std::collections::BTreeMap;

use super::Check;
use super::outputs::Outputs;
use crate::platform::clock::Moment;
use crate::platform::records::{MAINTENANCE, TIMERS, sensor_thing};
use crate::platform::timeline::Fault;

/// Checks that of the writes that were accepted none carries a smaller token than one before it.
pub(super) fn check_accepted(outputs: &Outputs) -> Check {
    let mut highest: BTreeMap<String, u64> = BTreeMap::new();
    let mut problems = Vec::new();
    let ticks = outputs.ticks.iter().map(|record| (TIMERS.to_owned(), &record.node, record.token));
    let polls =
        outputs.polls.iter().map(|record| (sensor_thing(&record.poll.sensor), &record.node, record.token));
    let sections = outputs.sections.iter().map(|record| (MAINTENANCE.to_owned(), &record.node, record.token));
    let mut writes = 0_u64;
    for (thing, node, token) in ticks.chain(polls).chain(sections) {
        writes += 1;
        let before = highest.entry(thing.clone()).or_default();
        if token < *before {
            problems
                .push(format!("a write of {node} to {thing} with token {token} was taken after {before}"));
        }
        *before = token.max(*before);
    }
    let seen = format!("{writes} writes taken");
    Check::new("no write is taken from a holder that was replaced", seen, problems)
}

/// Checks that each node that was frozen sent something late, and that it was refused.
pub(super) fn check_late_writes(outputs: &Outputs) -> Check {
    let mut problems = Vec::new();
    let mut late = 0;
    for refused in outputs.refused.iter().filter(|refused| refused.token >= refused.highest) {
        problems.push(format!(
            "a write of {} with token {} was refused, though {} is the highest",
            refused.node, refused.token, refused.highest
        ));
    }
    let resumed = resumed(outputs);
    if resumed.is_empty() {
        problems.push("no node was frozen, so nothing was shown".into());
    }
    for (node, resumed) in resumed {
        let refused = outputs.refused.iter().filter(|refused| refused.node == node && refused.at >= resumed);
        let refused = refused.count();
        late += refused;
        if refused == 0 {
            problems.push(format!("nothing that {node} sent after it was frozen was refused"));
        }
    }
    let seen = format!("refused: {late} from frozen nodes, {} in all", outputs.refused.len());
    Check::new("late writes of a frozen node are refused", seen, problems)
}

/// Which nodes went on after they were frozen, and when.
fn resumed(outputs: &Outputs) -> Vec<(&str, Moment)> {
    let resumed = outputs.faults().filter(|(_, _, fault)| *fault == Fault::Resumed);
    resumed.map(|(at, node, _)| (node, at)).collect()
}

#[cfg(test)]
mod tests {
    use super::{check_accepted, check_late_writes};
    use crate::platform::verify::sample::{complains, sample};

    #[test]
    fn a_stale_write_that_was_taken_is_found() {
        let mut outputs = sample();
        outputs.ticks.last_mut().unwrap().token = 10;
        complains(&check_accepted(&outputs), "to timers with token 10 was taken after 20");
        let mut outputs = sample();
        outputs.polls.last_mut().unwrap().token = 10;
        complains(&check_accepted(&outputs), "to sensor/web with token 10");
    }

    #[test]
    fn a_frozen_node_whose_late_writes_nobody_refused_is_found() {
        let mut outputs = sample();
        outputs.refused.clear();
        complains(&check_late_writes(&outputs), "nothing that b sent after it was frozen was refused");
    }

    #[test]
    fn a_refusal_without_a_reason_is_found() {
        let mut outputs = sample();
        outputs.refused[0].token = outputs.refused[0].highest;
        complains(&check_late_writes(&outputs), "was refused, though");
    }
}
