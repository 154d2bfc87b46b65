//! Whether the store still has the history that this process has seen.
//!
//! Numbers of transactions do not tell: the servers count from where a backup ends, or begin a new epoch, and are beyond all that was seen before anybody looks. Within a
//! session that the backup knows they even go on as if nothing had happened. So there is a node for each name of a node of ours, that its proofs of life write to, which gives it another version. Whoever
//! writes and finds a version that it knew before it asked is on a store that forgot something. Nobody else writes there: with one node for all, the others would make up for what was
//! forgotten before everybody has looked. On such a break all sessions of this process are over, and new
//! grants are held back, until every holder that may have been forgotten has given up *and* the store has passed the latest transaction that was seen.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use ha_core::runtime::Instant;
use ha_core::spi::Lineage;

use crate::client::Stat;
use crate::sync::lock;

/// How far ahead `until` lies while the store has not come back to where it was.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What one backend, with all its sessions, knows of the store.
#[derive(Debug, Default)]
pub(crate) struct Continuity(Mutex<State>);

#[derive(Clone, Debug, Default)]
struct State {
    /// The latest transaction that was seen in this history.
    known: u64,
    /// The latest versions of the nodes that proofs of life write to, by their paths.
    beats: BTreeMap<String, i32>,
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

    /// The latest version that is known of the node at `path`, which proofs of life write to. What is written from now on leaves another one, in this history.
    pub(crate) fn beat(&self, path: &str) -> Option<i32> {
        lock(&self.0).beats.get(path).copied()
    }

    /// A write to the node at `path`, sent when `floor` was known of it, left this. Returns the generation that it belongs to.
    pub(crate) fn judge(&self, path: &str, floor: Option<i32>, left: Stat, now: Instant) -> u64 {
        let mut state = lock(&self.0);
        let known = state.beats.get(path).copied();
        // Less is known than when it was sent: somebody has noticed a break since, and it belongs to what came then.
        let is_noticed = floor.is_some_and(|floor| known.is_none_or(|known| is_later(floor, known)));
        if is_noticed || floor.is_none_or(|floor| is_later(left.version, floor)) {
            if known.is_none_or(|known| is_later(left.version, known)) {
                state.beats.insert(path.to_owned(), left.version);
            }
            state.known = state.known.max(left.modified);
            return state.generation;
        }
        tracing::error!(
            known = state.known,
            transaction = left.modified,
            "the store went back: was it restored from a backup, or built anew? all grants are given up, and new ones are held back; raise the \
             base of the tokens"
        );
        state.barrier = state.barrier.max(state.known);
        state.known = left.modified;
        state.beats = BTreeMap::from([(path.to_owned(), left.version)]);
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

/// Whether a version came later than another one. They begin again below zero once there are no more above.
fn is_later(version: i32, than: i32) -> bool {
    version.wrapping_sub(than) > 0
}

#[cfg(test)]
mod tests {
    use super::Continuity;
    use crate::client::Stat;
    use ha_core::runtime::Instant;
    use std::time::Duration;

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    fn left(version: i32, modified: u64) -> Stat {
        Stat { version, modified, ..Stat::default() }
    }

    #[test]
    fn writes_may_be_answered_in_any_order_but_none_from_before_what_was_known_when_it_was_sent() {
        let continuity = Continuity::default();
        assert_eq!(continuity.judge("a", None, left(7, 100), at(0)), 0);
        assert_eq!(continuity.judge("a", Some(5), left(6, 90), at(0)), 0, "it was sent before");
        assert_eq!((continuity.beat("a"), continuity.known()), (Some(7), 100));
        assert_eq!(
            continuity.judge("a", Some(7), left(7, 101), at(0)),
            1,
            "a later transaction hides nothing"
        );
        assert_eq!(continuity.judge("a", Some(9), left(8, 102), at(0)), 1, "it is the same break");
    }

    #[test]
    fn what_is_noticed_at_one_node_is_noticed_at_all() {
        let continuity = Continuity::default();
        continuity.judge("a", None, left(7, 100), at(0));
        continuity.judge("b", None, left(3, 101), at(0));
        assert_eq!(continuity.judge("a", Some(7), left(2, 90), at(0)), 1);
        assert_eq!(continuity.beat("b"), None);
        assert_eq!(continuity.judge("b", Some(3), left(1, 91), at(0)), 1, "it is the same break");
        assert_eq!(continuity.judge("b", Some(1), left(1, 92), at(0)), 2, "it is another one");
    }

    #[test]
    fn versions_go_on_below_zero() {
        let continuity = Continuity::default();
        continuity.judge("a", None, left(i32::MAX, 9), at(0));
        assert_eq!(continuity.judge("a", Some(i32::MAX), left(i32::MIN, 10), at(0)), 0);
        assert_eq!(continuity.judge("a", Some(i32::MIN), left(i32::MAX, 11), at(0)), 1);
    }

    #[test]
    fn a_break_holds_grants_back_until_the_store_has_come_back_to_where_it_was() {
        let continuity = Continuity::default();
        continuity.expect_ttl(Duration::from_secs(10));
        continuity.judge("a", None, left(5, 100), at(0));
        assert_eq!(continuity.hold(at(0)), None);
        assert_eq!(continuity.judge("a", Some(5), left(2, 40), at(0)), 1);
        continuity.saw(0, 500);
        assert_eq!(continuity.known(), 40, "what an old session saw is void");
        assert_eq!(continuity.lineage(at(0)).hold_until(), Some(at(10)));
        assert_eq!(continuity.hold(at(10)), Some(at(11)), "its tokens would be smaller than those of before");
        continuity.judge("a", Some(2), left(3, 101), at(10));
        assert_eq!(continuity.hold(at(10)), None);
    }
}
