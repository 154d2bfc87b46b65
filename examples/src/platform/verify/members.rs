//! The operator sees every node that is lost go, in time, and none that is not.

use std::time::Duration;

use super::Check;
use super::outputs::Outputs;
use crate::platform::clock::Moment;
use crate::platform::timeline::{Event, Fault};

/// Checks what the operator saw of the members.
pub(super) fn check(outputs: &Outputs) -> Check {
    let mut problems = Vec::new();
    let (mut slowest, mut lost) = (Duration::ZERO, 0);
    for (at, node, fault) in outputs.faults() {
        let Some(bound) = bound(outputs, node, at, fault) else { continue };
        lost += 1;
        match sightings(outputs, node).find(|(seen, here)| *seen >= at && !here) {
            Some((seen, _)) if since(seen, at) <= bound + outputs.stalled(at, seen) => {
                slowest = slowest.max(since(seen, at));
            }
            Some((seen, _)) => problems.push(format!("{node} was lost at {at} and seen until {seen}")),
            None => problems.push(format!("{node} was lost at {at} and seen to the end")),
        }
    }
    for node in &outputs.run.nodes {
        if !sightings(outputs, node).any(|(_, here)| here) {
            problems.push(format!("{node} was never seen"));
        }
        for (at, _) in sightings(outputs, node).filter(|(_, here)| !here) {
            let is_reason = |(since, other, fault): (Moment, &str, Fault)| {
                other == node && since <= at && (is_loss(fault) || fault == Fault::ShutsDown)
            };
            if at < outputs.stopping && !outputs.faults().any(is_reason) && !outlived(outputs, at) {
                problems.push(format!("{node} was said to be gone at {at}, and nothing had happened to it"));
            }
        }
    }
    let seen = format!("{lost} losses, the slowest seen after {} ms", slowest.as_millis());
    Check::new("the operator sees who is lost, and nobody else", seen, problems)
}

/// When the operator saw the node come (true) and go (false).
fn sightings<'a>(outputs: &'a Outputs, name: &'a str) -> impl Iterator<Item = (Moment, bool)> + 'a {
    outputs.events.iter().filter_map(move |record| match &record.event {
        Event::Here { node } if node == name => Some((record.at, true)),
        Event::Gone { node } if node == name => Some((record.at, false)),
        _ => None,
    })
}

/// Whether the machine stood still for so long before `at` that a session can have ended meanwhile: it is renewed early enough to bear half of its ttl.
fn outlived(outputs: &Outputs, at: Moment) -> bool {
    let from = Moment::from_start(at.since_start().saturating_sub(outputs.crash_bound()));
    outputs.stalled(from, at) >= outputs.run.ttl() / 2
}

fn is_loss(fault: Fault) -> bool {
    matches!(fault, Fault::Killed | Fault::Frozen | Fault::CutOff)
}

/// How soon the operator has to see that the node is gone; `None` where it need not go.
fn bound(outputs: &Outputs, node: &str, at: Moment, fault: Fault) -> Option<Duration> {
    if fault == Fault::ShutsDown {
        return Some(outputs.planned_bound());
    }
    // One that comes back in time may stay.
    let ends = |(since, other, fault): &(Moment, &str, Fault)| {
        *since > at && *other == node && matches!(fault, Fault::Resumed | Fault::Healed)
    };
    let end = outputs.faults().find(ends).map_or(outputs.stopping, |(end, ..)| end);
    (is_loss(fault) && since(end, at) >= outputs.crash_bound()).then(|| outputs.crash_bound())
}

fn since(later: Moment, earlier: Moment) -> Duration {
    later.since_start().saturating_sub(earlier.since_start())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::platform::timeline::{Event, EventRecord};
    use crate::platform::verify::sample::{at, complains, sample};

    #[test]
    fn a_node_that_is_seen_for_too_long_after_its_death_is_found() {
        let mut outputs = sample();
        let gone = |record: &&mut EventRecord| record.event == Event::Gone { node: "a".into() };
        outputs.events.iter_mut().find(gone).unwrap().at = at(6_500);
        complains(&check(&outputs), "a was lost at");
    }

    #[test]
    fn a_dead_node_that_is_seen_to_the_end_is_found() {
        let mut outputs = sample();
        outputs.events.retain(|record| !matches!(&record.event, Event::Gone { .. }));
        complains(&check(&outputs), "and seen to the end");
    }

    #[test]
    fn a_node_that_is_said_to_be_gone_for_no_reason_is_found() {
        let mut outputs = sample();
        outputs.events.insert(3, EventRecord { at: at(2_000), event: Event::Gone { node: "c".into() } });
        complains(&check(&outputs), "c was said to be gone");
    }

    #[test]
    fn a_machine_that_stood_still_for_half_a_ttl_is_a_reason_to_be_gone() {
        let with_stall = |since| {
            let mut outputs = sample();
            outputs.events.insert(3, EventRecord { at: at(2_000), event: Event::Gone { node: "c".into() } });
            outputs
                .events
                .insert(3, EventRecord { at: at(1_900), event: Event::Stalled { since: at(since) } });
            check(&outputs)
        };
        assert_eq!(with_stall(900).problems, Vec::<String>::new());
        complains(&with_stall(901), "c was said to be gone");
    }

    #[test]
    fn a_node_that_is_never_seen_is_found() {
        let mut outputs = sample();
        outputs.events.retain(|record| record.event != Event::Here { node: "b".into() });
        complains(&check(&outputs), "b was never seen");
    }
}
