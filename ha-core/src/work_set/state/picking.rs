//! Which items are taken of those that lists name, and what is written then. It is the same whoever chooses: this process, of what it has read before, or the store, of what is
//! there at the instant of the commit.

#![expect(clippy::disallowed_types, reason = "what is decided is looked up, and never gone through")]

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicU64;

use super::draft::{Draft, Moment, Sent};
use super::{Limits, Me, pop_if};
use crate::names::{Collection, Key, Name};
use crate::spi::{Choice, Entry, Operation, Order, Page, Reads, Stamp, Txn};
use crate::work_set::records::{Keys, List, Record, Stage, claims_name, priority_of, time_of};
use crate::zoo::{Bug, planted};

/// A list of items that may be ready.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) stamp: Stamp,
    pub(super) priority: i8,
    /// When what it names is due; 0 for at once.
    pub(super) due: u64,
    /// It is in the share of this worker.
    pub(super) mine: bool,
    pub(super) list: List,
}

impl Candidate {
    pub(super) fn of(entry: &Entry, is_later: bool, mine: bool) -> Self {
        let name = entry.key().name();
        let priority = priority_of(name, is_later).unwrap_or(i8::MIN);
        // A list that cannot be read names nothing, and is removed by whoever takes it.
        let list = List::decode(entry.value()).unwrap_or_default();
        let due = if is_later { time_of(name).unwrap_or(u64::MAX) } else { 0 };
        Self { stamp: entry.stamp().clone(), priority, due, mine, list }
    }
}

/// The first of the lists, as many as have what is wanted. If little is missing, a long list is left whole: whoever takes some of it is in the way of those who want the rest.
pub(super) fn choose(
    candidates: &mut VecDeque<Candidate>,
    mut wanted: usize,
    limits: Limits,
) -> Vec<Candidate> {
    let mut bytes = 0_u64;
    let mut chosen: Vec<Candidate> = Vec::new();
    let little = wanted / 4;
    while wanted > 0 && chosen.len() < limits.steps / 2 {
        let fits = |candidate: &Candidate| {
            let is_left = wanted <= little && candidate.list.ids.len() > wanted;
            chosen.is_empty() || !is_left && bytes + candidate.list.bytes <= limits.bytes as u64
        };
        let Some(candidate) = pop_if(candidates, fits) else { break };
        wanted = wanted.saturating_sub(candidate.list.ids.len());
        bytes += candidate.list.bytes;
        chosen.push(candidate);
    }
    chosen
}

/// Takes what is ready of what lists name.
pub(super) struct Pick<'a, L, P> {
    /// Shows an item as it is.
    look: L,
    /// Whether an item stays in the lists that name it.
    decided: HashMap<&'a Name, bool>,
    draft: Draft<'a>,
    worker: &'a Name,
    wanted: usize,
    /// How many steps the lists need.
    room: usize,
    items: Vec<(usize, Name, Record<P>)>,
}

/// What is written to take items.
pub(super) struct Picked<P> {
    pub(super) txn: Txn,
    pub(super) sent: Sent,
    /// For each item which operation takes it, and what it becomes.
    pub(super) items: Vec<(usize, Name, Record<P>)>,
    /// The list of what is taken, and which operation creates it.
    pub(super) list: Option<(Name, usize)>,
}

impl<'a, L: FnMut(&Name) -> Option<(Stamp, Record<P>)>, P: AsRef<[u8]> + Clone> Pick<'a, L, P> {
    /// Takes as many as are wanted, of so many lists.
    pub(super) fn new(mut draft: Draft<'a>, worker: &'a Name, wanted: usize, lists: usize, look: L) -> Self {
        let room = lists + 1;
        draft.reserve(wanted + room);
        let (decided, items) = (HashMap::with_capacity(wanted), Vec::with_capacity(wanted));
        Self { look, decided, draft, worker, wanted, room, items }
    }

    /// Takes what can be taken of a list. Only the first `shown` of it can be looked at.
    pub(super) fn list(&mut self, candidate: &'a Candidate, shown: usize, now: u64) {
        // What a list of later items names is due since it was looked at, whatever the clock shows now.
        let now = now.max(candidate.due);
        let before = &candidate.list;
        let mut rest = List { bytes: before.bytes, ids: Vec::new() };
        for (at, id) in before.ids.iter().enumerate() {
            if at >= shown || self.wanted == 0 || self.stays(id, now, &mut rest) {
                rest.ids.push(id.clone());
            }
        }
        if rest.ids.is_empty() || rest.ids.len() < before.ids.len() {
            self.draft.shorten(&candidate.stamp, &rest);
        }
    }

    /// What is to be written, if anything is.
    pub(super) fn finish(self) -> Option<Picked<P>> {
        let Self { mut draft, items, .. } = self;
        let list = (!items.is_empty()).then(|| {
            draft.granting();
            draft.claimed(items.iter().map(|(_, id, _)| id.clone()).collect())
        });
        if draft.is_empty() {
            return None;
        }
        let (txn, sent) = draft.finish();
        Some(Picked { txn, sent, items, list })
    }

    /// Takes an item, or leaves it in its list. Returns whether it stays.
    fn stays(&mut self, id: &'a Name, now: u64, rest: &mut List) -> bool {
        // Another list may name it as well.
        let stays = match self.decided.insert(id, false) {
            Some(stays) => stays,
            None => self.decide(id, now, rest),
        };
        if stays {
            self.decided.insert(id, true);
        }
        stays
    }

    fn decide(&mut self, id: &Name, now: u64, rest: &mut List) -> bool {
        let now = if planted(Bug::ClaimedBeforeItsTime) { u64::MAX } else { now };
        let is_ready =
            |(_, record): &(Stamp, Record<P>)| matches!(record.stage, Stage::Ready { due } if due <= now);
        let (stamp, before) = match (self.look)(id) {
            Some(known) if is_ready(&known) => known,
            // What is not there, not ready, or put off since, leaves the list: whatever makes it ready again lists it again.
            known => {
                let has_room = self.draft.steps_left() > self.room;
                if has_room {
                    self.draft.dismiss(id, known.as_ref().map(|(stamp, _)| stamp));
                }
                return !has_room;
            }
        };
        let taken = before.taken_by(self.worker);
        if !self.draft.fits(&taken, self.room) {
            return true;
        }
        self.wanted -= 1;
        rest.bytes = rest.bytes.saturating_sub(before.payload.as_ref().len() as u64);
        self.items.push((self.draft.update(stamp, &before, &taken), id.clone(), taken));
        false
    }
}

/// The choice as it is left to the store.
#[derive(Debug)]
pub(super) struct Choosing {
    keys: Keys,
    me: Me,
    limits: Limits,
    now: u64,
    wanted: usize,
    /// The number in the name of the list of what is taken.
    number: u64,
    record: Key,
    reads_from: [Collection; 3],
}

impl Choosing {
    pub(super) fn new(
        keys: &Keys,
        me: &Me,
        limits: Limits,
        wanted: usize,
        (now, number): (u64, u64),
    ) -> Self {
        let record = keys.claims.key(claims_name(&me.name, number));
        let reads_from = [&keys.ready, &keys.later, &keys.items].map(Clone::clone);
        Self { keys: keys.clone(), me: me.clone(), limits, now, wanted, number, record, reads_from }
    }

    /// The lists of a collection that may have what is wanted, in its order.
    fn lists(&self, reads: &dyn Reads, of: &Collection, is_later: bool) -> Vec<Candidate> {
        /// How many lists are looked at together: mostly the first one has all that is wanted.
        const PAGE: usize = 4;
        let (mut lists, mut ids, mut after) = (Vec::new(), 0, None);
        while ids < self.wanted && lists.len() < self.limits.steps / 2 {
            let page = reads.page(of, &Page::new(Order::Name { after }, PAGE));
            for entry in page.entries() {
                // What is ready is listed by priority. What was put off is listed by its time: a page of it is looked at whole.
                if ids >= self.wanted && !is_later {
                    return lists;
                }
                let candidate = Candidate::of(entry, is_later, true);
                if candidate.due > self.now {
                    return lists;
                }
                ids += candidate.list.ids.len();
                lists.push(candidate);
            }
            if !page.has_more() {
                break;
            }
            after = page.entries().last().map(|entry| entry.key().name().clone());
        }
        lists
    }
}

impl Choice for Choosing {
    fn record(&self) -> &Key {
        &self.record
    }

    fn reads_from(&self) -> &[Collection] {
        &self.reads_from
    }

    fn plan(&self, reads: &dyn Reads) -> Vec<Operation> {
        let mut candidates = self.lists(reads, &self.keys.ready, false);
        candidates.extend(self.lists(reads, &self.keys.later, true));
        candidates.sort_by_key(|candidate| -i16::from(candidate.priority));
        let chosen = choose(&mut candidates.into(), self.wanted, self.limits);
        let numbers = AtomicU64::new(self.number);
        let moment = Moment { now: self.now, numbers: &numbers };
        let draft = Draft::new(&self.keys, &self.me, self.limits, moment);
        let look = |id: &Name| {
            let entry = reads.entry(&self.keys.items, id)?;
            Some((entry.stamp().named_in(&self.keys.items), Record::view(entry)))
        };
        let mut pick = Pick::new(draft, &self.me.name, self.wanted, chosen.len(), look);
        chosen.iter().for_each(|candidate| pick.list(candidate, usize::MAX, self.now));
        pick.finish().map_or_else(Vec::new, |picked| picked.txn.into_operations())
    }
}
