//! Claims of workers that are gone: found by the names of their lists, taken back under the guard that the worker's entry is absent.

use std::collections::{BTreeMap, VecDeque};

use super::adding::found;
use super::draft::{Draft, Sent, millis};
use super::{Asked, Outputs, State};
use crate::coordinator::Context;
use crate::names::Name;
use crate::spi::{Committed, Conflict, Entry, Page, Revision, Stamp, Txn};
use crate::work_set::options::hash;
use crate::work_set::records::{List, Record, Stage, Tally, behind, worker_of};
use crate::work_set::state::settling::OwnList;
use crate::zoo::{Bug, planted};

/// How many lists are looked at in one request.
const LISTS: usize = 8;
/// How many numbers of workers that are gone are taken over in one request.
const TALLIES: usize = 16;
/// Why an item is a dead letter that too many workers left behind.
const DIED: &str = "the workers that had it died";

/// How far the search is.
#[derive(Debug, Default)]
pub(super) struct Rescue {
    /// How often it was begun. An answer to what was asked before says nothing of how far it is now.
    round: u64,
    phase: Phase,
    cursor: Option<Name>,
    found: VecDeque<Left>,
    /// Something was left to other workers, or did not work: it is looked at again.
    left: bool,
    /// Own lists may name what this process does not know of.
    own: bool,
}

/// A list of what a worker had that is gone.
#[derive(Debug)]
pub(super) struct Left {
    stamp: Stamp,
    worker: Name,
    list: List,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nobody is known to be gone.
    #[default]
    Rest,
    /// Takes back what is in the own share.
    Share,
    /// Takes back whatever is there.
    All,
    /// Takes over numbers.
    Tallies,
}

impl Rescue {
    /// Somebody may be gone.
    pub(super) fn begin(&mut self) {
        *self = Self { round: self.round + 1, phase: Phase::Share, own: self.own, ..Self::default() };
    }

    /// There may be own claims that this process does not know of.
    pub(super) fn begin_own(&mut self) {
        self.own = true;
        self.begin();
    }

    fn next_phase(&mut self) {
        let phase = match self.phase {
            Phase::Share | Phase::All if self.left => Phase::All,
            Phase::Share | Phase::All => Phase::Tallies,
            Phase::Rest | Phase::Tallies => Phase::Rest,
        };
        let own = self.own && phase == Phase::All;
        *self = Self { round: self.round, phase, own, ..Self::default() };
    }
}

/// What is asked on the way.
#[derive(Debug)]
pub(super) enum Step {
    List,
    Read { left: Left, count: usize },
    Take { sent: Sent, worker: Name, own: Option<Seen> },
    Tallies,
    Fold { sent: Sent },
}

/// An own list that names no more than what this process holds, once it was shortened.
#[derive(Debug)]
pub(super) struct Seen {
    list: Name,
    shortened_by: usize,
}

impl State {
    /// Own lists may name what this process does not know of: none is deleted before it has been looked at.
    pub(super) fn doubt_lists(&mut self) {
        self.lists.values_mut().for_each(|list| list.left = None);
        self.rescue.begin_own();
    }

    /// Does the next thing to get back what workers had that are gone.
    pub(super) fn rescue(&mut self, _: &Context<'_>, out: &mut Outputs) -> bool {
        if self.rescue.phase == Phase::Rest || !self.workers.is_known() || self.me.is_none() {
            return false;
        }
        if self.rescue.phase == Phase::Tallies {
            let page = match self.rescue.cursor.clone() {
                Some(after) => Page::after(after, TALLIES),
                None => Page::by_name(TALLIES),
            };
            let txn = Txn::new().read_back(self.keys.tallies.clone(), page);
            self.ask_for_rescue(Step::Tallies, txn, out);
            return true;
        }
        if let Some(left) = self.rescue.found.pop_front() {
            let count = left.list.ids.len().min(self.limits.reads);
            let txn = match &left.list.ids[..count] {
                [] => Txn::new().read_back(self.keys.claims.clone(), Page::by_name(1)),
                ids => self.read_items(ids),
            };
            self.ask_for_rescue(Step::Read { left, count }, txn, out);
            return true;
        }
        let page = match self.rescue.cursor.clone() {
            Some(after) => Page::after(after, LISTS),
            None => Page::by_name(LISTS),
        };
        let txn = Txn::new().read_back(self.keys.claims.clone(), page);
        self.ask_for_rescue(Step::List, txn, out);
        true
    }

    pub(super) fn rescued(
        &mut self,
        (round, step): (u64, Step),
        committed: Committed,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        match step {
            Step::List | Step::Tallies if round != self.rescue.round => {}
            Step::List => {
                let Some(listing) = committed.reads.into_iter().next() else { return };
                let more = listing.has_more();
                self.sort_out(&listing.into_entries(), more);
            }
            Step::Read { left, count } => self.take_back(left, (round, count), committed, context, out),
            Step::Take { sent, own, .. } => {
                if let Some(me) = &mut self.me {
                    me.sent(&sent, &committed);
                }
                if let Some(Seen { list, shortened_by }) = own {
                    let stamp = committed.stamps.get(shortened_by).cloned().flatten();
                    self.trust(round, list, stamp);
                }
                self.hunt.stir();
            }
            Step::Tallies => {
                let Some(listing) = committed.reads.into_iter().next() else { return };
                let more = listing.has_more();
                self.fold(&listing.into_entries(), more, context, out);
            }
            Step::Fold { sent } => {
                if let Some(me) = &mut self.me {
                    me.sent(&sent, &committed);
                }
            }
        }
    }

    fn ask_for_rescue(&mut self, step: Step, txn: Txn, out: &mut Outputs) {
        self.ask(Asked::Rescue((self.rescue.round, step)), txn, out);
    }

    /// Which of these lists are of workers that are gone.
    fn sort_out(&mut self, entries: &[Entry], more: bool) {
        for entry in entries {
            let name = entry.key().name();
            self.rescue.cursor = Some(name.clone());
            let Some(worker) = worker_of(name) else { continue };
            let is_own = self.is_own(&worker);
            if if is_own { !self.rescue.own } else { self.is_there(&worker) } {
                // All of its lists are passed over at once.
                self.rescue.cursor = Some(behind(&worker));
                return;
            }
            if self.rescue.phase == Phase::Share && !is_own && !self.is_mine(name) {
                self.rescue.left = true;
                continue;
            }
            if self.lists.get(name).is_some_and(|list| list.left.is_some()) {
                continue;
            }
            let list = List::decode(entry.value()).unwrap_or_default();
            self.rescue.found.push_back(Left { stamp: entry.stamp().clone(), worker, list });
        }
        if !more && self.rescue.found.is_empty() {
            self.rescue.next_phase();
        }
    }

    fn is_there(&self, worker: &Name) -> bool {
        self.workers.get(&self.keys.workers.key(worker.clone())).is_some()
    }

    /// Whether it is a name of this process in this session: there is nothing of its own that it does not know, unless the store went back.
    fn is_own(&self, worker: &Name) -> bool {
        let session = self.session.as_ref().map(|session| session.as_str());
        worker.as_str().rsplit_once('-').map(|(of, _)| of) == session
    }

    fn is_mine(&self, list: &Name) -> bool {
        let me = self.me.as_ref().map(|me| &me.name);
        let there: Vec<_> = self.workers.entries().map(|entry| entry.key().name()).collect();
        let place = there.iter().position(|name| Some(*name) == me).unwrap_or(0);
        hash(list.as_str().as_bytes(), 0) % there.len().max(1) as u64 == place as u64
    }

    fn take_back(
        &mut self,
        left: Left,
        (round, count): (u64, usize),
        committed: Committed,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        let Left { stamp, worker, list } = left;
        let (own, name) = (self.is_own(&worker), stamp.key().name().clone());
        let Some(me) = &self.me else { return };
        let held = self.held_by(own);
        let (read, now) = (found(committed), millis(context));
        let mut draft = Draft::new(&self.keys, me, self.limits, context);
        let (mut rest, mut is_whole) = (List::default(), true);
        for (at, id) in list.ids.iter().enumerate() {
            let known = read.get(id);
            let claimed = known.filter(|(_, record)| record.is_claimed_by(&worker));
            let held_under = claimed.and_then(|(stamp, _)| held.get(&(id, stamp.modified())));
            if held_under.is_some_and(|list| **list == name) {
                rest.ids.push(id.clone());
                continue;
            }
            let given_back = claimed.filter(|_| held_under.is_none()).map(|(stamp, before)| {
                let after = match own {
                    true => Record { stage: Stage::Ready { due: 0 }, ..before.clone() },
                    false => before.abandoned(self.policy.retry.max_abandons, now, DIED),
                };
                (stamp, before, after)
            });
            let has_room = match &given_back {
                Some((.., after)) => draft.fits(after, 1),
                None => draft.steps_left() > 1,
            };
            match given_back {
                _ if at >= count || !has_room => {
                    rest.ids.push(id.clone());
                    is_whole = false;
                }
                Some((stamp, before, after)) => drop(draft.update(stamp.clone(), before, &after)),
                None => draft.dismiss(id, known.map(|(stamp, _)| stamp)),
            }
        }
        let is_seen = own && is_whole;
        if rest.ids.len() == list.ids.len() && !rest.ids.is_empty() {
            return if is_seen {
                self.trust(round, name, Some(stamp))
            };
        }
        // What did not fit is looked at in the next round.
        self.rescue.left |= !is_whole;
        let shortened_by = draft.shorten(&stamp, &rest);
        if !own && !planted(Bug::TakenFromTheLiving) {
            draft.absent(self.keys.workers.key(worker.clone()));
        }
        let (txn, sent) = draft.finish();
        let own = is_seen.then_some(Seen { list: name, shortened_by });
        self.ask_for_rescue(Step::Take { sent, worker, own }, txn, out);
    }

    /// The claims of this process, by item and state, and the lists that name them.
    fn held_by(&self, own: bool) -> BTreeMap<(&Name, Revision), &Name> {
        let held = self.held.values().filter(|_| own);
        held.map(|held| ((&held.id, held.stamp.modified()), &held.list)).collect()
    }

    /// An own list names what this process holds and nothing else, as of what was asked in `round`. It is `None` if it is not there any more.
    fn trust(&mut self, round: u64, list: Name, stamp: Option<Stamp>) {
        let Some(stamp) = stamp else { return drop(self.lists.remove(&list)) };
        if round == self.rescue.round {
            let left = self.held.values().filter(|held| held.list == list).count();
            self.lists.insert(list, OwnList { stamp, left: Some(left) });
        }
    }

    /// Takes over the numbers of workers that are gone, so that there are as many as there are workers.
    fn fold(&mut self, entries: &[Entry], more: bool, context: &Context<'_>, out: &mut Outputs) {
        let Some(me) = &self.me else { return };
        let mut draft = Draft::new(&self.keys, me, self.limits, context);
        for entry in entries {
            let name = entry.key().name();
            let is_known = *name == me.name || self.is_there(name) || self.is_own(name);
            if is_known || draft.steps_left() < 4 {
                continue;
            }
            draft.remove(entry.stamp());
            draft.absent(self.keys.workers.key(name.clone()));
            draft.inherit(Tally::decode(entry.value()).unwrap_or_default());
        }
        let is_done = draft.is_empty();
        let (txn, sent) = draft.finish();
        self.rescue.cursor = entries.last().map(|entry| entry.key().name().clone());
        if !more {
            self.rescue.next_phase();
        }
        if !is_done {
            self.ask_for_rescue(Step::Fold { sent }, txn, out);
        }
    }

    /// Somebody else was faster, or the worker is there after all.
    pub(super) fn rescue_conflicted(&mut self, (round, step): (u64, Step), conflict: &Conflict) {
        match step {
            _ if round != self.rescue.round => {}
            Step::Take { worker, .. } => {
                if conflict.keys.contains(&self.keys.workers.key(worker.clone())) {
                    self.rescue.found.retain(|left| left.worker != worker);
                    self.rescue.cursor = self.rescue.cursor.take().max(Some(behind(&worker)));
                } else {
                    self.rescue.left = true;
                }
            }
            Step::Fold { .. } => self.rescue.next_phase(),
            _ => {}
        }
    }
}
