//! Whether the store still has the history that this process has seen.
//!
//! The servers refuse a client that has seen more than they have, so within one session the history never goes back. A new session has seen nothing: on an ensemble
//! that was restored from a backup or built anew, tokens would be given out again. So the first write of each session is compared with what the
//! process knew when it was sent. On a break all sessions of this process are over, and new grants are held back, until every holder that may
//! have been forgotten has given up *and* the store has passed the latest transaction that was seen.

use std::sync::Mutex;
use std::time::Duration;

use ha_core::runtime::Instant;
use ha_core::spi::Lineage;

use crate::sync::lock;

/// How far ahead `until` lies while the store has not come back to where it was.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What one backend, with all its sessions, knows of the store.
#[derive(Debug, Default)]
pub(crate) struct Continuity(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// The latest transaction that was seen in this history.
    known: u64,
    generation: u64,
    hold_until: Option<Instant>,
    /// What has to be passed before anything is granted again.
    barrier: u64,
    /// For how long a holder that the store forgot may go on believing in its grant.
    hold: Duration,
}

impl Continuity {
    /// Notes that grants can last for `ttl`.
    pub(crate) fn expect_ttl(&self, ttl: Duration) {
        let mut state = lock(&self.0);
        state.hold = state.hold.max(ttl);
    }

    /// The latest transaction that is known. What is sent from now on is not answered from before it.
    pub(crate) fn known(&self) -> u64 {
        lock(&self.0).known
    }

    /// A session of this generation has seen `transaction`.
    pub(crate) fn saw(&self, generation: u64, transaction: u64) {
        let mut state = lock(&self.0);
        if state.generation == generation {
            state.known = state.known.max(transaction);
        }
    }

    /// A write that was sent when `floor` was known became `transaction`. Returns the generation that it belongs to.
    pub(crate) fn begin(&self, floor: u64, transaction: u64, now: Instant) -> u64 {
        let mut state = lock(&self.0);
        if transaction > floor || transaction > state.known {
            state.known = state.known.max(transaction);
            return state.generation;
        }
        if state.known < floor {
            // Somebody has noticed already.
            return state.generation;
        }
        tracing::error!(
            known = state.known,
            transaction,
            "the store went back: was it restored from a backup, or built anew? all grants are given up, and new ones are held back; raise the \
             base of the tokens"
        );
        state.barrier = state.barrier.max(state.known);
        state.known = transaction;
        state.generation += 1;
        let until = now + state.hold;
        state.hold_until = Some(state.hold_until.map_or(until, |held| held.max(until)));
        state.generation
    }

    /// The generation of the history.
    pub(crate) fn generation(&self) -> u64 {
        lock(&self.0).generation
    }

    /// The lineage of an answer that is given now.
    pub(crate) fn lineage(&self, now: Instant) -> Lineage {
        let lineage = Lineage::new(self.generation());
        self.hold(now).map_or(lineage, |until| lineage.held_until(until))
    }

    /// Until when nothing is granted.
    pub(crate) fn hold(&self, now: Instant) -> Option<Instant> {
        let state = lock(&self.0);
        let behind = (state.known <= state.barrier && state.barrier > 0).then_some(now + ASK_AGAIN);
        state.hold_until.filter(|until| *until > now).max(behind)
    }
}

#[cfg(test)]
mod tests {
    use super::Continuity;
    use ha_core::runtime::Instant;
    use std::time::Duration;

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn sessions_may_begin_in_any_order_but_none_before_what_was_known_when_it_was_asked_for() {
        let continuity = Continuity::default();
        assert_eq!(continuity.begin(0, 100, at(0)), 0);
        assert_eq!(continuity.begin(0, 90, at(0)), 0, "it was sent before");
        assert_eq!(continuity.known(), 100);
        assert_eq!(continuity.begin(100, 99, at(0)), 1);
        assert_eq!(continuity.begin(100, 98, at(0)), 1, "it is the same break");
    }

    #[test]
    fn a_break_holds_grants_back_until_the_store_has_come_back_to_where_it_was() {
        let continuity = Continuity::default();
        continuity.expect_ttl(Duration::from_secs(10));
        continuity.saw(0, 100);
        assert_eq!(continuity.hold(at(0)), None);
        assert_eq!(continuity.begin(100, 40, at(0)), 1);
        continuity.saw(0, 500);
        assert_eq!(continuity.known(), 40, "what an old session saw is void");
        assert_eq!(continuity.lineage(at(0)).hold_until(), Some(at(10)));
        assert_eq!(continuity.hold(at(20)), Some(at(21)), "tokens would be given out again");
        continuity.saw(1, 100);
        assert!(continuity.hold(at(20)).is_some(), "the next token has to be larger, not the same");
        continuity.saw(1, 101);
        assert_eq!(continuity.hold(at(20)), None);
    }
}
