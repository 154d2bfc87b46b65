//! What a store was asked for, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::memory::MemoryBackend;
use crate::spi::{Collection, Entry};

/// How often a store did what, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions opened, observers included.
    pub sessions_opened: u64,
    /// Sessions closed or ended on request, those that were over already included.
    pub sessions_ended: u64,
    /// Renewals that reached the store.
    pub renewals: u64,
    /// Transactions committed, those without operations included.
    pub commits: u64,
    /// Transactions whose guards failed.
    pub conflicts: u64,
    /// Pages read, apart from read-backs.
    pub lists: u64,
    /// Watches opened.
    pub watches_opened: u64,
    /// Items that watches delivered.
    pub watch_items: u64,
}

impl Stats {
    /// What was added since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            sessions_opened: self.sessions_opened - earlier.sessions_opened,
            sessions_ended: self.sessions_ended - earlier.sessions_ended,
            renewals: self.renewals - earlier.renewals,
            commits: self.commits - earlier.commits,
            conflicts: self.conflicts - earlier.conflicts,
            lists: self.lists - earlier.lists,
            watches_opened: self.watches_opened - earlier.watches_opened,
            watch_items: self.watch_items - earlier.watch_items,
        }
    }

    /// All requests together: everything but the watch items.
    #[must_use]
    pub fn requests(self) -> u64 {
        self.sessions_opened
            + self.sessions_ended
            + self.renewals
            + self.commits
            + self.conflicts
            + self.lists
            + self.watches_opened
    }
}

impl MemoryBackend {
    /// What the store was asked for until now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store.counters.read()
    }

    /// The entries of a collection as they are stored now, by name: nobody is expired for it.
    #[must_use]
    pub fn entries(&self, namespace: &str, collection: &Collection) -> Vec<Entry> {
        self.store.with(|state, _| {
            let table = state.named(namespace).and_then(|namespace| namespace.tables.find(collection));
            table.map_or_else(Vec::new, |table| table.entries().cloned().collect())
        })
    }
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) sessions_opened: Counter,
    pub(super) sessions_ended: Counter,
    pub(super) renewals: Counter,
    pub(super) commits: Counter,
    pub(super) conflicts: Counter,
    pub(super) lists: Counter,
    pub(super) watches_opened: Counter,
    pub(super) watch_items: Counter,
}

impl Counters {
    fn read(&self) -> Stats {
        Stats {
            sessions_opened: self.sessions_opened.read(),
            sessions_ended: self.sessions_ended.read(),
            renewals: self.renewals.read(),
            commits: self.commits.read(),
            conflicts: self.conflicts.read(),
            lists: self.lists.read(),
            watches_opened: self.watches_opened.read(),
            watch_items: self.watch_items.read(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
