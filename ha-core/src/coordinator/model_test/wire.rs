//! What a process has under way at the store: requests and watches.

use std::collections::{BTreeMap, VecDeque};

use super::Store;
use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key};
use crate::runtime::Instant;
use crate::spi::{Change, Entry, Lineage, Listing, Outcome, Page, SessionId, Txn, WatchEvent, WatchTarget};

/// A commit or a listing on its way.
#[derive(Debug)]
pub(crate) enum Request {
    Commit { tag: u64, txn: Txn, answer: Option<Result<Outcome, Error>> },
    List { tag: u64, collection: Collection, page: Page, answer: Option<Result<Listing, Error>> },
}

impl Request {
    pub(crate) fn is_answered(&self) -> bool {
        match self {
            Self::Commit { answer, .. } => answer.is_some(),
            Self::List { answer, .. } => answer.is_some(),
        }
    }

    /// Reaches the store.
    pub(crate) fn execute(&mut self, session: &SessionId, store: &mut Store, now: Instant) {
        match self {
            Self::Commit { txn, answer, .. } => *answer = Some(store.commit(session, txn, now)),
            Self::List { collection, page, answer, .. } => {
                let lost = || Err(Error::new(ErrorKind::SessionLost, "list"));
                let alive = store.is_alive(session);
                *answer = Some(if alive { Ok(store.list(collection, page)) } else { lost() });
            }
        }
    }

    /// Does not reach the store.
    pub(crate) fn refuse(&mut self, error: Error) {
        match self {
            Self::Commit { answer, .. } => *answer = Some(Err(error)),
            Self::List { answer, .. } => *answer = Some(Err(error)),
        }
    }

    pub(super) fn lineage(&self) -> Option<Lineage> {
        match self {
            Self::Commit { answer: Some(Ok(outcome)), .. } => Some(outcome.lineage()),
            Self::Commit { answer: Some(Err(error)), .. } => error.lineage(),
            Self::List { answer: Some(Ok(listing)), .. } => Some(listing.lineage()),
            _ => None,
        }
    }
}

/// A watch, what the store said through it, and what was heard.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) target: WatchTarget,
    /// What was shown last, and of which generation.
    shown: Option<(BTreeMap<Key, Entry>, u64)>,
    /// Said by the store, not yet heard.
    pub(super) said: VecDeque<WatchEvent>,
}

impl Watch {
    pub(super) fn new(target: WatchTarget) -> Self {
        Self { target, shown: None, said: VecDeque::new() }
    }

    /// Says what changed since it spoke last.
    pub(super) fn say(&mut self, store: &Store, interrupted: bool) {
        let (entries, revision) = store.watched(&self.target);
        let lineage = store.lineage();
        let before = self.shown.take();
        if interrupted {
            self.said.push_back(WatchEvent::Interrupted);
        }
        match before {
            Some((before, generation)) if generation == lineage.generation() && !interrupted => {
                let changes = changes(&before, &entries);
                if !changes.is_empty() {
                    self.said.push_back(WatchEvent::Changed { changes, revision, lineage });
                }
            }
            before => {
                if before.is_some_and(|(_, generation)| generation != lineage.generation()) {
                    self.said.push_back(WatchEvent::Discontinuity(lineage));
                }
                let entries = entries.values().cloned().collect();
                self.said.push_back(WatchEvent::Snapshot { entries, revision, lineage });
            }
        }
        self.shown = Some((entries, lineage.generation()));
    }
}

fn changes(before: &BTreeMap<Key, Entry>, now: &BTreeMap<Key, Entry>) -> Vec<Change> {
    let removed = before.values().filter(|entry| !now.contains_key(entry.key()));
    let put = now.values().filter(|entry| before.get(entry.key()) != Some(*entry));
    let removed = removed.map(|entry| Change::Removed(entry.stamp().clone()));
    removed.chain(put.cloned().map(Change::Put)).collect()
}
