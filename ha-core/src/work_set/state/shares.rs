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

    /// What to take, in this order: the most urgent first, and of what is as urgent as that what is in our share. Only where none of that is, what is in the share of others:
    /// each begins somewhere else there, so that not all want the same.
    pub(super) fn chosen(&self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        candidates.sort_by_key(|candidate| (-i16::from(candidate.priority), !candidate.mine));
        let mut chosen = Vec::with_capacity(candidates.len());
        for urgent in candidates.chunk_by_mut(|one, other| one.priority == other.priority) {
            let mine = urgent.iter().take_while(|candidate| candidate.mine).count();
            if mine > 0 {
                chosen.extend_from_slice(&urgent[..mine]);
                continue;
            }
            let begin = self.place * urgent.len() / self.of;
            urgent.rotate_left(begin);
            chosen.extend_from_slice(urgent);
        }
        chosen
    }
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
