//! Changing items by hand: dead letters that get another chance, items that are not wanted any more.

use super::adding::found;
use super::draft::{Draft, Sent};
use super::{Answer, Asked, Outputs, State, answered, pop_if};
use crate::coordinator::Context;
use crate::error::{Effect, Error};
use crate::names::Name;
use crate::spi::{Committed, Page, Stamp};
use crate::work_set::records::{Record, Stage};
use std::collections::BTreeMap;

/// What to do with items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::work_set) enum Edit {
    /// Dead letters become ready again, as if they had never failed.
    Redrive,
    /// They are forgotten, in whatever state they are.
    Remove,
}

/// Items that a caller wants changed, and which of them have been looked at and changed.
#[derive(Debug)]
pub(super) struct Editing {
    pub(super) caller: u64,
    ids: Vec<Name>,
    edit: Edit,
    changed: Vec<bool>,
}

impl Editing {
    pub(super) fn new(caller: u64, ids: Vec<Name>, edit: Edit) -> Self {
        Self { caller, ids, edit, changed: Vec::new() }
    }

    /// The next of its items.
    fn next(&self, count: usize) -> Vec<Name> {
        self.ids.iter().skip(self.changed.len()).take(count).cloned().collect()
    }
}

#[derive(Debug)]
pub(super) struct Sending {
    sent: Sent,
    changed: Vec<bool>,
}

impl State {
    /// Looks at the next items that are to be changed.
    pub(super) fn edit(&mut self, out: &mut Outputs) -> bool {
        while let Some(done) = pop_if(&mut self.edits, |edit| edit.changed.len() >= edit.ids.len()) {
            out.push(answered(done.caller, Ok(Answer::Edited(done.changed))));
        }
        let count = (self.limits.reads / 3).max(1);
        let Some(ids) = self.edits.front().map(|edit| edit.next(count)) else { return false };
        if self.me.is_none() {
            return false;
        }
        let of_dead = |id: &Name| (self.keys.dead.clone(), Page::only(id.clone()));
        let txn = ids
            .iter()
            .map(of_dead)
            .fold(self.read_items(&ids), |txn, (dead, page)| txn.read_back(dead, page));
        self.ask(Asked::EditRead, txn, out);
        true
    }

    pub(super) fn edit_read(&mut self, mut committed: Committed, context: &Context<'_>, out: &mut Outputs) {
        let (Some(me), Some(editing)) = (&self.me, self.edits.front_mut()) else { return };
        let ids = editing.next((self.limits.reads / 3).max(1));
        let dead = committed.reads.split_off(ids.len().min(committed.reads.len()));
        let dead = dead.into_iter().flat_map(|listing| listing.into_entries());
        let dead: BTreeMap<Name, Stamp> =
            dead.map(|entry| (entry.key().name().clone(), entry.stamp().clone())).collect();
        let read = found(committed);
        let mut draft = Draft::new(&self.keys, me, self.limits, context);
        let mut changed: Vec<bool> = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            let known = read.get(id).filter(|_| !ids[..at].contains(id));
            let is_dead = known.is_some_and(|(_, record)| matches!(record.stage, Stage::Dead { .. }));
            match (known, editing.edit) {
                (Some((stamp, record)), Edit::Remove) => draft.delete(stamp, record),
                (Some((stamp, record)), Edit::Redrive) if is_dead => {
                    let again = Record {
                        claims: record.claims,
                        ..Record::ready(record.priority, 0, record.payload.clone())
                    };
                    draft.update(stamp.clone(), record, &again);
                }
                _ => {
                    changed.push(false);
                    continue;
                }
            }
            changed.push(true);
            if let Some(letter) = dead.get(id) {
                draft.remove(letter);
            }
        }
        if draft.is_empty() {
            editing.changed.append(&mut changed);
            return;
        }
        let (txn, sent) = draft.finish();
        self.ask(Asked::EditWrite(Sending { sent, changed }), txn, out);
    }

    pub(super) fn edited(&mut self, mut sending: Sending, committed: &Committed) {
        if let Some(me) = &mut self.me {
            me.sent(&sending.sent, committed);
        }
        if let Some(edit) = self.edits.front_mut() {
            edit.changed.append(&mut sending.changed);
        }
        self.hunt.stir();
    }

    pub(super) fn edit_failed(&mut self, error: &Error, out: &mut Outputs) {
        if let Some(edit) = self.edits.pop_front() {
            let mut error = error.duplicate();
            if edit.changed.contains(&true) {
                error = error.with_effect(Effect::Unknown);
            }
            out.push(answered(edit.caller, Err(error)));
        }
    }
}
