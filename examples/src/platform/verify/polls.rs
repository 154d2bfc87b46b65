//! A sensor is polled by one node at a time, by nobody who was replaced, and without a long gap.

use std::collections::BTreeMap;

use super::Check;
use super::outputs::Outputs;
use crate::platform::clock::Moment;
use crate::platform::records::PollRecord;
use crate::platform::timeline::Fault;

/// Checks that no two holders polled a sensor at the same time: exactly, since one clock has timed all polls.
///
/// A poll whose process was stopped in the middle of it counts until then: between a check and an act no library can stop anybody.
pub(super) fn check_overlap(outputs: &Outputs) -> Check {
    let mut polls = outputs.all_polls();
    for (frozen, node, _) in outputs.faults().filter(|(_, _, fault)| *fault == Fault::Frozen) {
        let is_meant =
            |poll: &&mut PollRecord| poll.node == node && poll.poll.start < frozen && frozen < poll.poll.end;
        polls.iter_mut().filter(is_meant).for_each(|poll| poll.poll.end = frozen);
    }
    let mut problems = Vec::new();
    for (sensor, polls) in by_sensor(&polls) {
        // Of the polls so far, the one that ended last, and the one of another holder that ended last.
        let mut last: Option<&PollRecord> = None;
        let mut other: Option<&PollRecord> = None;
        for poll in polls {
            let rival = [last, other].into_iter().flatten().find(|rival| !same_holder(rival, poll));
            if let Some(rival) = rival.filter(|rival| poll.poll.start < rival.poll.end) {
                problems.push(format!(
                    "{sensor} is polled by {} (token {}) from {} and by {} (token {}) until {}",
                    poll.node, poll.token, poll.poll.start, rival.node, rival.token, rival.poll.end
                ));
            }
            if last.is_none_or(|last| poll.poll.end >= last.poll.end) {
                other = if last.is_some_and(|last| same_holder(last, poll)) { other } else { last };
                last = Some(poll);
            } else if last.is_some_and(|last| !same_holder(last, poll))
                && other.is_none_or(|other| poll.poll.end >= other.poll.end)
            {
                other = Some(poll);
            }
        }
    }
    let seen = format!("{} polls of {} sensors", polls.len(), outputs.run.inputs.sensors.len());
    Check::new("no sensor is polled by two nodes at once", seen, problems)
}

/// Checks that nobody polls after somebody with a larger token.
pub(super) fn check_tokens(outputs: &Outputs) -> Check {
    let polls = outputs.all_polls();
    let mut problems = Vec::new();
    let mut holders = 0;
    for (sensor, polls) in by_sensor(&polls) {
        let mut highest: Option<&PollRecord> = None;
        for poll in polls {
            match highest {
                Some(before) if poll.token < before.token => problems.push(format!(
                    "{sensor} is polled with token {} at {}, after token {}",
                    poll.token, poll.poll.start, before.token
                )),
                Some(before) if poll.token == before.token && poll.node != before.node => {
                    problems
                        .push(format!("{} and {} both have token {}", before.node, poll.node, poll.token));
                }
                Some(before) if poll.token == before.token => {}
                _ => {
                    holders += 1;
                    highest = Some(poll);
                }
            }
        }
    }
    let seen = format!("{holders} holders of {} sensors", outputs.run.inputs.sensors.len());
    Check::new("polls of a sensor carry growing tokens", seen, problems)
}

/// Checks that every sensor is polled all the time, but for the time that it takes to replace a lost node.
pub(super) fn check_gaps(outputs: &Outputs) -> Check {
    let mut longest = std::time::Duration::ZERO;
    let mut problems = Vec::new();
    let mut polls = by_sensor(&outputs.polls);
    for sensor in &outputs.run.inputs.sensors {
        let bound = outputs.crash_bound() + sensor.interval();
        let mut before = Moment::default();
        let ends = polls.remove(sensor.name.as_str()).unwrap_or_default();
        let ends = ends.iter().map(|poll| (poll.poll.start, poll.poll.end));
        for (start, end) in ends.chain([(outputs.stopping, outputs.stopping)]) {
            let gap = start.since(before);
            longest = longest.max(gap);
            if gap > bound + outputs.stalled(before, start) {
                problems.push(format!(
                    "{} is not polled from {before} to {start}; the bound is {:.2} s",
                    sensor.name,
                    bound.as_secs_f64()
                ));
            }
            before = before.max(end);
        }
    }
    for unknown in polls.keys() {
        problems.push(format!("there is no sensor {unknown}"));
    }
    let seen = format!("the longest gap was {:.2} s", longest.as_secs_f64());
    Check::new("every sensor is polled all the time", seen, problems)
}

fn same_holder(a: &PollRecord, b: &PollRecord) -> bool {
    a.node == b.node && a.token == b.token
}

/// The polls of each sensor, by their start.
fn by_sensor(polls: &[PollRecord]) -> BTreeMap<&str, Vec<&PollRecord>> {
    let mut by_sensor: BTreeMap<&str, Vec<&PollRecord>> = BTreeMap::new();
    for poll in polls {
        by_sensor.entry(&poll.poll.sensor).or_default().push(poll);
    }
    for polls in by_sensor.values_mut() {
        polls.sort_by_key(|poll| poll.poll.start);
    }
    by_sensor
}

#[cfg(test)]
mod tests {
    use super::{check_gaps, check_overlap, check_tokens};
    use crate::platform::records::{RefusedRecord, Write};
    use crate::platform::verify::sample::{at, complains, sample};

    #[test]
    fn an_overlap_of_a_microsecond_is_found() {
        let mut outputs = sample();
        // `b` begins to poll at 5 s; the last poll of `a` now ends a little later.
        let end = &mut outputs.polls.iter_mut().rfind(|poll| poll.node == "a").unwrap().poll.end;
        *end = at(5_000);
        assert_eq!(check_overlap(&outputs).problems, Vec::<String>::new(), "one after the other is fine");
        let end = &mut outputs.polls.iter_mut().rfind(|poll| poll.node == "a").unwrap().poll.end;
        *end = *end + std::time::Duration::from_micros(1);
        complains(&check_overlap(&outputs), "web is polled by b (token 20) from 5.000 s and by a (token 10)");
    }

    #[test]
    fn a_poll_counts_until_its_process_is_stopped() {
        let mut outputs = sample();
        // `b` is frozen at 9.4 s.
        let mut other = outputs.polls.last().unwrap().clone();
        (other.node, other.token) = ("c".into(), 60);
        (other.poll.start, other.poll.end) = (at(9_450), at(9_460));
        outputs.polls.retain(|poll| poll.poll.start < at(9_390));
        outputs.polls.last_mut().unwrap().poll.end = at(9_600);
        outputs.polls.push(other);
        assert_eq!(check_overlap(&outputs).problems, Vec::<String>::new());
        outputs.polls.last_mut().unwrap().poll.start = at(9_399);
        complains(&check_overlap(&outputs), "web is polled by c (token 60)");
    }

    #[test]
    fn a_poll_that_spans_many_of_another_node_is_found() {
        let mut outputs = sample();
        outputs.polls[0].poll.end = at(9_000);
        assert!(check_overlap(&outputs).problems.len() > 10);
    }

    #[test]
    fn an_overlap_is_found_although_a_later_poll_of_the_same_holder_ends_between() {
        let mut outputs = sample();
        outputs.polls.retain(|poll| poll.poll.start < at(400));
        for (poll, (node, start, end)) in
            outputs.polls.iter_mut().zip([("a", 0, 90), ("b", 100, 200), ("a", 110, 120), ("b", 115, 116)])
        {
            (poll.node, poll.token) = (node.into(), if node == "a" { 10 } else { 20 });
            (poll.poll.start, poll.poll.end) = (at(start), at(end));
        }
        assert_eq!(check_overlap(&outputs).problems.len(), 2);
    }

    #[test]
    fn a_poll_whose_result_was_refused_counts_as_well() {
        let mut outputs = sample();
        let mut late = outputs.polls[0].clone();
        (late.poll.start, late.poll.end) = (at(6_000), at(6_300));
        outputs.refused.push(RefusedRecord {
            at: at(6_400),
            node: late.node,
            token: late.token,
            highest: 20,
            write: Write::Poll(late.poll),
        });
        complains(&check_overlap(&outputs), "by a (token 10)");
        complains(&check_tokens(&outputs), "web is polled with token 10 at 6.000 s, after token 20");
    }

    #[test]
    fn two_nodes_with_one_token_are_found() {
        let mut outputs = sample();
        outputs.polls[1].node = "b".into();
        complains(&check_tokens(&outputs), "a and b both have token 10");
    }

    #[test]
    fn a_sensor_that_is_forgotten_is_found() {
        let mut outputs = sample();
        outputs.polls.retain(|poll| poll.poll.start < at(6_000));
        complains(&check_gaps(&outputs), "web is not polled from 5.9");
        outputs.polls.clear();
        complains(&check_gaps(&outputs), "web is not polled from 0.000 s");
    }
}
