//! Several workers at the same lists: who begins with which, and who is woken by which.

use super::picking::Candidate;
use super::{Outputs, READY, State};
use crate::coordinator::Output;
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Listing, WatchEvent, WatchTarget};
use crate::work_set::options::hash;
use crate::work_set::records::Worker;

/// How long a worker that waits leaves to another what is in that one's share.
const COURTESY: std::time::Duration = std::time::Duration::from_millis(5);

/// Which lists this worker begins with.
pub(super) struct Shares {
    place: usize,
    of: usize,
}

impl Shares {
    pub(super) fn of(state: &State) -> Self {
        let me = state.me.as_ref().map(|me| &me.name);
        let place = state.claimers().position(|name| Some(name) == me).unwrap_or(0);
        Self { place, of: state.claimers().count().max(1) }
    }

    fn has(&self, list: &Name) -> bool {
        hash(list.as_str().as_bytes(), 0) % self.of as u64 == self.place as u64
    }

    pub(super) fn candidates(&self, listing: &Listing, is_later: bool) -> impl Iterator<Item = Candidate> {
        let entries = listing.entries().iter();
        entries.map(move |entry| Candidate::of(entry, is_later, self.has(entry.key().name())))
    }

    /// What to take, in this order: the most urgent first, and of what is as urgent as that what is in our share. What is in the share of others only where that is too little:
    /// each begins somewhere else there, so that not all want the same.
    pub(super) fn chosen(&self, mut candidates: Vec<Candidate>, wanted: usize) -> Vec<Candidate> {
        candidates.sort_by_key(|candidate| (-i16::from(candidate.priority), !candidate.mine));
        let (mut chosen, mut items) = (Vec::with_capacity(candidates.len()), 0);
        for urgent in candidates.chunk_by_mut(|one, other| one.priority == other.priority) {
            let (mine, of_others) = urgent.split_at_mut(urgent.partition_point(|candidate| candidate.mine));
            items += count(mine);
            chosen.extend_from_slice(mine);
            if items < wanted {
                of_others.rotate_left(self.place * of_others.len() / self.of);
                items += count(of_others);
                chosen.extend_from_slice(of_others);
            }
        }
        chosen
    }
}

/// How many items lists have.
fn count(lists: &[Candidate]) -> usize {
    lists.iter().map(|candidate| candidate.list.ids.len()).sum()
}

impl State {
    /// The workers that claim, this one included.
    pub(super) fn claimers(&self) -> impl Iterator<Item = &Name> {
        let me = self.me.as_ref().map(|me| &me.name);
        self.workers.entries().filter_map(move |entry| {
            let claims = Worker::decode(entry.value()).is_some_and(|worker| worker.claims);
            (claims || Some(entry.key().name()) == me).then_some(entry.key().name())
        })
    }

    /// Watches what is ready while somebody waits and there is nothing.
    pub(super) fn watch_ready(&mut self, out: &mut Outputs) {
        let wanted = self.hunt.idle && self.session.is_some() && !self.wants.is_empty();
        if wanted == self.hunt.watching {
            return;
        }
        self.hunt.watching = wanted;
        self.hunt.seen.reset();
        out.push(match wanted {
            true => Output::Watch { slot: READY, target: WatchTarget::Collection(self.keys.ready.clone()) },
            false => Output::Unwatch { slot: READY },
        });
    }

    pub(super) fn ready_changed(&mut self, event: WatchEvent, now: Instant) {
        self.hunt.seen.apply(event);
        let shares = Shares::of(self);
        let lists: Vec<_> = self.hunt.seen.entries().map(|entry| shares.has(entry.key().name())).collect();
        if lists.contains(&true) {
            self.hunt.stir();
        } else if !lists.is_empty() {
            self.hunt.wake_by(now + COURTESY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shares;
    use crate::names::{Collection, Name};
    use crate::spi::{Revision, Stamp};
    use crate::work_set::records::List;
    use crate::work_set::state::Limits;
    use crate::work_set::state::picking::{Candidate, choose};
    use bytes::Bytes;

    /// A list of so many items, which is called by their number.
    fn list(priority: i8, mine: bool, items: usize) -> Candidate {
        let name = Name::internal(format!("{items:03}"));
        let stamp = Stamp::new(
            Collection::parse(&["ready"]).unwrap().key(name),
            Revision::new(1),
            Revision::new(1),
            Bytes::new(),
        );
        let ids = (0..items).map(|at| Name::internal(format!("i{at}"))).collect();
        Candidate { stamp, priority, due: 0, mine, list: List { bytes: 0, ids } }
    }

    fn chosen(place: usize, of: usize, candidates: &[Candidate], wanted: usize) -> Vec<usize> {
        let chosen = Shares { place, of }.chosen(candidates.to_vec(), wanted);
        chosen.iter().map(|candidate| candidate.list.ids.len()).collect()
    }

    #[test]
    fn the_most_urgent_comes_first_and_what_is_not_ours_only_if_that_is_too_little() {
        let lists =
            [list(0, false, 1), list(0, true, 2), list(0, true, 3), list(5, false, 4), list(-1, true, 5)];
        assert_eq!(chosen(0, 2, &lists, 9), [4, 2, 3, 5], "nine are there without the one");
        assert_eq!(chosen(0, 2, &lists, 10), [4, 2, 3, 1, 5]);
    }

    #[test]
    fn whoever_has_no_share_begins_somewhere_else_than_the_others() {
        let lists: Vec<Candidate> = (1..=8).map(|items| list(0, false, items)).collect();
        let begins: Vec<usize> = (0..4).map(|place| chosen(place, 4, &lists, 1)[0]).collect();
        assert_eq!(begins, [1, 3, 5, 7]);
        assert!((0..4).all(|place| chosen(place, 4, &lists, 1).len() == 8), "and takes any of them");
        assert!(chosen(2, 3, &[], 1).is_empty());
    }

    #[test]
    fn a_long_list_is_left_whole_if_little_is_missing() {
        let limits = Limits { steps: 1_000, reads: 100, bytes: 1_000 };
        let taken = |wanted, lists: &[usize]| {
            let mut lists = lists.iter().map(|items| list(0, true, *items)).collect();
            choose(&mut lists, wanted, limits).iter().map(|chosen| chosen.list.ids.len()).collect::<Vec<_>>()
        };
        assert_eq!(taken(100, &[94, 94]), [94]);
        assert_eq!(taken(100, &[94, 6, 94]), [94, 6]);
        assert_eq!(taken(100, &[50, 94]), [50, 94], "much is missing");
        assert_eq!(taken(1, &[94, 94]), [94], "something is taken of the first one in any case");
        assert_eq!(taken(3, &[1, 1, 1, 1]), [1, 1, 1]);
    }
}
