//! A transaction in the making: items that change, the lists that name them, and the numbers that follow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Limits, Me};
use crate::coordinator::Context;
use crate::names::Name;
use crate::spi::{Committed, Key, Naming, Operation, Stamp, Txn};
use crate::work_set::records::{
    Keys, List, Record, Stage, Tally, Worker, claims_name, done_name, due_name, ready_name,
};
use crate::zoo::{Bug, planted};

/// The present time, in milliseconds since 1970.
pub(super) fn millis(context: &Context<'_>) -> u64 {
    u64::try_from(context.wall.as_millis()).unwrap_or(u64::MAX)
}

/// When a transaction is made, and where its names get their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    /// In milliseconds since 1970.
    pub(super) now: u64,
    pub(super) numbers: &'a AtomicU64,
}

impl<'a> From<&'a Context<'_>> for Moment<'a> {
    fn from(context: &'a Context<'_>) -> Self {
        Self { now: millis(context), numbers: context.numbers }
    }
}

/// What was sent about the worker itself.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) tally: Option<(usize, Tally)>,
    pub(super) worker: Option<(usize, Worker)>,
}

impl Me {
    /// Takes note of what was committed.
    pub(super) fn sent(&mut self, sent: &Sent, committed: &Committed) {
        let stamp = |at: usize| committed.stamps.get(at).cloned().flatten();
        if let Some((at, tally)) = sent.tally {
            self.tally = tally;
            self.tally_stamp = stamp(at);
        }
        if let Some((at, worker)) = sent.worker {
            self.record = worker;
            self.stamp = stamp(at).unwrap_or_else(|| self.stamp.clone());
        }
    }
}

pub(super) struct Draft<'a> {
    keys: &'a Keys,
    me: &'a Me,
    limits: Limits,
    moment: Moment<'a>,
    txn: Txn,
    steps: usize,
    bytes: usize,
    change: Tally,
    worker: Worker,
    /// Items that can be claimed, from some time on if it is not 0.
    lists: BTreeMap<(u64, i8), List>,
    done: List,
}

impl<'a> Draft<'a> {
    pub(super) fn new(keys: &'a Keys, me: &'a Me, limits: Limits, moment: impl Into<Moment<'a>>) -> Self {
        let (lists, done) = (BTreeMap::new(), List::default());
        let (txn, change, worker) = (Txn::new(), Tally::default(), me.record);
        let moment = moment.into();
        Self { keys, me, limits, moment, txn, steps: 0, bytes: 0, change, worker, lists, done }
    }

    /// Makes room for so many items.
    pub(super) fn reserve(&mut self, items: usize) {
        self.txn.reserve(items + Limits::RESERVE);
    }

    /// Whether nothing has been put in.
    pub(super) fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// How many more steps fit in.
    pub(super) fn steps_left(&self) -> usize {
        self.limits.steps.saturating_sub(self.steps)
    }

    /// Whether an item fits in that becomes this record, beside `more` steps.
    pub(super) fn fits(&self, record: &Record<impl AsRef<[u8]>>, more: usize) -> bool {
        let list = match &record.stage {
            Stage::Ready { due } => {
                let known = self.lists.get(&(*due, record.priority));
                usize::from(known.is_none_or(|list| list.ids.len() >= self.limits.reads))
            }
            Stage::Done { .. } => usize::from(self.done.ids.is_empty()),
            Stage::Dead { .. } => 1,
            Stage::Claimed { .. } => 0,
        };
        let has_room =
            self.done.ids.len() < self.limits.reads && list_has_room(&self.lists, record, self.limits);
        let steps = self.steps + 1 + list + more;
        let bytes = self.bytes + record.payload.as_ref().len() + record.reason.len();
        self.is_empty() || (has_room && steps <= self.limits.steps && bytes <= self.limits.bytes)
    }

    /// Creates an item. Returns which operation it is.
    pub(super) fn create(&mut self, id: &Name, record: &Record) -> usize {
        let key = self.keys.items.key(id.clone());
        let value = record.encode();
        self.txn.push(Operation::Create { key, value, owned: false, naming: Naming::Reusable });
        self.file(id, record, None)
    }

    /// Changes an item that is in the very state of `stamp`. Returns which operation it is.
    pub(super) fn update(
        &mut self,
        stamp: Stamp,
        before: &Record<impl Sized>,
        record: &Record<impl AsRef<[u8]> + Clone>,
    ) -> usize {
        let id = stamp.key().name().clone();
        self.txn.push(Operation::Update { stamp, value: record.encode() });
        self.file(&id, record, Some(&before.stage))
    }

    /// Deletes an item that is in the very state of `stamp`.
    pub(super) fn delete(&mut self, stamp: &Stamp, before: &Record) {
        self.change.step(Some(&before.stage), None);
        self.remove(stamp);
    }

    /// Deletes a list, or anything else, that is in the very state of `stamp`.
    pub(super) fn remove(&mut self, stamp: &Stamp) {
        self.edit(|txn| txn.unchanged(stamp.clone()).delete(stamp.clone()));
        self.steps += 1;
    }

    /// Leaves only `rest` of a list that is in the very state of `stamp`. Returns which operation it is.
    pub(super) fn shorten(&mut self, stamp: &Stamp, rest: &List) -> usize {
        if rest.ids.is_empty() {
            self.remove(stamp);
        } else {
            self.edit(|txn| txn.update(stamp.clone(), rest.encode()));
            self.steps += 1;
        }
        self.txn.operations().len() - 1
    }

    /// Leaves an item alone, which is in the very state of `stamp`, or is not there: a list that names it may be shortened only as long as that is so. A store that goes back
    /// has the list again as it was, and the item as the list says.
    pub(super) fn dismiss(&mut self, id: &Name, stamp: Option<&Stamp>) {
        let key = self.keys.items.key(id.clone());
        self.edit(|txn| match stamp {
            Some(stamp) => txn.unchanged(stamp.clone()),
            None => txn.absent(key),
        });
        self.steps += 1;
    }

    /// Lists what this process has claimed. Returns the name of the list, and which operation it is.
    pub(super) fn claimed(&mut self, ids: Vec<Name>) -> (Name, usize) {
        let name = claims_name(&self.me.name, self.number());
        let key = self.keys.claims.key(name.clone());
        let list = List { bytes: 0, ids };
        self.edit(|txn| txn.create_persistent(key, list.encode(), Naming::Unique));
        self.steps += 1;
        (name, self.txn.operations().len() - 1)
    }

    /// Requires that the worker's own entry is there, and that the store does not hold back grants.
    pub(super) fn granting(&mut self) {
        self.edit(|txn| txn.held(self.me.stamp.clone()).granting());
        self.worker.claims = true;
    }

    /// Requires that there is nothing at `key`.
    pub(super) fn absent(&mut self, key: Key) {
        self.edit(|txn| txn.absent(key));
    }

    /// Takes over the numbers of a worker that is gone.
    pub(super) fn inherit(&mut self, tally: Tally) {
        self.change.add(tally);
    }

    /// The transaction.
    pub(super) fn finish(mut self) -> (Txn, Sent) {
        for ((due, priority), list) in std::mem::take(&mut self.lists) {
            self.announce(due);
            let (number, me) = (self.number(), &self.me.name);
            if due != 0 && planted(Bug::PutOffUnlisted) {
                continue;
            }
            let key = match due {
                0 => self.keys.ready.key(ready_name(priority, self.moment.now, me, number)),
                due => self.keys.later.key(due_name(due, priority, me, number)),
            };
            self.edit(|txn| txn.create_persistent(key, list.encode(), Naming::Unique));
        }
        if !self.done.ids.is_empty() {
            let name = done_name(self.moment.now, &self.me.name, self.number());
            let (key, value) = (self.keys.done.key(name), self.done.encode());
            self.edit(|txn| txn.create_persistent(key, value, Naming::Unique));
        }
        let mut sent = Sent::default();
        if self.change != Tally::default() {
            let mut tally = self.me.tally;
            tally.add(self.change);
            sent.tally = Some((self.txn.operations().len(), tally));
            let key = self.keys.tallies.key(self.me.name.clone());
            self.edit(|txn| match &self.me.tally_stamp {
                Some(stamp) => txn.update(stamp.clone(), tally.encode()),
                None => txn.create_persistent(key, tally.encode(), Naming::Unique),
            });
        }
        if self.worker != self.me.record {
            sent.worker = Some((self.txn.operations().len(), self.worker));
            let (stamp, value) = (self.me.stamp.clone(), self.worker.encode());
            self.edit(|txn| txn.update(stamp, value));
        }
        (self.txn, sent)
    }

    /// Says when something is due, unless whoever waits looks before that anyway.
    fn announce(&mut self, due: u64) {
        let announced = self.worker.due;
        if due != 0 && (due < announced || announced <= self.moment.now) {
            self.worker.due = due;
        }
    }

    /// Counts an item, and puts it into the list of its new state.
    fn file(&mut self, id: &Name, record: &Record<impl AsRef<[u8]>>, before: Option<&Stage>) -> usize {
        let (at, length) = (self.txn.operations().len() - 1, record.payload.as_ref().len());
        self.steps += 1;
        self.bytes += length + record.reason.len();
        self.change.step(before, Some(&record.stage));
        match &record.stage {
            Stage::Ready { due } => {
                let list = self.lists.entry((*due, record.priority)).or_insert_with(|| {
                    self.steps += 1;
                    List::default()
                });
                list.bytes += length as u64;
                list.ids.push(id.clone());
            }
            Stage::Done { .. } => {
                if self.done.ids.is_empty() {
                    self.steps += 1;
                    self.done.ids.reserve(self.limits.reads);
                }
                self.done.ids.push(id.clone());
            }
            Stage::Dead { .. } => {
                let (key, value) = (self.keys.dead.key(id.clone()), record.reason.clone());
                self.edit(|txn| txn.create_persistent(key, value, Naming::Reusable));
                self.steps += 1;
            }
            Stage::Claimed { .. } => {}
        }
        at
    }

    fn edit(&mut self, change: impl FnOnce(Txn) -> Txn) {
        self.txn = change(std::mem::take(&mut self.txn));
    }

    fn number(&self) -> u64 {
        self.moment.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

/// Whether the list that the item would be in takes one more.
fn list_has_room<P>(lists: &BTreeMap<(u64, i8), List>, record: &Record<P>, limits: Limits) -> bool {
    match record.stage {
        Stage::Ready { due } => {
            lists.get(&(due, record.priority)).is_none_or(|list| list.ids.len() < limits.reads)
        }
        _ => true,
    }
}
