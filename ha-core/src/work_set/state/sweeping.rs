//! Forgetting what is done for long, in small steps, by those who add and complete: nobody does it while nothing happens.

use std::collections::VecDeque;
use std::time::Duration;

use super::adding::{found, millis_of};
use super::draft::{Draft, Sent, millis};
use super::{Asked, Outputs, State};
use crate::coordinator::Context;
use crate::runtime::Instant;
use crate::spi::{Committed, Page, Stamp, Txn};
use crate::work_set::records::{List, Stage, Tally, time_of};
use crate::zoo::{Bug, planted};

/// How many lists of what is done are looked at in one request.
const LISTS: usize = 8;
/// How often it is looked whether there is anything to forget, at most and at least.
const OFTEN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(60);
/// After how many completions it is looked whether there are too many, at least and at most.
const FEW: u64 = 16;
const MANY: u64 = 10_000;

#[derive(Debug, Default)]
pub(super) struct Sweep {
    active: bool,
    next: Option<Instant>,
    /// How many items were completed since it was looked last.
    completed: u64,
    found: VecDeque<(Stamp, List)>,
}

impl Sweep {
    /// Something was done or added: time to look, if it is long since the last time.
    pub(super) fn begin_when_due(&mut self, now: Instant) {
        self.active |= self.next.is_none_or(|next| next <= now);
    }

    /// So many were completed, of which so many are to be remembered.
    pub(super) fn count(&mut self, completed: usize, kept: u64) {
        self.completed += completed as u64;
        self.active |= self.completed > (kept / 16).clamp(FEW, MANY);
    }

    /// Looks again after a while.
    pub(super) fn again(&mut self, now: Instant) {
        *self = Self { next: Some(now + OFTEN), ..Self::default() };
    }
}

#[derive(Debug)]
pub(super) enum Step {
    List,
    Read { stamp: Stamp, list: List },
    Delete { sent: Sent },
}

impl State {
    /// Does the next thing to forget what is done for long.
    pub(super) fn sweep(&mut self, out: &mut Outputs) -> bool {
        if !self.sweep.active || self.me.is_none() {
            return false;
        }
        if let Some((stamp, list)) = self.sweep.found.pop_front() {
            let txn = match list.ids.as_slice() {
                [] => Txn::new().read_back(self.keys.done.clone(), Page::by_name(1)),
                ids => self.read_items(&ids[..ids.len().min(self.limits.reads)]),
            };
            self.ask(Asked::Sweep(Step::Read { stamp, list }), txn, out);
            return true;
        }
        let txn = Txn::new()
            .read_back(self.keys.done.clone(), Page::by_name(LISTS))
            .read_back(self.keys.tallies.clone(), Page::by_name(Page::MAX_LIMIT));
        self.ask(Asked::Sweep(Step::List), txn, out);
        true
    }

    pub(super) fn swept(
        &mut self,
        step: Step,
        committed: Committed,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        match step {
            Step::List => self.find_old(&committed, context),
            Step::Read { stamp, list } => self.delete_old(&stamp, &list, committed, context, out),
            Step::Delete { sent } => {
                if let Some(me) = &mut self.me {
                    me.sent(&sent, &committed);
                }
            }
        }
    }

    fn find_old(&mut self, committed: &Committed, context: &Context<'_>) {
        let [done, tallies] = committed.reads.as_slice() else { return };
        let retention = self.policy.retention;
        let oldest = millis(context).saturating_sub(millis_of(retention.time));
        let mut count = Tally::default();
        tallies
            .entries()
            .iter()
            .filter_map(|entry| Tally::decode(entry.value()))
            .for_each(|tally| count.add(tally));
        let mut excess = u64::try_from(count.done).unwrap_or(0).saturating_sub(retention.count);
        for entry in done.entries() {
            let list = List::decode(entry.value()).unwrap_or_default();
            let is_old = time_of(entry.key().name()).is_none_or(|at| at < oldest);
            let length = list.ids.len() as u64;
            if !is_old && excess < length.max(1) {
                break;
            }
            excess = excess.saturating_sub(length);
            self.sweep.found.push_back((entry.stamp().clone(), list));
        }
        if self.sweep.found.is_empty() {
            let next = Some(context.now + (retention.time / 16).clamp(OFTEN, SELDOM));
            self.sweep = Sweep { next, ..Sweep::default() };
        }
    }

    fn delete_old(
        &mut self,
        stamp: &Stamp,
        list: &List,
        committed: Committed,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        let Some(me) = &self.me else { return };
        let read = found(committed);
        let listed = time_of(stamp.key().name()).unwrap_or(u64::MAX);
        let mut draft = Draft::new(&self.keys, me, self.limits, context);
        let mut rest = List::default();
        for (at, id) in list.ids.iter().enumerate() {
            if at >= self.limits.reads {
                rest.ids.push(id.clone());
                continue;
            }
            // One that was added again and done again is in a younger list as well.
            match read.get(id).map(|(stamp, record)| (stamp, record, &record.stage)) {
                Some((stamp, record, Stage::Done { at, .. })) if *at <= listed => draft.delete(stamp, record),
                Some((stamp, record, _)) if planted(Bug::SweptUnseen) => draft.delete(stamp, record),
                known => draft.dismiss(id, known.map(|(stamp, ..)| stamp)),
            }
        }
        draft.shorten(stamp, &rest);
        let (txn, sent) = draft.finish();
        self.ask(Asked::Sweep(Step::Delete { sent }), txn, out);
    }
}
