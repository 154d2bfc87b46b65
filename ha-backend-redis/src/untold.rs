//! What one watch has still to be told.

use std::collections::BTreeMap;

use ha_core::spi::{Change, Entry, Lineage, Name, Revision, WatchEvent};

/// How many entries with untold changes are remembered. With more, the target is read once somebody asks.
const UNTOLD_MAX: usize = 1_024;

/// What one watch has still to be told.
#[derive(Debug)]
pub(crate) struct Untold {
    interrupted: bool,
    discontinuity: Option<Lineage>,
    view: View,
}

#[derive(Debug)]
enum View {
    /// The target is to be read, or is being read.
    Wanted,
    /// So much that it was forgotten, or something too long for the log: the target is to be read once somebody asks.
    Forgotten,
    /// The state of the whole target.
    Snapshot(BTreeMap<Name, Entry>, Revision, Lineage),
    /// The latest change of each entry, since what was told.
    Changes(BTreeMap<Name, Change>, Revision, Lineage),
}

impl Untold {
    /// Of a watch that was told nothing yet.
    pub(crate) fn wanted() -> Self {
        Self { interrupted: false, discontinuity: None, view: View::Wanted }
    }

    /// The target is to be read now.
    pub(crate) fn want(&mut self) {
        self.view = View::Wanted;
    }

    /// What was not told is forgotten.
    pub(crate) fn forget(&mut self) {
        if !matches!(self.view, View::Wanted) {
            self.view = View::Forgotten;
        }
    }

    /// Whether the target has to be read before anything can be told.
    pub(crate) fn is_forgotten(&self) -> bool {
        matches!(self.view, View::Forgotten)
    }

    /// Nobody knows what happens now.
    pub(crate) fn interrupt(&mut self) {
        self.interrupted = true;
        self.view = View::Wanted;
    }

    /// The history is another one.
    pub(crate) fn begin_history(&mut self, lineage: Lineage) {
        self.discontinuity = Some(lineage);
        self.view = View::Wanted;
    }

    /// How the target stands.
    pub(crate) fn snapshot(&mut self, entries: Vec<Entry>, revision: Revision, lineage: Lineage) {
        let entries = entries.into_iter().map(|entry| (entry.key().name().clone(), entry)).collect();
        self.view = View::Snapshot(entries, revision, lineage);
    }

    /// What was changed, in the place of an earlier change of the same entry: a `Put` shows by its `created` that the incarnation before it vanished.
    pub(crate) fn note(&mut self, change: Change, at: Revision, of: Lineage) {
        match &mut self.view {
            View::Wanted | View::Forgotten => {}
            View::Snapshot(entries, revision, lineage) => {
                (*revision, *lineage) = (at, of);
                match change {
                    Change::Put(entry) => drop(entries.insert(entry.key().name().clone(), entry)),
                    Change::Removed(stamp) => drop(entries.remove(stamp.key().name())),
                    // What this release does not know is read anew.
                    _ => self.view = View::Forgotten,
                }
            }
            View::Changes(changes, revision, lineage) => {
                (*revision, *lineage) = (at, of);
                let name = match &change {
                    Change::Put(entry) => entry.key().name().clone(),
                    Change::Removed(stamp) => stamp.key().name().clone(),
                    _ => return self.view = View::Forgotten,
                };
                changes.insert(name, change);
                if changes.len() > UNTOLD_MAX {
                    self.view = View::Forgotten;
                }
            }
        }
    }

    /// The next item to tell.
    pub(crate) fn next(&mut self) -> Option<WatchEvent> {
        if std::mem::take(&mut self.interrupted) {
            return Some(WatchEvent::Interrupted);
        }
        if let Some(lineage) = self.discontinuity.take() {
            return Some(WatchEvent::Discontinuity(lineage));
        }
        match &mut self.view {
            View::Snapshot(entries, revision, lineage) => {
                let entries = std::mem::take(entries).into_values().collect();
                let (revision, lineage) = (*revision, *lineage);
                self.view = View::Changes(BTreeMap::new(), revision, lineage);
                Some(WatchEvent::Snapshot { entries, revision, lineage })
            }
            View::Changes(changes, revision, lineage) if !changes.is_empty() => {
                let changes = std::mem::take(changes).into_values().collect();
                Some(WatchEvent::Changed { changes, revision: *revision, lineage: *lineage })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{UNTOLD_MAX, Untold};
    use bytes::Bytes;
    use ha_core::spi::{Change, Collection, Entry, Lineage, Name, Revision, Stamp, WatchEvent};

    fn stamp(name: &str, created: u64) -> Stamp {
        let key = Collection::parse(&["c"]).unwrap().key(Name::parse(name).unwrap());
        Stamp::new(key, Revision::new(created), Revision::new(created), Bytes::new())
    }

    fn put(name: &str, created: u64) -> Change {
        Change::Put(Entry::new(stamp(name, created), Bytes::new(), None))
    }

    fn names(event: Option<WatchEvent>) -> Vec<(String, u64)> {
        let shown = |stamp: &Stamp| (stamp.key().name().as_str().to_owned(), stamp.created().as_u64());
        match event {
            Some(WatchEvent::Snapshot { entries, .. }) => entries.iter().map(|e| shown(e.stamp())).collect(),
            Some(WatchEvent::Changed { changes, .. }) => {
                let stamp = |change: &Change| match change {
                    Change::Put(entry) => shown(entry.stamp()),
                    Change::Removed(stamp) => shown(stamp),
                    other => panic!("{other:?}"),
                };
                changes.iter().map(stamp).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changes_are_folded_into_what_was_not_told_yet() {
        let mut untold = Untold::wanted();
        assert_eq!(untold.next(), None);
        let lineage = Lineage::default();
        untold.snapshot(vec![Entry::new(stamp("a", 1), Bytes::new(), None)], Revision::new(1), lineage);
        untold.note(put("b", 2), Revision::new(2), lineage);
        untold.note(Change::Removed(stamp("a", 1)), Revision::new(3), lineage);
        assert_eq!(names(untold.next()), [("b".to_owned(), 2)]);
        assert_eq!(untold.next(), None);
        untold.note(Change::Removed(stamp("b", 2)), Revision::new(4), lineage);
        untold.note(put("b", 5), Revision::new(5), lineage);
        assert_eq!(names(untold.next()), [("b".to_owned(), 5)], "another incarnation shows");
    }

    #[test]
    fn a_consumer_that_does_not_read_costs_bounded_memory() {
        let mut untold = Untold::wanted();
        untold.snapshot(Vec::new(), Revision::new(1), Lineage::default());
        untold.next();
        for number in 0..=UNTOLD_MAX {
            assert!(!untold.is_forgotten());
            untold.note(put(&number.to_string(), 2), Revision::new(2), Lineage::default());
        }
        assert!(untold.is_forgotten());
        assert_eq!(untold.next(), None, "before it was read");
    }

    #[test]
    fn a_new_history_is_told_before_its_snapshot() {
        let mut untold = Untold::wanted();
        untold.interrupt();
        untold.begin_history(Lineage::new(7));
        untold.snapshot(Vec::new(), Revision::new(9), Lineage::new(7));
        assert_eq!(untold.next(), Some(WatchEvent::Interrupted));
        assert_eq!(untold.next(), Some(WatchEvent::Discontinuity(Lineage::new(7))));
        assert!(matches!(untold.next(), Some(WatchEvent::Snapshot { .. })));
    }
}
