//! One watched range: from the order to watch it to a view of it that is complete. Pure: no I/O, no clock.
//!
//! The watch is ordered from now on and the range is read at the same time. The acknowledgement names the revision behind which
//! the watch sees everything; what was read has to be at least that new, otherwise it is read again. So nothing falls between,
//! and a watch never starts at an old revision, where the server would serve it by a slow loop.

use std::collections::BTreeMap;

use ha_core::spi::{Change, Collection, Entry, Name, Revision, Stamp};

use crate::client::{Event, KeyRange, Kv};
use crate::keys::Layout;
use crate::page::entry;

/// How many events are kept while the range is read. With more of them it is read again.
const BUFFERED_MAX: usize = 4_096;

/// What is watched, and what is known of it.
#[derive(Debug)]
pub(crate) struct Target {
    collection: Collection,
    range: KeyRange,
    stage: Stage,
    /// The incarnations that exist, as far as told.
    live: BTreeMap<Name, Stamp>,
    /// Everything up to this revision is in the view. The server is known to send events twice, or late ones again.
    floor: u64,
}

#[derive(Debug)]
enum Stage {
    /// Nothing was ordered, or what was ordered is void.
    Idle,
    /// Ordered: which revision a reading needs, once acknowledged; and the events since.
    Opening {
        how: Opening,
        needs: Option<u64>,
        read: Option<(u64, Vec<Kv>)>,
        events: Vec<Event>,
    },
    Live,
}

/// Why the range is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// The watch was ordered.
    First,
    /// It was ordered again, though the view is complete: told is only what is news.
    Again,
    /// The watch is there.
    Reading,
}

/// What the consumer is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    Snapshot(BTreeMap<Name, Entry>, u64),
    Changed(Vec<(Name, Change)>, u64),
}

impl Tell {
    /// The revision of the state that it tells.
    pub(crate) fn revision(&self) -> u64 {
        match self {
            Self::Snapshot(_, revision) | Self::Changed(_, revision) => *revision,
        }
    }
}

/// What to do next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) tell: Vec<Tell>,
    /// The incarnations that are gone by what is told.
    pub(crate) gone: Vec<Stamp>,
    /// What was read is too old: read the range again.
    pub(crate) read: bool,
    /// The store was written to while the watch was made: the server may take it for one that starts in the past, and bring its events late.
    pub(crate) doubtful: bool,
}

impl Target {
    pub(crate) fn new(collection: Collection, range: KeyRange) -> Self {
        Self { collection, range, stage: Stage::Idle, live: BTreeMap::new(), floor: 0 }
    }

    pub(crate) fn range(&self) -> &KeyRange {
        &self.range
    }

    /// Whether the view is complete and follows the store.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live)
    }

    /// The watch was ordered, and the range is being read.
    pub(crate) fn ordered(&mut self) {
        self.stage = opening(Opening::First, None);
    }

    /// The watch was ordered once more, and the range is being read again.
    pub(crate) fn ordered_again(&mut self) {
        self.stage = opening(Opening::Again, None);
    }

    /// A watch that goes on serves this target from now on, and the range is being read.
    pub(crate) fn adopted(&mut self) {
        self.stage = opening(Opening::Reading, Some(0));
    }

    /// The watch goes on, and the range is being read anew. False if it is being read anyway.
    pub(crate) fn refresh(&mut self) -> bool {
        if let Stage::Opening { how: how @ Opening::Again, .. } = &mut self.stage {
            // Somebody waits for all of it.
            *how = Opening::First;
        }
        if !self.is_live() {
            return false;
        }
        self.stage = opening(Opening::Reading, Some(self.floor));
        true
    }

    /// The watch is void. True if somebody believes in the view.
    pub(crate) fn interrupted(&mut self) -> bool {
        !matches!(std::mem::replace(&mut self.stage, Stage::Idle), Stage::Idle)
    }

    /// The server acknowledged the watch: it sees everything behind `revision`.
    pub(crate) fn acknowledged(&mut self, revision: u64, layout: &Layout) -> Next {
        if let Stage::Opening { needs, .. } = &mut self.stage {
            *needs = Some((*needs).unwrap_or(0).max(revision));
        }
        self.complete(layout)
    }

    /// The range was read at `revision`.
    pub(crate) fn read(&mut self, revision: u64, kvs: Vec<Kv>, layout: &Layout) -> Next {
        if let Stage::Opening { read, .. } = &mut self.stage {
            *read = Some((revision, kvs));
        }
        self.complete(layout)
    }

    /// Events arrived.
    pub(crate) fn events(&mut self, arrived: Vec<Event>, layout: &Layout) -> Next {
        match &mut self.stage {
            Stage::Idle => Next::default(),
            Stage::Opening { needs, events, .. } => {
                events.extend(arrived);
                if events.len() > BUFFERED_MAX {
                    let last = events.iter().map(Event::modified).max();
                    *needs = (*needs).max(last);
                    events.clear();
                }
                Next::default()
            }
            Stage::Live => self.apply(arrived, layout),
        }
    }

    fn complete(&mut self, layout: &Layout) -> Next {
        let Stage::Opening { how, needs: Some(needs), read, events } = &mut self.stage else {
            return Next::default();
        };
        let Some((revision, kvs)) = read.take() else { return Next::default() };
        if revision < *needs {
            return Next { read: true, ..Next::default() };
        }
        let (how, doubtful) = (*how, *how != Opening::Reading && revision > *needs);
        let events = std::mem::take(events);
        self.stage = Stage::Live;
        self.floor = revision;
        let entries: BTreeMap<Name, Entry> = kvs.iter().filter_map(|kv| self.entry(kv, layout)).collect();
        let live = entries.iter().map(|(name, entry)| (name.clone(), entry.stamp().clone())).collect();
        let known = how == Opening::Again && live == self.live;
        let before = std::mem::replace(&mut self.live, live);
        let is_gone = |name: &Name, stamp: &Stamp| {
            self.live.get(name).is_none_or(|live| !live.is_same_incarnation(stamp))
        };
        let mut gone: Vec<Stamp> =
            before.into_iter().filter(|(name, stamp)| is_gone(name, stamp)).map(|(_, stamp)| stamp).collect();
        let snapshot = (!known).then_some(Tell::Snapshot(entries, revision));
        let changed = self.apply(events, layout);
        gone.extend(changed.gone);
        Next { tell: snapshot.into_iter().chain(changed.tell).collect(), gone, read: false, doubtful }
    }

    /// Takes the events that are new, in their order; the last one of each entry is told.
    fn apply(&mut self, events: Vec<Event>, layout: &Layout) -> Next {
        let mut gone = Vec::new();
        let mut changes: BTreeMap<Name, Change> = BTreeMap::new();
        let floor = self.floor;
        for event in events.into_iter().filter(|event| event.modified() > floor) {
            self.floor = self.floor.max(event.modified());
            match event {
                Event::Put(kv) => {
                    let Some((name, entry)) = self.entry(&kv, layout) else { continue };
                    self.live.insert(name.clone(), entry.stamp().clone());
                    changes.insert(name, Change::Put(entry));
                }
                Event::Deleted { key, .. } => {
                    let Some(name) = layout.name(&self.collection, &key) else { continue };
                    let Some(stamp) = self.live.remove(&name) else { continue };
                    gone.push(stamp.clone());
                    changes.insert(name, Change::Removed(stamp));
                }
            }
        }
        let tell = (!changes.is_empty()).then(|| Tell::Changed(changes.into_iter().collect(), self.floor));
        Next { tell: tell.into_iter().collect(), gone, ..Next::default() }
    }

    fn entry(&self, kv: &Kv, layout: &Layout) -> Option<(Name, Entry)> {
        let name = layout.name(&self.collection, &kv.key)?;
        let entry = entry(self.collection.key(name.clone()), kv);
        debug_assert!(entry.created() > Revision::new(0));
        Some((name, entry))
    }
}

fn opening(how: Opening, needs: Option<u64>) -> Stage {
    Stage::Opening { how, needs, read: None, events: Vec::new() }
}

#[cfg(test)]
#[path = "target_test.rs"]
mod tests;
