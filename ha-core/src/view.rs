//! Snapshots and changes of a watch, folded into the latest known state of a collection.

use std::collections::BTreeMap;

use crate::names::Key;
use crate::spi::{Change, Entry, Revision, WatchEvent};

/// The latest state that a watch has shown. Empty and unknown until the first snapshot.
#[derive(Debug, Default)]
pub(crate) struct View {
    entries: BTreeMap<Key, Entry>,
    revision: Revision,
    known: bool,
}

impl View {
    /// Takes what a watch delivered.
    pub(crate) fn apply(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Snapshot { entries, revision, .. } => {
                self.entries = entries.into_iter().map(|entry| (entry.key().clone(), entry)).collect();
                self.revision = revision;
                self.known = true;
            }
            WatchEvent::Changed { changes, revision, .. } => {
                changes.into_iter().for_each(|change| self.change(change));
                self.revision = revision;
            }
            // What was known is stale, not wrong: the guards of a commit decide.
            WatchEvent::Interrupted => {}
            WatchEvent::Discontinuity(_) => self.known = false,
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Put(entry) => {
                self.entries.insert(entry.key().clone(), entry);
            }
            Change::Removed(stamp) => {
                let same = |entry: &Entry| entry.created() <= stamp.created();
                if self.entries.get(stamp.key()).is_some_and(same) {
                    self.entries.remove(stamp.key());
                }
            }
        }
    }

    /// Forgets everything: another session watches anew.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether a snapshot has been seen.
    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// The revision that the view is not older than.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }
}

#[cfg(test)]
mod tests {
    use super::View;
    use crate::names::{Collection, Name};
    use crate::spi::{Change, Entry, Lineage, Revision, Stamp, WatchEvent};
    use bytes::Bytes;

    fn entry(name: &str, created: u64) -> Entry {
        let key = Collection::parse(&["c"]).unwrap().key(Name::parse(name).unwrap());
        let created = Revision::new(created);
        Entry::new(Stamp::new(key, created, created, Bytes::new()), Bytes::new(), None)
    }

    fn changed(changes: Vec<Change>, revision: u64) -> WatchEvent {
        WatchEvent::Changed { changes, revision: Revision::new(revision), lineage: Lineage::default() }
    }

    #[test]
    fn snapshots_replace_and_changes_fold() {
        let mut view = View::default();
        assert!(!view.is_known());
        view.apply(WatchEvent::Snapshot {
            entries: vec![entry("a", 1), entry("b", 2)],
            revision: Revision::new(2),
            lineage: Lineage::default(),
        });
        view.apply(changed(
            vec![Change::Removed(entry("a", 1).stamp().clone()), Change::Put(entry("c", 3))],
            3,
        ));
        let names: Vec<_> = view.entries().map(|entry| entry.key().name().to_string()).collect();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(view.revision(), Revision::new(3));
    }

    #[test]
    fn the_removal_of_an_older_incarnation_leaves_the_newer_one() {
        let mut view = View::default();
        view.apply(changed(vec![Change::Put(entry("a", 5))], 5));
        view.apply(changed(vec![Change::Removed(entry("a", 1).stamp().clone())], 6));
        assert_eq!(view.entries().count(), 1);
    }
}
