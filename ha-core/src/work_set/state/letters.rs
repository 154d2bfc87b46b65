//! Dead letters of items that are not dead: somebody deleted the item by hand, and it was added anew. They are deleted, so that the item can have one of its own.

use super::adding::found;
use super::{Asked, Outputs, State};
use crate::names::Name;
use crate::spi::{Committed, Conflict, Page, Txn};
use crate::work_set::records::{Record, Stage};

impl State {
    /// A letter is there already that was to be written.
    pub(super) fn letters_found(&mut self, conflict: &Conflict) {
        let letters = conflict.keys.iter().filter(|key| *key.collection() == self.keys.dead);
        self.letters.extend(letters.map(|key| key.name().clone()));
    }

    /// Looks whose the next letter is.
    pub(super) fn clear_letters(&mut self, out: &mut Outputs) -> bool {
        let Some(id) = self.letters.pop_first() else { return false };
        let txn = Txn::new()
            .read_back(self.keys.items.clone(), Page::only(id.clone()))
            .read_back(self.keys.dead.clone(), Page::only(id.clone()));
        self.ask(Asked::Letter(id), txn, out);
        true
    }

    pub(super) fn letter_read(&mut self, id: &Name, mut committed: Committed, out: &mut Outputs) {
        let letter = committed.reads.pop().and_then(|listing| listing.into_entries().pop());
        let item = found(committed).remove(id);
        let is_dead = |record: &Record| matches!(record.stage, Stage::Dead { .. });
        let Some(letter) = letter.filter(|_| !item.as_ref().is_some_and(|(_, record)| is_dead(record)))
        else {
            return;
        };
        let txn = match item {
            Some((stamp, _)) => Txn::new().unchanged(stamp),
            None => Txn::new().absent(self.keys.items.key(id.clone())),
        };
        self.ask(Asked::LetterGone, txn.delete(letter.stamp().clone()), out);
    }
}
