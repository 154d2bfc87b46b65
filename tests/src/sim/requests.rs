//! Writes requests, their outcomes, watches and the store's own log into the history.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ha_core::spi::{Change, Collection, Entry, Outcome, Stamp, WatchEvent};
use ha_core::{Effect, Error, ErrorKind};

use super::cluster::{Cluster, Life};
use crate::history::{self, Action, Event, Item, Key, Version};

/// The longest value that every backend stores, in bytes.
const LIMIT: usize = 64 * 1024;

/// A value that no backend needs to store.
pub(super) fn too_large(value: u64) -> Bytes {
    let mut text = value.to_string().into_bytes();
    text.resize(LIMIT + 1, b' ');
    text.into()
}

/// The requests of one node.
#[derive(Clone)]
pub(super) struct Requests {
    cluster: Arc<Cluster>,
    life: Life,
    /// The newest revision that this session has seen.
    seen: Arc<AtomicU64>,
}

impl Requests {
    pub(super) fn new(cluster: &Arc<Cluster>, life: &Life) -> Self {
        Self { cluster: Arc::clone(cluster), life: life.clone(), seen: Arc::default() }
    }

    fn event(&self, event: Event) {
        self.cluster.recorder.event(&self.life, event);
    }

    fn saw(&self, revision: u64) {
        self.seen.fetch_max(revision, Ordering::Relaxed);
    }

    /// A value that nobody else writes.
    pub(super) fn next_value(&self) -> u64 {
        self.cluster.recorder.number()
    }

    pub(super) fn invoked(&self, collection: &Collection, name: &str, action: Action, bytes: u64) -> u64 {
        let op = self.cluster.recorder.number();
        let key = Key::new(collection.to_string(), name);
        self.event(Event::Invoked { op, key, action, bytes });
        op
    }

    fn answered(&self, op: u64, outcome: history::Outcome) {
        self.event(Event::Answered { op, outcome });
    }

    pub(super) fn failed(&self, op: u64) {
        self.answered(op, history::Outcome::Failed);
    }

    /// A read showed this entry, or none.
    pub(super) fn seen_as(&self, op: u64, entry: Option<&Entry>) {
        let version = entry.map(|entry| {
            let value = std::str::from_utf8(entry.value()).ok().and_then(|text| text.trim().parse().ok());
            Version::new(
                entry.created().as_u64(),
                entry.stamp().modified().as_u64(),
                value.unwrap_or(u64::MAX),
            )
        });
        version.iter().for_each(|version| self.saw(version.modified));
        self.answered(op, history::Outcome::Seen(version));
    }

    /// A commit was decided. The stamp of what it wrote, if it wrote something.
    pub(super) fn decided(&self, op: u64, outcome: Result<Outcome, Error>) -> Option<Stamp> {
        let (answer, stamp) = match outcome {
            Ok(Outcome::Committed(committed)) => {
                let revision = committed.revision.as_u64();
                self.saw(revision);
                (history::Outcome::Applied { revision }, committed.stamps.into_iter().flatten().next())
            }
            Ok(_) => (history::Outcome::Conflict, None),
            Err(error) if error.effect() == Effect::Unknown => (history::Outcome::Unknown, None),
            Err(error) if error.kind() == ErrorKind::TooLarge => (history::Outcome::Refused, None),
            Err(_) => (history::Outcome::Failed, None),
        };
        self.answered(op, answer);
        stamp
    }

    pub(super) fn renewed(&self, session: &str, sent: u64, acknowledged: bool) {
        self.event(Event::Renewed { session: session.to_owned(), sent, acknowledged });
    }

    pub(super) fn watch_opened(&self, collection: &[&str]) -> Watched {
        let number = self.cluster.recorder.number();
        let (collection, seen) = (collection.join("/"), self.seen.load(Ordering::Relaxed));
        self.event(Event::WatchOpened { watch: number, collection, name: None, seen });
        Watched { requests: self.clone(), number }
    }
}

/// A watch. It ends when it is dropped.
pub(super) struct Watched {
    requests: Requests,
    number: u64,
}

impl Watched {
    pub(super) fn delivered(&self, event: WatchEvent) {
        let item = match event {
            WatchEvent::Snapshot { entries, revision, .. } => {
                let entries =
                    entries.into_iter().map(Change::Put).filter_map(|change| told(&change)).collect();
                Item::Snapshot { revision: revision.as_u64(), entries }
            }
            WatchEvent::Changed { changes, revision, .. } => Item::Changed {
                revision: revision.as_u64(),
                changes: changes.iter().filter_map(told).collect(),
            },
            WatchEvent::Interrupted => Item::Interrupted,
            _ => return,
        };
        if let Item::Snapshot { revision, .. } | Item::Changed { revision, .. } = &item {
            self.requests.saw(*revision);
        }
        self.requests.event(Event::WatchDelivered { watch: self.number, item });
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // A process that crashed says nothing any more.
        if !self.requests.cluster.has_crashed(&self.requests.life) {
            self.requests.event(Event::WatchEnded { watch: self.number });
        }
    }
}

/// A change, as a history writes it; `None` for a kind that it does not know.
pub(super) fn told(change: &Change) -> Option<history::Change> {
    let key = |stamp: &Stamp| Key::new(stamp.key().collection().to_string(), stamp.key().name().to_string());
    match change {
        Change::Put(entry) => Some(history::Change::Put {
            key: key(entry.stamp()),
            created: entry.created().as_u64(),
            modified: entry.stamp().modified().as_u64(),
            owner: entry.owner().map(ToString::to_string),
        }),
        Change::Removed(stamp) => {
            Some(history::Change::Removed { key: key(stamp), created: stamp.created().as_u64() })
        }
        _ => None,
    }
}
