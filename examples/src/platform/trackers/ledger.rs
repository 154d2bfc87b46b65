//! What the operator knows of the executions while they go on: enough to choose the moment of a death, and to tell how it went.

use std::collections::{BTreeMap, BTreeSet};

use crate::platform::clock::Moment;
use crate::platform::records::{ExecutionRecord, Outcome, Step};
use crate::platform::timeline::Event;

/// The executions so far.
#[derive(Debug)]
pub(super) struct Ledger {
    /// After so many results somebody is killed.
    middle: u32,
    /// How many results of each tracker were accepted.
    accepted: BTreeMap<String, u64>,
    /// Who was killed, and when.
    dead: Option<(String, Moment)>,
    /// Who began what, and when.
    begun: Vec<(String, String, Moment)>,
    /// Who has begun what and not ended it.
    open: BTreeSet<(String, String)>,
}

impl Ledger {
    /// One in which a tracker dies after so many results.
    pub(super) fn new(middle: u32) -> Self {
        Self { middle, accepted: BTreeMap::new(), dead: None, begun: Vec::new(), open: BTreeSet::new() }
    }

    /// Whether this is the moment to kill whoever takes this step. It waits for its step to be written, so its claim is still held and dies with it.
    pub(super) fn is_to_be_killed(&self, record: &ExecutionRecord) -> bool {
        let accepted: u64 = self.accepted.values().sum();
        self.dead.is_none() && record.step == Step::Begun && accepted >= u64::from(self.middle)
    }

    /// Notes a death.
    pub(super) fn killed(&mut self, tracker: &str, at: Moment) {
        self.dead = Some((tracker.into(), at));
    }

    /// Notes a step.
    pub(super) fn note(&mut self, record: &ExecutionRecord) {
        let place = (record.tracker.clone(), record.execution.item.clone());
        match &record.step {
            Step::Begun => {
                self.begun.push((place.0.clone(), place.1.clone(), record.at));
                self.open.insert(place);
            }
            Step::Ended(outcome) => {
                self.open.remove(&place);
                if *outcome == Outcome::Accepted {
                    *self.accepted.entry(place.0).or_default() += 1;
                }
            }
        }
    }

    /// What became of the claims of the dead tracker.
    pub(super) fn rescued(&self) -> Option<Event> {
        let (dead, at) = self.dead.as_ref()?;
        let died = |item: &str| self.open.contains(&(dead.clone(), item.to_owned()));
        let again = self.begun.iter().filter(|(tracker, item, _)| tracker != dead && died(item));
        let after: Vec<_> = again.map(|(.., begun)| begun.since(*at)).collect();
        let last = after.iter().max().map_or(0, |after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        Some(Event::Rescued { from: dead.clone(), files: after.len(), after_ms: last })
    }

    /// Who has hashed how many files.
    pub(super) fn drained(&self) -> Event {
        Event::Hashed { files: self.accepted.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;
    use crate::platform::clock::Moment;
    use crate::platform::records::{Execution, ExecutionRecord, Outcome, Step};
    use crate::platform::timeline::Event;
    use std::time::Duration;

    fn step(tracker: &str, item: &str, millis: u64, step: Step) -> ExecutionRecord {
        let execution = Execution { item: item.into(), token: 1, attempt: 1 };
        let at = Moment::from_start(Duration::from_millis(millis));
        ExecutionRecord { at, tracker: tracker.into(), execution, step }
    }

    #[test]
    fn whoever_begins_in_the_middle_is_killed_and_only_the_first_one() {
        let (mut ledger, ended) = (Ledger::new(1), Step::Ended(Outcome::Accepted));
        let steps = [
            (step("a", "x", 1, Step::Begun), false),
            (step("b", "y", 2, Step::Begun), false),
            (step("b", "y", 3, Step::Ended(Outcome::Stale)), false),
            (step("a", "x", 4, ended), false),
            (step("b", "z", 5, Step::Begun), true),
        ];
        for (record, is_killed) in steps {
            assert_eq!(ledger.is_to_be_killed(&record), is_killed, "{record:?}");
            ledger.note(&record);
        }
        ledger.killed("b", Moment::from_start(Duration::from_millis(6)));
        let again = step("a", "z", 46, Step::Begun);
        assert!(!ledger.is_to_be_killed(&again));
        ledger.note(&again);
        ledger.note(&step("a", "z", 47, Step::Ended(Outcome::Accepted)));
        assert_eq!(ledger.rescued(), Some(Event::Rescued { from: "b".into(), files: 1, after_ms: 40 }));
        assert_eq!(ledger.drained(), Event::Hashed { files: [("a".into(), 2)].into() });
    }
}
