//! Claiming: looks what is ready, reads it, takes it. Or leaves the choice to the store, where that can choose.
//!
//! Several workers look at the same lists. Each begins with its own share of them, by a hash of their names, so that they seldom want the same; which one gets an item is
//! decided by the store.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::adding::found;
use super::draft::{Draft, Sent, millis};
use super::picking::{Candidate, Choosing, Pick, Picked, choose};
use super::{Asked, Attempts, Delivery, Held, Outputs, State, Taken, answered};
use crate::coordinator::{Context, Output};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Change, Committed, Conflict, Entry, Key, Operation, Page, Take, Txn, WatchEvent};
use crate::view::View;
use crate::work_set::records::{Record, Tally, Worker, time_of};
use crate::work_set::state::settling::OwnList;
use crate::work_set::state::shares::Shares;

/// How many items the lists have that are looked at together, at most, about: they are read again and again while others take them.
const WINDOW_ITEMS: usize = 12_800;

/// A caller that wants items.
#[derive(Debug)]
pub(super) struct Want {
    pub(super) caller: u64,
    pub(super) limit: usize,
    pub(super) waits: bool,
}

/// What this process knows of what is ready.
#[derive(Debug)]
pub(super) struct Hunt {
    candidates: VecDeque<Candidate>,
    /// How many items a list has, about.
    density: usize,
    /// There was nothing when it looked last, and nothing has changed since.
    pub(super) idle: bool,
    stirred: bool,
    pub(super) watching: bool,
    pub(super) seen: View,
    wake_at: Option<Instant>,
}

impl Default for Hunt {
    fn default() -> Self {
        Self {
            candidates: VecDeque::new(),
            density: 1,
            idle: false,
            stirred: false,
            watching: false,
            seen: View::default(),
            wake_at: None,
        }
    }
}

impl Hunt {
    /// Something may have become ready.
    pub(super) fn stir(&mut self) {
        self.idle = false;
        self.stirred = true;
    }

    pub(super) fn forget(&mut self) {
        self.candidates.clear();
        self.stir();
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.wake_at
    }

    /// Looks at the time that has come.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.wake_at.take_if(|at| *at <= now).is_some() {
            self.stir();
        }
    }

    pub(super) fn wake_by(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }
}

/// Whether something was put off since `before`, or may have been: then it is looked when it is due.
///
/// A time that has passed by now says so like any other. So does another one in place of it, and a worker that is gone: what it said last may not have been seen.
pub(super) fn is_put_off(before: &View, event: &WatchEvent) -> bool {
    let due = |entry: &Entry| Worker::decode(entry.value()).map_or(0, |worker| worker.due);
    let says_more = |entry: &Entry| {
        let known = before.get(entry.key()).filter(|known| known.created() == entry.created());
        due(entry) != known.map_or(0, due)
    };
    match event {
        WatchEvent::Snapshot { entries, .. } => {
            let left = |known: &Entry| !entries.iter().any(|entry| entry.stamp().key() == known.key());
            entries.iter().any(says_more) || before.entries().any(left)
        }
        WatchEvent::Changed { changes, .. } => changes.iter().any(|change| match change {
            Change::Put(entry) => says_more(entry),
            Change::Removed(_) => true,
        }),
        WatchEvent::Interrupted | WatchEvent::Discontinuity(_) => false,
    }
}

/// Items that are being taken.
#[derive(Debug)]
pub(super) struct Taking {
    sent: Sent,
    /// For each item which operation takes it, and what it becomes.
    items: Vec<(usize, Name, Record)>,
    list: Option<(Name, usize)>,
    pub(super) chosen: Vec<Candidate>,
}

impl State {
    /// Does the next thing on the way to what callers want.
    pub(super) fn hunt(&mut self, context: &Context<'_>, out: &mut Outputs) -> bool {
        if self.wants.is_empty() || self.hunt.idle || self.hold_until.is_some() || !self.workers.is_known() {
            return false;
        }
        if self.me.is_none() {
            return false;
        }
        let wanted = self.wanted();
        let chosen = choose(&mut self.hunt.candidates, wanted, self.limits);
        // By the next time somebody has taken what is in the share of others.
        self.hunt.candidates.retain(|candidate| candidate.mine);
        if chosen.is_empty() {
            self.hunt.stirred = false;
            if self.takes {
                return self.leave_it_to_the_store(context, out);
            }
            let txn = Txn::new()
                .read_back(self.keys.ready.clone(), Page::by_name(self.window()))
                .read_back(self.keys.later.clone(), Page::by_name(self.window()));
            self.ask(Asked::Look, txn, out);
            return true;
        }
        let mut wanted = wanted;
        let mut ids = Vec::new();
        for candidate in &chosen {
            let of_it = candidate.list.ids.iter().take(wanted);
            ids.extend(of_it.cloned());
            wanted = wanted.saturating_sub(candidate.list.ids.len());
        }
        let txn = match ids.as_slice() {
            // A list that says nothing: it is removed.
            [] => Txn::new().read_back(self.keys.ready.clone(), Page::by_name(1)),
            ids => self.read_items(ids),
        };
        self.ask(Asked::Read(chosen, ids), txn, out);
        true
    }

    /// Has the store choose. What is there is read back: if nothing was taken, it says when something will be.
    fn leave_it_to_the_store(&mut self, context: &Context<'_>, out: &mut Outputs) -> bool {
        let Some(me) = &self.me else { return false };
        let (now, number) = (millis(context), context.numbers.fetch_add(1, Ordering::Relaxed));
        let choosing = Choosing::new(&self.keys, me, self.limits, self.wanted(), (now, number));
        let txn = Txn::new()
            .held(me.stamp.clone())
            .take(Take::new(choosing))
            .read_back(self.keys.ready.clone(), Page::by_name(1))
            .read_back(self.keys.later.clone(), Page::by_name(1));
        self.ask(Asked::Choose, txn, out);
        true
    }

    /// How many items are taken at once, at most.
    fn wanted(&self) -> usize {
        let limits = self.wants.iter().map(|want| want.limit);
        limits.fold(0_usize, usize::saturating_add).min(self.limits.reads)
    }

    /// How many lists are looked at: enough for each worker to find its share.
    fn window(&self) -> usize {
        let lists = self.wanted().div_ceil(self.hunt.density.max(1));
        let enough = 2 + lists.saturating_mul(match self.claimers().count() {
            0 | 1 => 2,
            several => 3 * several,
        });
        enough.min(WINDOW_ITEMS / self.hunt.density.max(1)).max(2)
    }

    pub(super) fn looked(&mut self, committed: &Committed, context: &Context<'_>, out: &mut Outputs) {
        let [ready, later] = committed.reads.as_slice() else { return };
        let now = millis(context);
        let shares = Shares::of(self);
        let mut candidates: Vec<_> = shares.candidates(ready, false).collect();
        let ids: usize = candidates.iter().map(|candidate| candidate.list.ids.len()).sum();
        if !candidates.is_empty() {
            self.hunt.density = (ids / candidates.len()).max(1);
        }
        candidates.extend(shares.candidates(later, true).filter(|candidate| candidate.due <= now));
        let due = later.entries().iter().filter_map(|entry| time_of(entry.key().name()));
        if let Some(due) = due.filter(|due| *due > now).min() {
            self.hunt.wake_by(context.now + Duration::from_millis(due - now));
        }
        self.hunt.candidates = shares.chosen(candidates, self.wanted()).into();
        if self.hunt.candidates.is_empty() {
            self.hunt.idle = !self.hunt.stirred;
            self.give_nothing(out);
        }
    }

    /// Answers those who do not wait.
    fn give_nothing(&mut self, out: &mut Outputs) {
        for want in std::mem::take(&mut self.wants) {
            let Want { caller, limit, waits } = want;
            match waits {
                true => self.wants.push_back(want),
                false => {
                    out.push(Output::Deliver(Delivery::Claimed { caller, limit, waits, claims: Vec::new() }))
                }
            }
        }
    }

    pub(super) fn read(
        &mut self,
        chosen: Vec<Candidate>,
        ids: &[Name],
        committed: Committed,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        let Some(me) = &self.me else { return self.hunt.forget() };
        let draft = Draft::new(&self.keys, me, self.limits, context);
        let mut read = found(committed);
        let look = |id: &Name| read.remove(id);
        let mut pick = Pick::new(draft, &me.name, self.wanted(), chosen.len(), look);
        let mut unread = ids.len();
        for candidate in &chosen {
            pick.list(candidate, unread, millis(context));
            unread = unread.saturating_sub(candidate.list.ids.len());
        }
        if let Some(Picked { txn, sent, items, list }) = pick.finish() {
            self.ask(Asked::Take(Taking { sent, items, list, chosen }), txn, out);
        }
    }

    /// The store has chosen.
    pub(super) fn chosen(&mut self, committed: Committed, context: &Context<'_>, out: &mut Outputs) {
        if committed.taken.is_empty() {
            return self.looked(&committed, context, out);
        }
        let (me, items) = (self.me.as_ref(), Vec::with_capacity(committed.taken.len()));
        let mut taking = Taking { sent: Sent::default(), items, list: None, chosen: Vec::new() };
        for (at, operation) in committed.taken.iter().enumerate() {
            let (Operation::Create { value, .. } | Operation::Update { value, .. }) = operation else {
                continue;
            };
            let (of, name) = (operation.key().collection(), operation.key().name());
            if *of == self.keys.items {
                let record =
                    me.map_or_else(|| Record::decode(value), |me| Record::decode_of(&me.name, value));
                taking.items.extend(record.map(|record| (at, name.clone(), record)));
            } else if *of == self.keys.claims {
                taking.list = Some((name.clone(), at));
            } else if *of == self.keys.tallies {
                taking.sent.tally = Tally::decode(value).map(|tally| (at, tally));
            } else if *of == self.keys.workers {
                taking.sent.worker = Worker::decode(value).map(|worker| (at, worker));
            }
        }
        self.took(taking, committed, context, out);
    }

    pub(super) fn took(
        &mut self,
        taking: Taking,
        mut committed: Committed,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        if let Some(me) = &mut self.me {
            me.sent(&taking.sent, &committed);
        }
        let mut stamp = |at: usize| committed.stamps.get_mut(at)?.take();
        let Some((list, list_at)) = taking.list else { return };
        if let Some(stamp) = stamp(list_at) {
            self.lists.insert(list.clone(), OwnList { stamp, left: Some(taking.items.len()) });
        }
        self.end_older(&taking.items, out);
        let deadline = self.policy.deadline.map(|span| context.now + span);
        self.due_by(deadline);
        let mut claims = VecDeque::with_capacity(taking.items.len());
        for (at, id, record) in taking.items {
            let Some(stamp) = stamp(at) else { continue };
            let claim = self.number();
            let Record { claims: times, failures, abandons, .. } = record;
            let attempts = Attempts { claims: times, failures, abandons };
            claims.push_back(Taken {
                claim,
                id: id.clone(),
                stamp: stamp.clone(),
                payload: record.payload.clone(),
                attempts,
            });
            let held = Held { id, stamp, record, list: list.clone(), deadline };
            self.held.insert(claim, Box::new(held));
        }
        if self.hold_until.is_some_and(|until| context.now < until) {
            // Made while the store holds grants back: whoever had them before may not know yet.
            let release =
                claims.into_iter().map(|taken| (taken.claim, taken.id, super::Verdict::Release)).collect();
            return self.settle(None, self.policy, release, out);
        }
        self.hand_out(claims, out);
    }

    /// Gives claims to those who want some, in the order in which they asked.
    fn hand_out(&mut self, mut claims: VecDeque<Taken>, out: &mut Outputs) {
        while !claims.is_empty() {
            let Some(Want { caller, limit, waits }) = self.wants.pop_front() else { break };
            let claims: Vec<_> = claims.drain(..limit.min(claims.len())).collect();
            out.push(Output::Deliver(Delivery::Claimed { caller, limit, waits, claims }));
        }
        // Those who wanted them are gone.
        let release =
            claims.into_iter().map(|taken| (taken.claim, taken.id, super::Verdict::Release)).collect();
        self.settle(None, self.policy, release, out);
    }

    /// Somebody else was faster with some of it: goes on with the rest.
    pub(super) fn take_conflicted(&mut self, chosen: Vec<Candidate>, conflict: &Conflict, out: &mut Outputs) {
        let items = &self.keys.items;
        let is_named = |key: &Key| conflict.keys.contains(key);
        let is_left = |candidate: &Candidate| {
            candidate.mine
                && !is_named(candidate.stamp.key())
                && !candidate.list.ids.iter().any(|id| is_named(&items.key(id.clone())))
        };
        let rest: Vec<_> = chosen.into_iter().filter(is_left).collect();
        rest.into_iter().rev().for_each(|candidate| self.hunt.candidates.push_front(candidate));
        let gone = self.me.as_ref().is_some_and(|me| is_named(me.stamp.key()));
        if gone {
            self.me = None;
            self.lose_all(crate::coordinator::LossReason::Removed, out);
        }
    }

    /// Callers that do not wait are told why there is nothing.
    pub(super) fn refuse_impatient(&mut self, error: &Error, out: &mut Outputs) {
        let (refused, rest) = std::mem::take(&mut self.wants).into_iter().partition(|want| !want.waits);
        self.wants = rest;
        let refused: VecDeque<Want> = refused;
        for want in refused {
            out.push(answered(want.caller, Err(error.duplicate())));
        }
    }

    /// Nothing is granted while the store holds grants back.
    pub(super) fn refuse_in_hold(&mut self, out: &mut Outputs) {
        if let Some(until) = self.hold_until {
            let reason = "the store may have forgotten grants and holds back new ones; try again later";
            let error = self.reject("claim items", ErrorKind::Recovering, reason).with_until(until);
            self.refuse_impatient(&error, out);
        }
    }
}
