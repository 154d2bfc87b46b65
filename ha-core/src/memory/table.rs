//! The entries of one collection, by name and by age, and who watches them.

#![expect(clippy::disallowed_types, reason = "what is kept by hash is looked up, and never gone through")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use bytes::Bytes;

use crate::memory::watch::WatcherId;
use crate::spi::{Collection, Entry, Key, Name, Order, Page, Revision, WatchTarget};

/// How many unused tables are kept: a lock that is taken again and again need not build its table each time.
const UNUSED_MAX: usize = 256;

/// The tables of a namespace.
#[derive(Debug, Default)]
pub(super) struct Tables {
    by_collection: HashMap<Collection, Table>,
    unused: usize,
}

impl Tables {
    /// The table of `collection`, if anything was kept there lately.
    pub(super) fn find(&self, collection: &Collection) -> Option<&Table> {
        self.by_collection.get(collection)
    }

    /// Puts `entry` in the place of what was there.
    pub(super) fn insert(&mut self, entry: Entry) {
        match self.by_collection.get_mut(entry.key().collection()) {
            Some(table) if !table.is_unused() => table.insert(entry),
            _ => self.reuse(&entry.key().collection().clone()).insert(entry),
        }
    }

    /// Writes another state of an entry that is there.
    pub(super) fn update(&mut self, key: &Key, modified: Revision, value: Bytes) -> Option<Updated> {
        let table = self.by_collection.get_mut(key.collection())?;
        let before = table.entries.get_mut(key.name())?.update(modified, value);
        Some(Updated { before, is_watched: table.is_watched() })
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Entry> {
        let table = self.by_collection.get_mut(key.collection())?;
        let entry = table.remove(key.name())?;
        self.unused += usize::from(table.is_unused());
        self.sweep();
        Some(entry)
    }

    /// Sends the changes of `target` to a watcher from now on.
    pub(super) fn subscribe(&mut self, target: &WatchTarget, watcher: WatcherId) {
        match target {
            WatchTarget::Collection(collection) => self.reuse(collection).watchers.push(watcher),
            WatchTarget::Entry(key) => {
                let table = self.reuse(key.collection());
                table.entry_watchers.entry(key.name().clone()).or_default().push(watcher);
            }
        }
    }

    /// Sends no more changes of `target` to a watcher.
    pub(super) fn unsubscribe(&mut self, target: &WatchTarget, watcher: WatcherId) {
        let collection = match target {
            WatchTarget::Collection(collection) => collection,
            WatchTarget::Entry(key) => key.collection(),
        };
        let Some(table) = self.by_collection.get_mut(collection) else { return };
        table.unsubscribe(target, watcher);
        self.unused += usize::from(table.is_unused());
        self.sweep();
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.by_collection.len()
    }

    fn reuse(&mut self, collection: &Collection) -> &mut Table {
        let mut is_new = false;
        let table = self.by_collection.entry(collection.clone()).or_insert_with(|| {
            is_new = true;
            Table::default()
        });
        if !is_new && table.is_unused() {
            self.unused -= 1;
        }
        table
    }

    fn sweep(&mut self) {
        if self.unused > UNUSED_MAX {
            self.by_collection.retain(|_, table| !table.is_unused());
            self.unused = 0;
        }
    }
}

/// What became of an entry that was written anew.
pub(super) struct Updated {
    /// The value that was there.
    pub(super) before: Bytes,
    /// Somebody may want to know.
    pub(super) is_watched: bool,
}

/// One collection.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By hash: a search among many ordered names costs a dozen comparisons with names that are in no cache. Boxed, so that the map is small enough to be in one, and what was
    /// created together lies together.
    entries: HashMap<Name, Box<Entry>>,
    by_name: BTreeSet<Name>,
    /// Ascending by (`created`, name). `None` is smaller than every name: a bound for ranges, never stored.
    by_age: BTreeSet<(Revision, Option<Name>)>,
    watchers: Vec<WatcherId>,
    entry_watchers: BTreeMap<Name, Vec<WatcherId>>,
}

impl Table {
    /// The entry `name`.
    pub(super) fn entry(&self, name: &Name) -> Option<&Entry> {
        self.entries.get(name).map(|entry| &**entry)
    }

    /// All entries, by name.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.by_name.iter().filter_map(|name| self.entry(name))
    }

    /// The entries of a page, and whether there are more behind it.
    pub(super) fn page(&self, page: &Page) -> (Vec<Entry>, bool) {
        match page.order() {
            Order::Name { after: None } => cut(self.entries(), page.limit()),
            Order::Name { after: Some(after) } => {
                let behind = (Bound::Excluded(after), Bound::Unbounded);
                let range = self.by_name.range::<Name, _>(behind);
                cut(range.filter_map(|name| self.entry(name)), page.limit())
            }
            Order::Only { name } => (self.entry(name).cloned().into_iter().collect(), false),
            Order::Oldest => cut(self.by_age.iter().filter_map(|place| self.aged(place)), page.limit()),
            Order::Newest { up_to: None } => {
                cut(self.by_age.iter().rev().filter_map(|place| self.aged(place)), page.limit())
            }
            Order::Newest { up_to: Some(up_to) } => {
                let end = match up_to.as_u64().checked_add(1) {
                    Some(next) => Bound::Excluded((Revision::new(next), None)),
                    None => Bound::Unbounded,
                };
                let range = self.by_age.range((Bound::Unbounded, end)).rev();
                cut(range.filter_map(|place| self.aged(place)), page.limit())
            }
        }
    }

    /// Who is told about a change of `name`.
    pub(super) fn watchers_of(&self, name: &Name) -> impl Iterator<Item = WatcherId> {
        let of_entry = match self.entry_watchers.is_empty() {
            true => None,
            false => self.entry_watchers.get(name),
        };
        self.watchers.iter().chain(of_entry.into_iter().flatten()).copied()
    }

    fn aged(&self, place: &(Revision, Option<Name>)) -> Option<&Entry> {
        self.entry(place.1.as_ref()?)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        let name = entry.key().name().clone();
        let created = entry.created();
        match self.entries.insert(name.clone(), Box::new(entry)) {
            Some(replaced) if replaced.created() == created => return,
            Some(replaced) => {
                self.by_age.remove(&(replaced.created(), Some(name.clone())));
            }
            None => {
                self.by_name.insert(name.clone());
            }
        }
        self.by_age.insert((created, Some(name)));
    }

    pub(super) fn remove(&mut self, name: &Name) -> Option<Entry> {
        let entry = self.entries.remove(name)?;
        self.by_name.remove(name);
        self.by_age.remove(&(entry.created(), Some(name.clone())));
        Some(*entry)
    }

    fn unsubscribe(&mut self, target: &WatchTarget, watcher: WatcherId) {
        match target {
            WatchTarget::Collection(_) => self.watchers.retain(|id| *id != watcher),
            WatchTarget::Entry(key) => {
                let Some(ids) = self.entry_watchers.get_mut(key.name()) else { return };
                ids.retain(|id| *id != watcher);
                if ids.is_empty() {
                    self.entry_watchers.remove(key.name());
                }
            }
        }
    }

    fn is_unused(&self) -> bool {
        self.entries.is_empty() && !self.is_watched()
    }

    fn is_watched(&self) -> bool {
        !(self.watchers.is_empty() && self.entry_watchers.is_empty())
    }
}

fn cut<'a>(mut entries: impl Iterator<Item = &'a Entry>, limit: usize) -> (Vec<Entry>, bool) {
    let page = entries.by_ref().take(limit).cloned().collect();
    (page, entries.next().is_some())
}
