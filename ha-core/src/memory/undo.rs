//! Earlier states: forgetting, which a failover does that lost acknowledged writes, and pages as they were.

use crate::memory::expiry::Ended;
use crate::memory::namespace::Namespace;
use crate::memory::store::Wakes;
use crate::memory::table::Table;
use crate::runtime::Instant;
use crate::spi::{Collection, Entry, Key, Lineage, Listing, Page, Revision, SessionId};

/// How to take back one step. Later ones are taken back first.
#[derive(Debug)]
pub(super) enum Undo {
    /// A commit began, at this revision.
    Commit(Revision),
    /// The entry at the key was changed from this.
    Entry(Key, Option<Entry>),
    /// The session was opened.
    Opened(SessionId),
    /// A session ended.
    Ended(Ended),
}

impl Namespace {
    /// Remembers from now on how to take back what is done.
    pub(super) fn record(&mut self) {
        self.undo = Some(Vec::new());
    }

    /// Remembers a step, if steps are recorded.
    pub(super) fn remember(&mut self, step: impl FnOnce() -> Undo) {
        if let Some(undo) = &mut self.undo {
            undo.push(step());
        }
    }

    /// Remembers the present state of the entry at `key`, which is about to change.
    pub(super) fn remember_entry(&mut self, key: &Key) {
        if self.undo.is_some() {
            let before = self.entry(key).cloned();
            self.remember(|| Undo::Entry(key.clone(), before));
        }
    }

    /// Takes back the last `commits`, and the sessions opened and ended meanwhile. The revision goes on.
    pub(super) fn forget(&mut self, commits: usize, hold_until: Instant, wakes: &mut Wakes) -> usize {
        let lineage = Lineage::new(self.lineage().generation() + 1).held_until(hold_until);
        self.set_lineage(lineage);
        self.break_watches(lineage, wakes);
        self.next_revision();
        let Some(mut steps) = self.undo.take() else { return 0 };
        let mut forgotten = 0;
        while forgotten < commits
            && let Some(step) = steps.pop()
        {
            forgotten += usize::from(matches!(step, Undo::Commit(_)));
            self.take_back(step, wakes);
        }
        self.undo = Some(steps);
        self.wake_reapers(wakes);
        forgotten
    }

    /// Reads a page as it was at `revision`; `None` if that is not recorded, or was forgotten.
    pub(super) fn list_at(
        &self,
        collection: &Collection,
        page: &Page,
        revision: Revision,
    ) -> Option<Listing> {
        let steps = self.undo.as_ref().filter(|_| self.lineage().generation() == 0)?;
        let is_later = |step: &Undo| matches!(step, Undo::Commit(commit) if *commit > revision);
        let later = steps.iter().position(is_later).unwrap_or(steps.len());
        let mut table = Table::default();
        if let Some(present) = self.tables.find(collection) {
            present.entries().for_each(|entry| table.insert(entry.clone()));
        }
        for step in steps[later..].iter().rev() {
            match step {
                Undo::Entry(key, before) if key.collection() == collection => match before {
                    Some(before) => table.insert(before.clone()),
                    None => drop(table.remove(key.name())),
                },
                _ => {}
            }
        }
        let (entries, more) = table.page(page);
        Some(Listing::new(entries, more, revision.min(self.revision()), self.lineage()))
    }

    fn take_back(&mut self, step: Undo, wakes: &mut Wakes) {
        match step {
            Undo::Commit(_) => {}
            Undo::Entry(_, Some(before)) => self.put(before, wakes),
            Undo::Entry(key, None) => {
                self.remove(&key, wakes);
            }
            Undo::Opened(session) => self.end_session(&session, wakes),
            Undo::Ended(ended) => self.sessions.restore(ended),
        }
    }
}
