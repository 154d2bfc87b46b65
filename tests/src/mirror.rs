//! Follows a watch as a recipe does, and holds it to its laws on the way.

use std::collections::BTreeMap;

use ha_core::spi::{Change, Entry, Key, Lineage, Revision, Session, WatchEvent, WatchStream, WatchTarget};

/// The state that a watch has told so far.
#[derive(Debug)]
pub struct Mirror {
    stream: WatchStream,
    entries: BTreeMap<Key, Entry>,
    revision: Revision,
    lineage: Lineage,
    is_current: bool,
    items: usize,
    created: BTreeMap<Key, Vec<Revision>>,
    removed: BTreeMap<Key, Revision>,
}

impl Mirror {
    /// Opens a watch and waits for its first snapshot.
    pub async fn open(session: &dyn Session, target: WatchTarget) -> Self {
        let mut mirror = Self::unread(session, target);
        while !mirror.is_current {
            assert!(mirror.step().await, "the watch ended before its first snapshot");
        }
        mirror
    }

    /// Opens a watch and reads nothing yet.
    #[must_use]
    pub fn unread(session: &dyn Session, target: WatchTarget) -> Self {
        Self::follow(session.watch(target))
    }

    /// Follows a watch that was opened in another way, and reads nothing yet.
    #[must_use]
    pub fn follow(stream: WatchStream) -> Self {
        Self {
            stream,
            entries: BTreeMap::new(),
            revision: Revision::default(),
            lineage: Lineage::default(),
            is_current: false,
            items: 0,
            created: BTreeMap::new(),
            removed: BTreeMap::new(),
        }
    }

    /// Reads one item; `false` once the watch has ended.
    pub async fn step(&mut self) -> bool {
        let Some(item) = self.stream.next().await else { return false };
        self.items += 1;
        match item {
            WatchEvent::Snapshot { entries, revision, lineage } => {
                self.advance(revision, lineage);
                self.entries.clear();
                entries.into_iter().for_each(|entry| self.take(entry));
                self.is_current = true;
            }
            WatchEvent::Changed { changes, revision, lineage } => {
                assert!(self.is_current, "changes came before a snapshot: {changes:?}");
                self.advance(revision, lineage);
                changes.into_iter().for_each(|change| self.change(change));
            }
            WatchEvent::Interrupted => self.is_current = false,
            WatchEvent::Discontinuity(lineage) => {
                assert!(
                    lineage.generation() > self.lineage.generation(),
                    "a discontinuity of an old generation"
                );
                self.lineage = lineage;
                self.is_current = false;
            }
            other => panic!("an unknown item of a watch: {other:?}"),
        }
        true
    }

    /// Reads until the state satisfies `wanted`.
    pub async fn until(&mut self, mut wanted: impl FnMut(&Self) -> bool) {
        while !(self.is_current && wanted(self)) {
            assert!(self.step().await, "the watch ended too early; it told {:?}", self.entries);
        }
    }

    /// The entry at `key`, as far as told.
    #[must_use]
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// All entries, as far as told.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.values().cloned().collect()
    }

    /// The incarnations of `key` that were shown, in order.
    #[must_use]
    pub fn incarnations(&self, key: &Key) -> &[Revision] {
        self.created.get(key).map_or(&[], Vec::as_slice)
    }

    /// The incarnation of `key` that was the last one to be removed by a change.
    #[must_use]
    pub fn removed(&self, key: &Key) -> Option<Revision> {
        self.removed.get(key).copied()
    }

    /// The lineage of the last item that had one.
    #[must_use]
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// How many items were read.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items
    }

    /// Whether the last word was a state, and not an interruption.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.is_current
    }

    fn advance(&mut self, revision: Revision, lineage: Lineage) {
        assert!(
            revision >= self.revision || lineage.generation() > self.lineage.generation(),
            "the watch went back from revision {} to {revision}",
            self.revision
        );
        self.revision = revision;
        self.lineage = lineage;
    }

    fn take(&mut self, entry: Entry) {
        let shown = self.created.entry(entry.key().clone()).or_default();
        if shown.last() != Some(&entry.created()) {
            shown.push(entry.created());
        }
        self.entries.insert(entry.key().clone(), entry);
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Put(entry) => {
                if let Some(before) = self.entries.get(entry.key()) {
                    assert!(
                        entry.stamp().modified() >= before.stamp().modified(),
                        "the watch went back from {before:?} to {entry:?}"
                    );
                }
                self.take(entry);
            }
            Change::Removed(stamp) => {
                // Another incarnation than the one told is possible, when several changes appear as the last one.
                let before = self.entries.remove(stamp.key());
                let later = before.as_ref().is_none_or(|before| before.created() <= stamp.created());
                assert!(later, "the watch removed {stamp:?}, but had told {before:?}");
                self.removed.insert(stamp.key().clone(), stamp.created());
            }
            other => panic!("an unknown change: {other:?}"),
        }
    }
}
