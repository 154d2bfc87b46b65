//! Each loss of a holder, of the timers or of a sensor, is followed by a successor, within its bound.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Check;
use super::outputs::Outputs;
use crate::platform::clock::Moment;
use crate::platform::records::{SENSOR, TIMERS};
use crate::platform::timeline::{Event, Fault};

/// How much later than it knows of its loss a process may say so: the thread that says it is one of several. Whether anybody *worked* in that time
/// is checked to the microsecond, by polls and tokens.
const SAID_WITHIN: Duration = Duration::from_millis(100);

/// One change of holder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakeOver {
    /// What was taken over: the timers, or a sensor.
    pub thing: String,
    /// The node that had it.
    pub from: String,
    /// What became of it: `killed`, `frozen`, `cut_off`, `hands_over`, `shuts_down`, or `let_go` for its own decision.
    pub cause: &'static str,
    /// When that was, since the start.
    pub at: Duration,
    /// The node that has it next, if there is one.
    pub to: Option<String>,
    /// After how long it does.
    pub after: Option<Duration>,
    /// After how long it has to.
    pub bound: Duration,
    /// Whether nobody had to wait for a session to expire.
    pub planned: bool,
}

/// What one node had, from the grant to its end as the node itself noticed it.
#[derive(Debug)]
struct Term<'a> {
    node: &'a str,
    token: u64,
    start: Moment,
    end: Option<Moment>,
}

/// All changes of holders, in the order of time.
pub(super) fn find(outputs: &Outputs) -> Vec<TakeOver> {
    let mut found = Vec::new();
    for (thing, terms) in terms(outputs) {
        for (at, term) in terms.iter().enumerate() {
            let next = terms.get(at + 1);
            let until = next.map_or(outputs.stopping, |next| next.start);
            let Some((since, cause, planned)) = loss(outputs, thing, term, until) else { continue };
            if since >= outputs.stopping {
                continue;
            }
            let stalled = outputs.stalled(since, until);
            let bound = stalled
                + match cause {
                    _ if planned => outputs.planned_bound(),
                    "killed" => outputs.death_bound(),
                    _ => outputs.crash_bound(),
                };
            found.push(TakeOver {
                thing: thing.to_owned(),
                from: term.node.to_owned(),
                cause,
                at: since.since_start(),
                to: next.map(|next| next.node.to_owned()),
                after: next.map(|next| next.start.since(since)),
                bound,
                planned,
            });
        }
    }
    found.sort_by_key(|take_over| take_over.at);
    found
}

/// Checks the bounds, and that every lost node had a successor everywhere.
pub(super) fn check(outputs: &Outputs, take_overs: &[TakeOver]) -> Check {
    let mut problems = Vec::new();
    for TakeOver { thing, from, cause, at, to, after, bound, .. } in take_overs {
        let at = Moment::from_start(*at);
        let seconds = bound.as_secs_f64();
        match (to, after) {
            (Some(to), Some(after)) if after > bound => problems.push(format!(
                "{to} took {thing} over from {from} ({cause} at {at}) after {:.3} s; the bound is {seconds:.3} s",
                after.as_secs_f64()
            )),
            (Some(_), Some(_)) => {}
            // Too close to the end to be late.
            _ if outputs.stopping.since(at) <= *bound => {}
            _ => problems.push(format!("nobody took {thing} over from {from} ({cause} at {at})")),
        }
    }
    for expected in [Fault::Killed, Fault::Frozen, Fault::CutOff, Fault::HandsOver, Fault::ShutsDown] {
        let cause = cause(expected).map_or("", |(cause, _)| cause);
        if !take_overs.iter().any(|take_over| take_over.thing == TIMERS && take_over.cause == cause) {
            problems.push(format!(
                "no leader of the timers was lost by {cause}, so the run has shown too little"
            ));
        }
    }
    let slowest = |planned: bool| {
        let of_kind = |take_over: &&TakeOver| take_over.planned == planned;
        let after = take_overs.iter().filter(of_kind).filter_map(|take_over| take_over.after);
        after.max().unwrap_or_default().as_secs_f64()
    };
    let seen = format!(
        "{} take-overs; the slowest after a loss {:.2} s, planned {:.3} s",
        take_overs.len(),
        slowest(false),
        slowest(true)
    );
    Check::new("each take-over is within its bound", seen, problems)
}

/// Checks that whoever was able to notice its loss did so before its successor was granted anything.
pub(super) fn check_order(outputs: &Outputs) -> Check {
    let mut problems = Vec::new();
    let mut pairs = 0;
    for (thing, terms) in terms(outputs) {
        for pair in terms.windows(2) {
            let [term, next] = pair else { continue };
            if is_down(outputs, term.node, next.start) {
                continue;
            }
            pairs += 1;
            let is_late =
                |end: Moment| end.since(next.start) > SAID_WITHIN + outputs.stalled(next.start, end);
            if term.end.is_none_or(is_late) {
                problems.push(format!(
                    "{} still held {thing} (token {}) when {} was granted it (token {}) at {}",
                    term.node, term.token, next.node, next.token, next.start
                ));
            }
        }
    }
    let seen = format!("{pairs} changes of holders");
    Check::new("a holder knows its loss before its successor begins", seen, problems)
}

/// How what `term` is about was lost before `until`: when, why, and whether that was planned.
fn loss(
    outputs: &Outputs,
    thing: &str,
    term: &Term<'_>,
    until: Moment,
) -> Option<(Moment, &'static str, bool)> {
    let of_term = |(at, node, _): &(Moment, &str, Fault)| {
        *node == term.node && term.start <= *at && *at <= until && term.end.is_none_or(|end| *at <= end)
    };
    let fault = outputs.faults().filter(of_term).find_map(|(at, _, fault)| {
        let (cause, planned) = cause(fault)?;
        let concerned = fault != Fault::HandsOver || thing == TIMERS;
        concerned.then_some((at, cause, planned))
    });
    let let_go = || {
        let end = term.end.filter(|end| *end <= until)?;
        Some((end, "let_go", !waits_for_assignor(outputs, thing, end, until)))
    };
    fault.or_else(let_go)
}

/// Whether a sensor that was let go of may have had to wait until there was somebody again who assigns sensors: any node can, so any loss can be the loss of that one.
fn waits_for_assignor(outputs: &Outputs, thing: &str, since: Moment, until: Moment) -> bool {
    let from = Moment::from_start(since.since_start().saturating_sub(outputs.crash_bound()));
    let is_loss = |fault| cause(fault).is_some_and(|(_, planned)| !planned);
    let lost = |(at, _, fault): (Moment, &str, Fault)| is_loss(fault) && from <= at && at <= until;
    thing.starts_with(SENSOR) && outputs.faults().any(lost)
}

/// What a fault makes of leadership, and whether that is planned.
fn cause(fault: Fault) -> Option<(&'static str, bool)> {
    match fault {
        Fault::Killed => Some(("killed", false)),
        Fault::Frozen => Some(("frozen", false)),
        Fault::CutOff => Some(("cut_off", false)),
        Fault::HandsOver => Some(("hands_over", true)),
        Fault::ShutsDown => Some(("shuts_down", true)),
        Fault::Resumed | Fault::Healed | Fault::Restarted => None,
    }
}

/// Whether nothing of `node` ran at `at`.
fn is_down(outputs: &Outputs, node: &str, at: Moment) -> bool {
    let faults = outputs.faults().filter(|(when, name, _)| *name == node && *when <= at);
    faults.fold(false, |down, (_, _, fault)| match fault {
        Fault::Killed | Fault::Frozen => true,
        Fault::Resumed | Fault::Restarted => false,
        _ => down,
    })
}

/// The terms of each thing, by token.
fn terms(outputs: &Outputs) -> BTreeMap<&str, Vec<Term<'_>>> {
    let mut terms: BTreeMap<&str, Vec<Term<'_>>> = BTreeMap::new();
    for record in &outputs.events {
        match &record.event {
            Event::Granted { node, thing, token } => {
                let term = Term { node, token: *token, start: record.at, end: None };
                terms.entry(thing).or_default().push(term);
            }
            Event::Ended { node, thing, token, .. } => {
                let of_thing = terms.get_mut(thing.as_str()).into_iter().flatten();
                of_thing
                    .filter(|term| term.node == *node && term.token == *token)
                    .for_each(|term| term.end = term.end.or(Some(record.at)));
            }
            _ => {}
        }
    }
    for terms in terms.values_mut() {
        terms.sort_by_key(|term| term.token);
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::{TakeOver, check, check_order, find};
    use crate::platform::timeline::{Event, EventRecord, Fault};
    use crate::platform::verify::sample::{at, complains, sample};
    use std::time::Duration;

    /// When `b` follows `a`, in the sample: the kill is at 3 s, the ttl is 2 s.
    fn follow(millis: u64) -> super::Check {
        let mut outputs = sample();
        for record in &mut outputs.events {
            if matches!(&record.event, Event::Granted { token: 20, .. }) {
                record.at = at(millis);
            }
        }
        check(&outputs, &find(&outputs))
    }

    #[test]
    fn a_take_over_after_its_bound_is_found() {
        assert_eq!(follow(6_000).problems, Vec::<String>::new(), "a ttl and a second is the bound");
        complains(&follow(6_001), "b took timers over from a (killed at 3.000 s) after 3.001 s");
    }

    #[test]
    fn what_the_machine_stood_still_is_added_to_a_bound_and_no_more() {
        let with_stall = |millis: u64| {
            let mut outputs = sample();
            for record in &mut outputs.events {
                if matches!(&record.event, Event::Granted { token: 20, .. }) {
                    record.at = at(millis);
                }
            }
            // Half of it was before the kill.
            let stall = Event::Stalled { since: at(2_500) };
            outputs.events.insert(4, EventRecord { at: at(3_500), event: stall });
            find(&outputs).remove(0)
        };
        let TakeOver { after, bound, .. } = with_stall(6_500);
        assert_eq!((after, bound), (Some(bound), Duration::from_millis(3_500)));
        assert!(with_stall(6_501).after > Some(bound));
    }

    #[test]
    fn a_loss_that_nobody_makes_up_for_is_found() {
        let mut outputs = sample();
        outputs
            .events
            .retain(|record| !matches!(&record.event, Event::Granted { .. } if record.at > at(3_000)));
        complains(&check(&outputs, &find(&outputs)), "nobody took timers over from a (killed at 3.000 s)");
    }

    #[test]
    fn a_slow_hand_over_is_found() {
        let mut outputs = sample();
        for record in &mut outputs.events {
            if matches!(&record.event, Event::Granted { token: 40, .. }) {
                record.at = at(10_001);
            }
        }
        complains(&check(&outputs, &find(&outputs)), "a took timers over from c (hands_over at 9.000 s)");
    }

    #[test]
    fn a_fault_of_a_node_that_led_nothing_proves_nothing_and_is_found() {
        let mut outputs = sample();
        for record in &mut outputs.events {
            if let Event::Fault { node, fault: Fault::Killed } = &mut record.event {
                *node = "c".into();
            }
        }
        complains(&check(&outputs, &find(&outputs)), "no leader of the timers was lost by killed");
    }

    /// `sensor/web` goes from `a` to `b`, which is granted it at `next`, after `a` has let go of it at 5.9 s and, in the second case, `c` was lost meanwhile.
    fn give_up(next: u64, lost: bool) -> TakeOver {
        let mut outputs = sample();
        let thing = || "sensor/web".to_owned();
        let ended = Event::Ended { node: "a".into(), thing: thing(), token: 7, reason: "given up".into() };
        let frozen = Event::Fault { node: "c".into(), fault: Fault::Frozen };
        outputs.events.retain(|record| !matches!(record.event, Event::Fault { .. }));
        outputs.events.extend([
            EventRecord {
                at: at(5_000),
                event: Event::Granted { node: "a".into(), thing: thing(), token: 7 },
            },
            EventRecord { at: at(5_900), event: ended },
            EventRecord {
                at: at(next),
                event: Event::Granted { node: "b".into(), thing: thing(), token: 8 },
            },
        ]);
        outputs.events.extend(lost.then_some(EventRecord { at: at(5_950), event: frozen }));
        let found = find(&outputs);
        found.into_iter().find(|take_over| take_over.thing == thing()).unwrap()
    }

    #[test]
    fn a_sensor_that_is_let_go_of_waits_for_nothing_but_the_loss_of_who_assigns() {
        let quick = give_up(6_900, false);
        assert_eq!((quick.cause, quick.planned, quick.after), ("let_go", true, Some(quick.bound)));
        let slow = give_up(8_900, true);
        assert_eq!((slow.cause, slow.planned, slow.after), ("let_go", false, Some(slow.bound)));
    }

    #[test]
    fn a_leader_that_learns_of_its_loss_too_late_is_found() {
        let mut outputs = sample();
        assert_eq!(check_order(&outputs).problems, Vec::<String>::new());
        for record in &mut outputs.events {
            if matches!(&record.event, Event::Ended { token: 20, .. }) {
                record.at = at(8_001);
            }
        }
        complains(&check_order(&outputs), "b still held timers (token 20) when c was granted it (token 30)");
        outputs.events.retain(|record| !matches!(&record.event, Event::Ended { .. }));
        complains(&check_order(&outputs), "b still held timers");
    }
}
