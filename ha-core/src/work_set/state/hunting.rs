//! Claiming: looks what is ready, reads it, takes it.
//!
//! Several workers look at the same lists. Each begins with its own share of them, by a hash of their names, so that they seldom want the same; which one gets an item is
//! decided by the store.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::adding::found;
use super::draft::{Draft, Sent, millis};
use super::{Asked, Delivery, Held, Outputs, State, Taken, answered, pop_if};
use crate::coordinator::{Context, Output};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Committed, Conflict, Key, Page, Stamp, Txn};
use crate::view::View;
use crate::work_set::records::{List, Record, Stage, Worker, time_of};
use crate::work_set::state::settling::OwnList;
use crate::work_set::state::shares::Shares;
use crate::zoo::{Bug, planted};

/// A caller that wants items.
#[derive(Debug)]
pub(super) struct Want {
    pub(super) caller: u64,
    pub(super) limit: usize,
    pub(super) waits: bool,
}

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

    /// Others have put something off: looks when the earliest of it is due.
    pub(super) fn due_announced(&mut self, workers: &View, context: &Context<'_>) {
        let now = millis(context);
        let due =
            workers.entries().filter_map(|entry| Worker::decode(entry.value())).map(|worker| worker.due);
        if let Some(due) = due.filter(|due| *due > now).min() {
            self.wake_by(context.now + Duration::from_millis(due - now));
        }
    }
}

/// Items that are being taken.
#[derive(Debug)]
pub(super) struct Taking {
    sent: Sent,
    /// For each item which operation takes it, and what it becomes.
    items: Vec<(usize, Name, Record)>,
    list: Option<(Name, usize)>,
    chosen: Vec<Candidate>,
}

impl State {
    /// Does the next thing on the way to what callers want.
    pub(super) fn hunt(&mut self, _: &Context<'_>, out: &mut Outputs) -> bool {
        if self.wants.is_empty() || self.hunt.idle || self.hold_until.is_some() || !self.workers.is_known() {
            return false;
        }
        if self.me.is_none() {
            return false;
        }
        let chosen = self.choose();
        if chosen.is_empty() {
            self.hunt.stirred = false;
            let txn = Txn::new()
                .read_back(self.keys.ready.clone(), Page::by_name(self.window()))
                .read_back(self.keys.later.clone(), Page::by_name(self.window()));
            self.ask(Asked::Look, txn, out);
            return true;
        }
        let mut wanted = self.wanted();
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

    /// How many items are taken at once, at most.
    fn wanted(&self) -> usize {
        let limits = self.wants.iter().map(|want| want.limit);
        limits.fold(0_usize, usize::saturating_add).min(self.limits.reads)
    }

    /// How many lists are looked at: enough for each worker to find its share.
    fn window(&self) -> usize {
        let lists = self.wanted().div_ceil(self.hunt.density.max(1));
        2 + lists.saturating_mul(self.claimers().count().max(1) + 1)
    }

    /// The best of the lists that are known, as many as are wanted.
    fn choose(&mut self) -> Vec<Candidate> {
        let (mut wanted, mut bytes, mut lists) = (self.wanted(), 0_u64, 0);
        let mut chosen: Vec<Candidate> = Vec::new();
        while wanted > 0 && lists < self.limits.steps / 2 {
            let limit = self.limits.bytes as u64;
            let fits = |candidate: &Candidate| lists == 0 || bytes + candidate.list.bytes <= limit;
            let Some(candidate) = pop_if(&mut self.hunt.candidates, fits) else { break };
            wanted = wanted.saturating_sub(candidate.list.ids.len());
            bytes += candidate.list.bytes;
            lists += 1;
            chosen.push(candidate);
        }
        chosen
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
        candidates.sort_by_key(|candidate| (-i16::from(candidate.priority), !candidate.mine));
        let due = later.entries().iter().filter_map(|entry| time_of(entry.key().name()));
        if let Some(due) = due.filter(|due| *due > now).min() {
            self.hunt.wake_by(context.now + Duration::from_millis(due - now));
        }
        self.hunt.candidates = candidates.into();
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
        let (worker, room) = (&me.name, chosen.len() + 1);
        let wanted = self.wanted();
        let (read, decided) = (found(committed), BTreeMap::new());
        let mut pick = Pick { read, decided, draft, worker, wanted, room, items: Vec::new() };
        let mut unread = ids.len();
        for candidate in &chosen {
            let (read, rest) = candidate.list.ids.split_at(unread.min(candidate.list.ids.len()));
            unread -= read.len();
            let mut rest = List { bytes: candidate.list.bytes, ids: rest.to_vec() };
            // What a list of later items names is due since it was looked at, whatever the clock shows now.
            let now = millis(context).max(candidate.due);
            for id in read {
                pick.take(id, now, &mut rest);
            }
            if rest.ids.is_empty() || rest.ids.len() < candidate.list.ids.len() {
                pick.draft.shorten(&candidate.stamp, &rest);
            }
        }
        let Pick { mut draft, items, .. } = pick;
        let list = (!items.is_empty()).then(|| {
            draft.granting();
            draft.claimed(items.iter().map(|(_, id, _)| id.clone()).collect())
        });
        if draft.is_empty() {
            return;
        }
        let (txn, sent) = draft.finish();
        self.ask(Asked::Take(Taking { sent, items, list, chosen }), txn, out);
    }

    pub(super) fn took(
        &mut self,
        taking: Taking,
        committed: &Committed,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        if let Some(me) = &mut self.me {
            me.sent(&taking.sent, committed);
        }
        let stamp = |at: usize| committed.stamps.get(at).cloned().flatten();
        let Some((list, list_at)) = taking.list else { return };
        if let Some(stamp) = stamp(list_at) {
            self.lists.insert(list.clone(), OwnList { stamp, left: Some(taking.items.len()) });
        }
        self.end_older(&taking.items, out);
        let deadline = self.policy.deadline.map(|span| context.now + span);
        let mut claims = VecDeque::new();
        for (at, id, record) in taking.items {
            let Some(stamp) = stamp(at) else { continue };
            let claim = self.number();
            claims.push_back(Taken {
                claim,
                id: id.clone(),
                stamp: stamp.clone(),
                payload: record.payload.clone(),
                claims: record.claims,
                failures: record.failures,
                abandons: record.abandons,
            });
            self.held.insert(claim, Held { id, stamp, record, list: list.clone(), deadline });
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
    pub(super) fn take_conflicted(&mut self, taking: Taking, conflict: &Conflict, out: &mut Outputs) {
        let items = &self.keys.items;
        let is_named = |key: &Key| conflict.keys.contains(key);
        let is_left = |candidate: &Candidate| {
            !is_named(candidate.stamp.key())
                && !candidate.list.ids.iter().any(|id| is_named(&items.key(id.clone())))
        };
        let rest: Vec<_> = taking.chosen.into_iter().filter(is_left).collect();
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

/// Takes what is ready of what was read.
struct Pick<'a> {
    read: BTreeMap<Name, (Stamp, Record)>,
    /// Whether an item stays in the lists that name it.
    decided: BTreeMap<Name, bool>,
    draft: Draft<'a>,
    worker: &'a Name,
    wanted: usize,
    /// How many steps the lists need.
    room: usize,
    items: Vec<(usize, Name, Record)>,
}

impl Pick<'_> {
    /// Takes an item, or leaves it in its list.
    fn take(&mut self, id: &Name, now: u64, rest: &mut List) {
        let stays = match self.decided.get(id) {
            // Another list names it as well.
            Some(stays) => *stays,
            None => self.decide(id, now, rest),
        };
        self.decided.insert(id.clone(), stays);
        if stays {
            rest.ids.push(id.clone());
        }
    }

    /// Takes an item if it can be taken. Returns whether it stays in the list.
    fn decide(&mut self, id: &Name, now: u64, rest: &mut List) -> bool {
        let now = if planted(Bug::ClaimedBeforeItsTime) { u64::MAX } else { now };
        let known = self.read.get(id);
        let Some((stamp, before)) =
            known.filter(|(_, record)| matches!(record.stage, Stage::Ready { due } if due <= now))
        else {
            // What is not there, not ready, or put off since, leaves the list: whatever makes it ready again lists it again.
            let has_room = self.draft.steps_left() > self.room;
            if has_room {
                self.draft.dismiss(id, known.map(|(stamp, _)| stamp));
            }
            return !has_room;
        };
        let taken = before.taken_by(self.worker);
        if self.wanted == 0 || !self.draft.fits(&taken, self.room) {
            return true;
        }
        self.wanted -= 1;
        rest.bytes = rest.bytes.saturating_sub(before.payload.len() as u64);
        self.items.push((self.draft.update(stamp, before, &taken), id.clone(), taken));
        false
    }
}
