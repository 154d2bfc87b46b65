//! What this process knows of the history of a namespace.
//!
//! The server is told with every request: a server that knows less has forgotten something, begins a new generation, and grants nothing for a while. So what
//! a process has seen is a fence against a store that goes back, whoever talks to it next.

use std::sync::Mutex;
use std::time::Duration;

use ha_core::runtime::Instant;
use ha_core::spi::Lineage;

use crate::answer::Answer;
use crate::clock::micros;
use crate::scripts::Known;
use crate::sync::lock;

/// What all sessions of a backend in one namespace know of it.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    generation: u64,
    revision: u64,
    hold_until: Option<Instant>,
    hold: Duration,
}

/// An answer of a history that is over: of a server that was cut off, or that took its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outdated;

impl History {
    /// Grants can last for `ttl`.
    pub(crate) fn expect_ttl(&self, ttl: Duration) {
        let mut state = lock(&self.0);
        state.hold = state.hold.max(ttl);
    }

    /// What a request that is sent now says.
    pub(crate) fn known(&self) -> Known {
        let State { generation, revision, hold, .. } = *lock(&self.0);
        Known { generation, revision, hold: micros(hold) }
    }

    /// Learns from an answer that is received now, and tells the history that it belongs to.
    pub(crate) fn learn(&self, answer: &Answer, now: Instant) -> Result<Lineage, Outdated> {
        let mut state = lock(&self.0);
        if answer.generation < state.generation {
            return Err(Outdated);
        }
        let until = (!answer.hold.is_zero()).then(|| now + answer.hold);
        let known = state.hold_until.filter(|_| answer.generation == state.generation);
        // The same instant, told again later, seems later by what the answers took.
        state.hold_until = until.map(|until| known.map_or(until, |known| known.min(until)));
        state.generation = answer.generation;
        state.revision = state.revision.max(answer.revision);
        Ok(state.lineage(now))
    }

    /// The history that what is known now belongs to.
    pub(crate) fn lineage(&self, now: Instant) -> Lineage {
        lock(&self.0).lineage(now)
    }
}

impl State {
    fn lineage(&self, now: Instant) -> Lineage {
        let lineage = Lineage::new(self.generation);
        self.hold_until.filter(|until| *until > now).map_or(lineage, |until| lineage.held_until(until))
    }
}

#[cfg(test)]
mod tests {
    use super::{History, Outdated};
    use crate::answer::{Answer, Status};
    use crate::resp::Reply;
    use ha_core::runtime::Instant;
    use std::time::Duration;

    fn answer(generation: u64, revision: u64, hold: u64) -> Answer {
        let hold = Duration::from_secs(hold);
        Answer { status: Status::Done, generation, hold, revision, next_over: None, rest: Reply::Nil }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn answers_of_one_generation_may_come_in_any_order() {
        let history = History::default();
        history.learn(&answer(5, 9, 0), at(0)).unwrap();
        history.learn(&answer(5, 7, 0), at(0)).unwrap();
        assert_eq!((history.known().generation, history.known().revision), (5, 9));
    }

    #[test]
    fn an_older_generation_is_void_and_a_newer_one_brings_its_hold() {
        let history = History::default();
        history.learn(&answer(5, 9, 0), at(0)).unwrap();
        let lineage = history.learn(&answer(10, 10, 6), at(1)).unwrap();
        assert_eq!((lineage.generation(), lineage.hold_until()), (10, Some(at(7))));
        assert_eq!(history.learn(&answer(5, 30, 0), at(2)), Err(Outdated));
        assert_eq!(history.known().revision, 10, "nothing is learned from it");
        let late = history.learn(&answer(10, 11, 5), at(3)).unwrap();
        assert_eq!(late.hold_until(), Some(at(7)), "an answer that took a second");
        assert_eq!(history.lineage(at(7)).hold_until(), None);
    }
}
