//! One namespace: its entries, its revision and its history.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::memory::expiry::Sessions;
use crate::memory::store::Wakes;
use crate::memory::table::Tables;
#[cfg(feature = "test-util")]
use crate::memory::undo::Undo;
use crate::memory::watch::{Watcher, WatcherId};
use crate::runtime::Instant;
use crate::spi::{Change, Collection, Entry, Key, Lineage, Listing, Page, Revision, Stamp};

/// A namespace. The rest of its methods is where they belong: transactions in `txn`, sessions in `expiry`, watchers
/// in `watch`.
#[derive(Debug)]
pub(super) struct Namespace {
    revision: u64,
    lineage: Lineage,
    pub(super) tables: Tables,
    pub(super) sessions: Sessions,
    pub(super) watchers: BTreeMap<WatcherId, Watcher>,
    pub(super) watchers_opened: WatcherId,
    /// How to take back what was done; only while it is recorded.
    #[cfg(feature = "test-util")]
    pub(super) undo: Option<Vec<Undo>>,
    /// Every change, with its revision, while somebody wants to know.
    #[cfg(feature = "test-util")]
    pub(super) log: Option<Vec<(Revision, Change)>>,
}

impl Namespace {
    /// An empty namespace at revision 1.
    pub(super) fn new() -> Self {
        Self {
            revision: 1,
            lineage: Lineage::default(),
            tables: Tables::default(),
            sessions: Sessions::default(),
            watchers: BTreeMap::new(),
            watchers_opened: 0,
            #[cfg(feature = "test-util")]
            undo: None,
            #[cfg(feature = "test-util")]
            log: None,
        }
    }

    /// The revision of the latest commit.
    pub(super) fn revision(&self) -> Revision {
        Revision::new(self.revision)
    }

    /// Begins a commit that writes, at a revision of its own.
    pub(super) fn begin_commit(&mut self) -> Revision {
        let revision = self.next_revision();
        #[cfg(feature = "test-util")]
        self.remember(|| Undo::Commit(revision));
        revision
    }

    /// Takes the next revision.
    pub(super) fn next_revision(&mut self) -> Revision {
        self.revision += 1;
        self.revision()
    }

    /// The unbroken history that answers belong to.
    pub(super) fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// Begins another history.
    #[cfg(feature = "test-util")]
    pub(super) fn set_lineage(&mut self, lineage: Lineage) {
        self.lineage = lineage;
    }

    /// Until when nothing new is granted and nobody is expired.
    pub(super) fn hold_until(&self) -> Option<Instant> {
        self.lineage.hold_until()
    }

    /// Ends the hold once it has passed.
    pub(super) fn release_hold(&mut self, now: Instant) {
        if self.hold_until().is_some_and(|until| until <= now) {
            self.lineage = Lineage::new(self.lineage.generation());
        }
    }

    /// The entry at `key`.
    pub(super) fn entry(&self, key: &Key) -> Option<&Entry> {
        self.tables.find(key.collection())?.entry(key.name())
    }

    /// Reads a page.
    pub(super) fn list(&self, collection: &Collection, page: &Page) -> Listing {
        let (entries, more) =
            self.tables.find(collection).map_or_else(Default::default, |table| table.page(page));
        Listing::new(entries, more, self.revision(), self.lineage)
    }

    /// Puts `entry` in the place of what was there, and tells the watchers.
    pub(super) fn put(&mut self, entry: Entry, wakes: &mut Wakes) {
        let key = entry.key().clone();
        #[cfg(feature = "test-util")]
        self.remember_entry(&key);
        #[cfg(feature = "test-util")]
        self.log_change(|| Change::Put(entry.clone()));
        self.sessions.gain(&entry);
        self.tables.insert(entry);
        self.tell(&key, None, wakes);
    }

    /// Writes another state of the entry that is there, and tells the watchers.
    pub(super) fn update(&mut self, key: &Key, value: Bytes, wakes: &mut Wakes) {
        #[cfg(feature = "test-util")]
        self.remember_entry(key);
        let Some(update) = self.tables.update(key, Revision::new(self.revision), value) else { return };
        wakes.free(update.before);
        #[cfg(feature = "test-util")]
        if self.log.is_some()
            && let Some(entry) = self.entry(key).cloned()
        {
            self.log_change(|| Change::Put(entry));
        }
        if update.is_watched {
            self.tell(key, None, wakes);
        }
    }

    /// Takes the entry at `key` out, and tells the watchers. Returns whether there was one.
    pub(super) fn remove(&mut self, key: &Key, wakes: &mut Wakes) -> bool {
        #[cfg(feature = "test-util")]
        self.remember_entry(key);
        let Some(entry) = self.tables.remove(key) else { return false };
        #[cfg(feature = "test-util")]
        self.log_change(|| Change::Removed(entry.stamp().clone()));
        self.sessions.lose(&entry);
        self.tell(key, Some(entry.stamp()), wakes);
        wakes.free(entry.into_value());
        true
    }

    /// Tells the watchers of `key` that the incarnation of `removed` vanished, or else what is there now.
    fn tell(&mut self, key: &Key, removed: Option<&Stamp>, wakes: &mut Wakes) {
        if self.watchers.is_empty() {
            return;
        }
        let Some(table) = self.tables.find(key.collection()) else { return };
        for watcher in table.watchers_of(key.name()) {
            let Some(watcher) = self.watchers.get_mut(&watcher) else { continue };
            match (removed, table.entry(key.name())) {
                (Some(stamp), _) => watcher.note(Change::Removed(stamp.clone()), wakes),
                (None, Some(entry)) => watcher.note(Change::Put(entry.clone()), wakes),
                (None, None) => {}
            }
        }
    }
}
