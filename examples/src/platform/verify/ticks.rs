//! Each tick of each timer is emitted once, not early, and none is missing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Check;
use super::outputs::Outputs;
use crate::platform::clock::Moment;
use crate::platform::schedule::{due_at, number_at};

/// How late the last tick before the end may be: nothing is wrong with the platform by then.
const LATE_AT_THE_END: Duration = Duration::from_secs(1);

/// Checks the ticks.
pub(super) fn check(outputs: &Outputs) -> Check {
    let mut problems = Vec::new();
    let before = |moment: Moment, by: Duration| Moment::from_start(moment.since_start().saturating_sub(by));
    let end = before(outputs.stopping, LATE_AT_THE_END);
    let end = before(end, outputs.stalled(end, outputs.stopping));
    for timer in &outputs.run.inputs.timers {
        let mut emitted: BTreeMap<u64, u32> = BTreeMap::new();
        for record in outputs.ticks.iter().filter(|record| record.tick.timer == timer.name) {
            *emitted.entry(record.tick.number).or_default() += 1;
            let due = due_at(timer.interval(), record.tick.number);
            if record.tick.due != due || record.at < due {
                let (name, number) = (&timer.name, record.tick.number);
                problems.push(format!("tick {number} of {name} is due at {due} and came at {}", record.at));
            }
        }
        let last = emitted.keys().max().copied().unwrap_or(0).max(number_at(timer.interval(), end));
        for number in 1..=last {
            match emitted.get(&number) {
                Some(1) => {}
                Some(times) => problems.push(format!("tick {number} of {} came {times} times", timer.name)),
                None => problems.push(format!("tick {number} of {} is missing", timer.name)),
            }
        }
        if emitted.contains_key(&0) {
            problems.push(format!("{} has a tick 0; the first one is 1", timer.name));
        }
    }
    let known = |name: &str| outputs.run.inputs.timers.iter().any(|timer| timer.name == name);
    for record in outputs.ticks.iter().filter(|record| !known(&record.tick.timer)) {
        problems.push(format!("there is no timer {}", record.tick.timer));
    }
    let latest =
        outputs.ticks.iter().map(|record| record.at.since(record.tick.due)).max().unwrap_or_default();
    let seen = format!(
        "{} ticks of {} timers; the latest came {:.2} s late",
        outputs.ticks.len(),
        outputs.run.inputs.timers.len(),
        latest.as_secs_f64()
    );
    Check::new("each tick is emitted once, none is missing", seen, problems)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::platform::verify::sample::{complains, sample};

    #[test]
    fn a_tick_that_comes_twice_is_found() {
        let mut outputs = sample();
        let tick = outputs.ticks[3].clone();
        outputs.ticks.push(tick);
        complains(&check(&outputs), "tick 4 of clock came 2 times");
    }

    #[test]
    fn a_missing_tick_is_found_in_the_middle_and_at_the_end() {
        let mut outputs = sample();
        outputs.ticks.remove(3);
        complains(&check(&outputs), "tick 4 of clock is missing");
        let mut outputs = sample();
        let due = outputs.ticks.len();
        outputs.ticks.truncate(due / 2);
        complains(&check(&outputs), "is missing");
    }

    #[test]
    fn a_tick_that_comes_early_or_has_a_wrong_due_time_is_found() {
        let mut outputs = sample();
        outputs.ticks[3].at = outputs.ticks[2].at;
        complains(&check(&outputs), "tick 4 of clock is due at");
        let mut outputs = sample();
        outputs.ticks[3].tick.due = outputs.ticks[2].tick.due;
        complains(&check(&outputs), "tick 4 of clock is due at");
    }

    #[test]
    fn ticks_of_a_timer_that_does_not_exist_are_found() {
        let mut outputs = sample();
        outputs.ticks[0].tick.timer = "other".into();
        complains(&check(&outputs), "no timer other");
    }
}
