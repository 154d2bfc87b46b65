//! Which ticks are due: arithmetic on the start of the schedule, so that every node numbers them alike.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Moment;
use super::inputs::Timer;

/// One tick of a timer. The first has number 1 and is due one interval after the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tick {
    pub(super) timer: String,
    pub(super) number: u64,
    pub(super) due: Moment,
}

/// The number of the last tick of each timer that was emitted; a timer that is missing has not ticked yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Emitted(BTreeMap<String, u64>);

impl Emitted {
    /// Notes that `tick` was emitted.
    pub(super) fn note(&mut self, tick: &Tick) {
        let last = self.0.entry(tick.timer.clone()).or_default();
        *last = tick.number.max(*last);
    }

    fn last(&self, timer: &str) -> u64 {
        self.0.get(timer).copied().unwrap_or(0)
    }
}

/// The ticks of all timers. It starts with the run.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    timers: Vec<Timer>,
}

impl Schedule {
    /// The schedule of these timers.
    pub(super) fn new(timers: Vec<Timer>) -> Self {
        Self { timers }
    }

    /// The ticks that are due at `now` and were not emitted, in the order in which they became due.
    pub(super) fn due(&self, emitted: &Emitted, now: Moment) -> Vec<Tick> {
        let mut ticks: Vec<Tick> = self
            .timers
            .iter()
            .flat_map(|timer| {
                let missing = emitted.last(&timer.name) + 1..=number_at(timer.interval(), now);
                missing.map(|number| tick(timer, number))
            })
            .collect();
        ticks.sort_by(|a, b| (a.due, &a.timer).cmp(&(b.due, &b.timer)));
        ticks
    }

    /// When the next tick is due that was not emitted.
    pub(super) fn next(&self, emitted: &Emitted) -> Moment {
        let next = self.timers.iter().map(|timer| tick(timer, emitted.last(&timer.name) + 1).due).min();
        next.unwrap_or_default()
    }

    /// As if every tick that is due at `now` had been emitted.
    pub(super) fn skip_to(&self, now: Moment) -> Emitted {
        let last = |timer: &Timer| (timer.name.clone(), number_at(timer.interval(), now));
        Emitted(self.timers.iter().map(last).collect())
    }
}

/// The number of the last tick that is due at `now`, zero before the first.
pub(super) fn number_at(interval: Duration, now: Moment) -> u64 {
    u64::try_from(now.since_start().as_micros() / interval.as_micros().max(1)).unwrap_or(u64::MAX)
}

/// When the tick `number` is due.
pub(super) fn due_at(interval: Duration, number: u64) -> Moment {
    let micros = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
    Moment::from_start(Duration::from_micros(micros.saturating_mul(number)))
}

fn tick(timer: &Timer, number: u64) -> Tick {
    Tick { timer: timer.name.clone(), number, due: due_at(timer.interval(), number) }
}

#[cfg(test)]
mod tests {
    use super::{Emitted, Moment, Schedule};
    use std::time::Duration;

    fn schedule() -> Schedule {
        Schedule::new(
            serde_json::from_str(r#"[{"name":"a","every_ms":200},{"name":"b","every_ms":300}]"#).unwrap(),
        )
    }

    fn at(millis: u64) -> Moment {
        Moment::from_start(Duration::from_millis(millis))
    }

    fn names(schedule: &Schedule, emitted: &Emitted, now: Moment) -> Vec<(String, u64)> {
        schedule.due(emitted, now).into_iter().map(|tick| (tick.timer, tick.number)).collect()
    }

    #[test]
    fn ticks_become_due_one_interval_after_the_start_and_then_each_interval() {
        let schedule = schedule();
        assert_eq!(schedule.next(&Emitted::default()), at(200));
        assert_eq!(names(&schedule, &Emitted::default(), at(199)), []);
        let due = names(&schedule, &Emitted::default(), at(600));
        let expected = [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2)];
        assert_eq!(due, expected.map(|(timer, number)| (timer.into(), number)));
    }

    #[test]
    fn a_successor_that_knows_what_was_emitted_goes_on_with_the_next_tick() {
        let schedule = schedule();
        let mut emitted = Emitted::default();
        schedule.due(&emitted, at(450)).iter().for_each(|tick| emitted.note(tick));
        assert_eq!(names(&schedule, &emitted, at(599)), []);
        assert_eq!(schedule.next(&emitted), at(600));
        // Two seconds without a leader: all that was missed is due at once, none twice.
        let missed = names(&schedule, &emitted, at(2_450));
        assert_eq!(missed.iter().filter(|(timer, _)| timer == "a").count(), 10);
        assert_eq!(missed.iter().filter(|(timer, _)| timer == "b").count(), 7);
        assert_eq!(missed.first(), Some(&("a".into(), 3)));
    }

    #[test]
    fn skipping_leaves_nothing_due() {
        let schedule = schedule();
        assert_eq!(names(&schedule, &schedule.skip_to(at(5_000)), at(5_000)), []);
    }
}
