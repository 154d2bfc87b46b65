//! Whether the store still has the history that this process has seen.
//!
//! A cluster that was restored from a backup looks like any other, but its revision has gone back: tokens would be given out
//! again, and grants that were made after the backup are forgotten. So every answer is compared with what was known when its
//! request was sent. On a break all sessions of this process are over, and new grants are held back, until every holder that may
//! have been forgotten has given up *and* the revision has passed the highest one seen.

use std::sync::Mutex;
use std::time::Duration;

use ha_core::runtime::Instant;
use ha_core::spi::Lineage;

use crate::client::Header;
use crate::sync::lock;

/// How far ahead `until` lies while the revision has not come back to where it was.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What one backend, with all its sessions, knows of the store.
#[derive(Debug, Default)]
pub(crate) struct Continuity(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// The latest that was answered in this history.
    known: Header,
    generation: u64,
    hold_until: Option<Instant>,
    /// The revision that has to be passed before anything is granted again.
    barrier: u64,
    /// For how long a holder that the store forgot may go on believing in its grant.
    hold: Duration,
}

/// What an answer says about the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Continued,
    /// Another cluster answered.
    Foreign,
    /// The answer is older than what was known when it was asked for.
    WentBack,
}

impl Continuity {
    /// Notes that grants can last for `ttl`.
    pub(crate) fn expect_ttl(&self, ttl: Duration) {
        let mut state = lock(&self.0);
        state.hold = state.hold.max(ttl);
    }

    /// What is known now. An answer to a request that is sent from now on has to be as new.
    pub(crate) fn known(&self) -> Header {
        lock(&self.0).known
    }

    /// Judges a linearizable answer to a request that was sent when `floor` was known, and learns from it.
    pub(crate) fn judge(&self, floor: Header, answer: Header) -> Verdict {
        let mut state = lock(&self.0);
        if state.known.cluster != 0 && answer.cluster != state.known.cluster {
            return Verdict::Foreign;
        }
        if floor.cluster == answer.cluster && answer.revision < floor.revision {
            return Verdict::WentBack;
        }
        state.known.cluster = answer.cluster;
        state.known.revision = state.known.revision.max(answer.revision);
        state.known.term = state.known.term.max(answer.term);
        Verdict::Continued
    }

    /// The history of `generation` is over, as the proven answer shows. True for the first one to say so.
    pub(crate) fn break_off(&self, generation: u64, answer: Header, now: Instant) -> bool {
        let mut state = lock(&self.0);
        if state.generation != generation {
            return false;
        }
        tracing::error!(
            known = ?state.known, ?answer,
            "the store went back: was it restored from a backup? all grants are given up, and new ones are held back; \
             raise the base of the tokens, or restore with a bumped revision"
        );
        state.barrier = state.barrier.max(state.known.revision);
        state.known = answer;
        state.generation += 1;
        let hold = state.hold;
        state.hold_until = Some(state.hold_until.map_or(now + hold, |until| until.max(now + hold)));
        true
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
        let behind = (state.known.revision <= state.barrier && state.barrier > 0).then_some(now + ASK_AGAIN);
        state.hold_until.filter(|until| *until > now).max(behind)
    }
}

#[cfg(test)]
mod tests {
    use super::{Continuity, Verdict};
    use crate::client::Header;
    use ha_core::runtime::Instant;
    use std::time::Duration;

    const HOLD: Duration = Duration::from_secs(10);

    fn header(cluster: u64, revision: u64) -> Header {
        Header { cluster, revision, term: 2 }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn answers_may_come_in_any_order_but_none_older_than_what_was_known_at_its_sending() {
        let continuity = Continuity::default();
        let first = continuity.known();
        assert_eq!(continuity.judge(first, header(7, 100)), Verdict::Continued);
        assert_eq!(continuity.judge(first, header(7, 90)), Verdict::Continued, "it was sent before");
        assert_eq!(continuity.known().revision, 100);
        assert_eq!(continuity.judge(continuity.known(), header(7, 99)), Verdict::WentBack);
        assert_eq!(continuity.judge(continuity.known(), header(8, 200)), Verdict::Foreign);
        assert_eq!(continuity.lineage(at(0)).generation(), 0);
    }

    #[test]
    fn a_break_begins_a_generation_and_holds_until_the_revision_has_come_back() {
        let continuity = Continuity::default();
        continuity.expect_ttl(HOLD);
        continuity.judge(Header::default(), header(7, 100));
        assert!(continuity.break_off(0, header(7, 40), at(0)));
        assert!(!continuity.break_off(0, header(7, 41), at(1)), "it is the same break");
        assert_eq!(continuity.lineage(at(0)).generation(), 1);
        assert_eq!(continuity.hold(at(9)), Some(at(10)));
        assert_eq!(continuity.hold(at(20)), Some(at(21)), "tokens would be given out again");
        assert_eq!(continuity.judge(continuity.known(), header(7, 100)), Verdict::Continued);
        assert!(continuity.hold(at(20)).is_some(), "the next token has to be larger, not the same");
        continuity.judge(continuity.known(), header(7, 101));
        assert_eq!(continuity.hold(at(20)), None);
        assert!(continuity.break_off(1, header(9, 300), at(30)), "another cluster");
        assert_eq!(continuity.lineage(at(30)).hold_until(), Some(at(40)));
    }
}
