//! Adding items: each id once, however often it is asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::draft::{Draft, Sent, millis};
use super::{Answer, Asked, Outputs, State, answered, pop_if};
use crate::coordinator::Context;
use crate::error::{Effect, Error};
use crate::names::Name;
use crate::spi::{Committed, Page, Stamp, Txn};
use crate::work_set::records::{Record, Stage};
use crate::zoo::{Bug, planted};

/// What a caller adds, and what has become of it so far.
#[derive(Debug)]
pub(super) struct Add {
    pub(super) caller: u64,
    items: Vec<(Name, Record)>,
    /// Of each item: `None` while it is to be added.
    known: Vec<Option<Known>>,
    applied: bool,
}

/// What is known about an item to be added.
#[derive(Clone, Debug)]
enum Known {
    Added,
    There(Record),
    /// It is done for so long that it is begun anew.
    Forgotten(Stamp, Record),
}

impl Add {
    pub(super) fn new(caller: u64, items: Vec<(Name, Record)>) -> Self {
        let known = vec![None; items.len()];
        let mut add = Self { caller, items, known, applied: false };
        add.find_duplicates();
        add
    }

    /// Of several items with one id the first counts.
    fn find_duplicates(&mut self) {
        let mut seen: BTreeMap<&Name, &Record> = BTreeMap::new();
        for (at, (id, record)) in self.items.iter().enumerate() {
            match seen.get(id) {
                Some(first) => self.known[at] = Some(Known::There((*first).clone())),
                None => drop(seen.insert(id, record)),
            }
        }
    }

    fn open(&self) -> impl Iterator<Item = usize> {
        self.known
            .iter()
            .enumerate()
            .filter(|(_, known)| !matches!(known, Some(Known::Added | Known::There(_))))
            .map(|(at, _)| at)
    }

    fn answer(self) -> Answer {
        let answer = |known| if let Some(Known::There(record)) = known { Some(record) } else { None };
        Answer::Added(self.known.into_iter().map(answer).collect())
    }
}

/// Items on their way: which ones, of which callers.
#[derive(Debug)]
pub(super) struct Sending {
    places: Vec<(u64, usize)>,
    sent: Sent,
}

impl State {
    /// Adds what fits of what callers want.
    pub(super) fn add(&mut self, context: &Context<'_>, out: &mut Outputs) -> bool {
        self.answer_adds(out);
        let Some(me) = self.me.as_ref().filter(|_| !self.adds.is_empty()) else { return false };
        let mut draft = Draft::new(&self.keys, me, self.limits, context);
        let (mut places, mut ids) = (Vec::new(), BTreeSet::new());
        // After a conflict one after the other, so that it is clear whose ids are to be looked at.
        let together = if self.add_alone > 0 { 1 } else { usize::MAX };
        let open = self.adds.iter().take(together).flat_map(|add| add.open().map(move |at| (add, at)));
        for (add, at) in open {
            let (id, record) = &add.items[at];
            if places.len() >= self.limits.reads || !draft.fits(record, 0) {
                break;
            }
            // Two callers may add the same id: the second one looks after the first.
            if !ids.insert(id) {
                continue;
            }
            match &add.known[at] {
                Some(Known::Forgotten(stamp, before)) => drop(draft.update(stamp.clone(), before, record)),
                _ => drop(draft.create(id, record)),
            }
            places.push((add.caller, at));
        }
        let (txn, sent) = draft.finish();
        self.ask(Asked::Add(Sending { places, sent }), txn, out);
        true
    }

    pub(super) fn added(
        &mut self,
        sending: Sending,
        committed: &Committed,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        if let Some(me) = &mut self.me {
            me.sent(&sending.sent, committed);
        }
        for (caller, at) in sending.places {
            if let Some(add) = self.adds.iter_mut().find(|add| add.caller == caller) {
                add.known[at] = Some(Known::Added);
                add.applied = true;
            }
        }
        self.answer_adds(out);
        self.sweep.begin_when_due(context.now);
    }

    fn answer_adds(&mut self, out: &mut Outputs) {
        while let Some(add) = pop_if(&mut self.adds, |add| add.open().next().is_none()) {
            self.add_alone = self.add_alone.saturating_sub(1);
            out.push(answered(add.caller, Ok(add.answer())));
        }
    }

    /// Some of the ids are taken: looks which.
    pub(super) fn add_conflicted(&mut self) {
        if let Some(add) = self.adds.front_mut() {
            for known in &mut add.known {
                known.take_if(|known| matches!(known, Known::Forgotten(..)));
            }
        }
        self.add_alone = self.adds.len();
        self.look_at_ids = true;
    }

    /// Looks which ids of the first caller are there.
    pub(super) fn read_ids(&mut self, out: &mut Outputs) -> bool {
        if !std::mem::take(&mut self.look_at_ids) {
            return false;
        }
        let Some(add) = self.adds.front() else { return false };
        let ids: Vec<_> = add.open().take(self.limits.reads).map(|at| add.items[at].0.clone()).collect();
        let txn = self.read_items(&ids);
        self.ask(Asked::AddRead, txn, out);
        true
    }

    pub(super) fn add_read(&mut self, committed: Committed, context: &Context<'_>, out: &mut Outputs) {
        let found = found(committed);
        let expired = millis(context).saturating_sub(millis_of(self.policy.retention.time));
        let Some(add) = self.adds.front_mut() else { return };
        let open: Vec<_> = add.open().collect();
        for at in open {
            let Some((stamp, record)) = found.get(&add.items[at].0) else { continue };
            add.known[at] = Some(match record.stage {
                Stage::Done { at, .. } if at < expired || planted(Bug::DoneBegunAnew) => {
                    Known::Forgotten(stamp.clone(), record.clone())
                }
                _ => Known::There(record.clone()),
            });
        }
        self.answer_adds(out);
    }

    /// Nothing of what these callers asked last was done, or nobody knows.
    pub(super) fn add_failed(&mut self, sending: &Sending, error: &Error, out: &mut Outputs) {
        let callers: BTreeSet<u64> = sending.places.iter().map(|(caller, _)| *caller).collect();
        self.fail_adds(error, |add| callers.contains(&add.caller), out);
    }

    /// Tells those who add that it cannot be done now.
    pub(super) fn fail_adds(&mut self, error: &Error, whose: impl Fn(&Add) -> bool, out: &mut Outputs) {
        let (failed, rest) = std::mem::take(&mut self.adds).into_iter().partition(whose);
        (self.adds, self.add_alone) = (rest, 0);
        let failed: VecDeque<Add> = failed;
        for add in failed {
            let mut error = error.duplicate();
            if add.applied {
                error = error.with_effect(Effect::Unknown);
            }
            out.push(answered(add.caller, Err(error)));
        }
    }

    /// A request that reads these items and changes nothing.
    pub(super) fn read_items(&self, ids: &[Name]) -> Txn {
        ids.iter().fold(Txn::new(), |txn, id| txn.read_back(self.keys.items.clone(), Page::only(id.clone())))
    }
}

pub(super) fn millis_of(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The items that were read, by id.
pub(super) fn found(committed: Committed) -> BTreeMap<Name, (Stamp, Record)> {
    let entries = committed.reads.into_iter().flat_map(|listing| listing.into_entries());
    entries.map(|entry| (entry.key().name().clone(), (entry.stamp().clone(), Record::read(&entry)))).collect()
}
