//! Watches that lose, hide or invent something.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_core::Stream;
use ha_core::spi::{Change, Entry, Key, Session, WatchEvent, WatchStream, WatchTarget};

use super::{Defect, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("a_change_is_lost", "watch::creations_updates_and_deletions_are_delivered", || {
        Arc::new(Filtering(|| {
            let mut changes = 0;
            Box::new(move |item| {
                changes += usize::from(matches!(item, WatchEvent::Changed { .. }));
                if changes % 3 == 2 { None } else { Some(item) }
            })
        }))
    }),
    Mutant::new("removals_are_lost", "watch::the_end_of_a_session_is_delivered", || {
        Arc::new(Filtering(|| {
            Box::new(|item| without_changes(item, |change| matches!(change, Change::Removed(_))))
        }))
    }),
    Mutant::new("a_re_creation_is_hidden", "watch::a_re_creation_is_not_hidden", || {
        Arc::new(Filtering(|| {
            let mut known = BTreeMap::new();
            Box::new(move |item| hide_re_creations(&mut known, item))
        }))
    }),
    Mutant::new("the_first_snapshot_is_empty", "watch::a_snapshot_comes_first", || {
        Arc::new(Filtering(|| {
            let mut is_first = true;
            Box::new(move |item| match item {
                WatchEvent::Snapshot { revision, lineage, .. } if std::mem::take(&mut is_first) => {
                    Some(WatchEvent::Snapshot { entries: Vec::new(), revision, lineage })
                }
                item => Some(item),
            })
        }))
    }),
    Mutant::new("a_gap_is_followed_by_changes", "watch::an_interruption_ends_in_a_snapshot", || {
        Arc::new(Filtering(|| {
            let mut is_first = true;
            Box::new(move |item| match item {
                WatchEvent::Snapshot { entries, revision, lineage } if !std::mem::take(&mut is_first) => {
                    let changes = entries.into_iter().map(Change::Put).collect();
                    Some(WatchEvent::Changed { changes, revision, lineage })
                }
                item => Some(item),
            })
        }))
    }),
    Mutant::new(
        "what_vanished_in_a_gap_stays",
        "watch::nothing_missed_in_an_interruption_stays_missed",
        || {
            Arc::new(Filtering(|| {
                let mut last = Vec::new();
                Box::new(move |item| Some(keep_the_vanished(&mut last, item)))
            }))
        },
    ),
    Mutant::new(
        "a_watch_begins_at_a_state_before_it_was_opened",
        "watch::a_watch_is_not_older_either_while_others_write",
        || Arc::new(Hasty::default()),
    ),
    Mutant::new("a_watch_goes_on_without_its_session", "watch::a_watch_ends_with_its_session", || {
        Arc::new(Endless)
    }),
];

/// Decides about each item of one watch.
pub(super) type Filter = Box<dyn FnMut(WatchEvent) -> Option<WatchEvent> + Send>;

/// Passes on what its filter lets through.
#[derive(Debug)]
pub(super) struct Filtering(pub(super) fn() -> Filter);

#[async_trait]
impl Defect for Filtering {
    fn watch(&self, session: &Arc<dyn Session>, target: WatchTarget) -> WatchStream {
        WatchStream::new(Filtered { stream: session.watch(target), filter: (self.0)() })
    }
}

struct Filtered {
    stream: WatchStream,
    filter: Filter,
}

impl Stream for Filtered {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        loop {
            match Pin::new(&mut self.stream).poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    if let Some(item) = (self.filter)(item) {
                        return Poll::Ready(Some(item));
                    }
                }
                other => return other,
            }
        }
    }
}

pub(super) fn without_changes(item: WatchEvent, is_lost: impl Fn(&Change) -> bool) -> Option<WatchEvent> {
    match item {
        WatchEvent::Changed { mut changes, revision, lineage } => {
            changes.retain(|change| !is_lost(change));
            (!changes.is_empty()).then_some(WatchEvent::Changed { changes, revision, lineage })
        }
        item => Some(item),
    }
}

/// Leaves out an entry that says the same as before, though it may be another incarnation.
fn hide_re_creations(known: &mut BTreeMap<Key, Entry>, item: WatchEvent) -> Option<WatchEvent> {
    if let WatchEvent::Snapshot { entries, .. } = &item {
        known.extend(entries.iter().map(|entry| (entry.key().clone(), entry.clone())));
    }
    let seen = known.clone();
    without_changes(item, |change| match change {
        Change::Put(entry) => seen.get(entry.key()).is_some_and(|known| known.value() == entry.value()),
        _ => false,
    })
}

/// Adds to each later snapshot what the one before showed.
fn keep_the_vanished(last: &mut Vec<Entry>, item: WatchEvent) -> WatchEvent {
    match item {
        WatchEvent::Snapshot { mut entries, revision, lineage } => {
            let vanished = last.iter().filter(|old| !entries.iter().any(|entry| entry.key() == old.key()));
            let vanished: Vec<Entry> = vanished.cloned().collect();
            entries.extend(vanished);
            last.clone_from(&entries);
            WatchEvent::Snapshot { entries, revision, lineage }
        }
        WatchEvent::Changed { changes, revision, lineage } => {
            for change in &changes {
                if let Change::Put(entry) = change {
                    last.push(entry.clone());
                }
            }
            WatchEvent::Changed { changes, revision, lineage }
        }
        item => item,
    }
}

/// Begins one watch of many with the snapshot that the one before it began with, as if a look at the store that was under way when it was opened
/// could count for it.
#[derive(Debug, Default)]
struct Hasty {
    opened: AtomicUsize,
    last: Arc<Mutex<Option<(WatchTarget, WatchEvent)>>>,
}

/// One of so many.
const HASTY: usize = 32;

#[async_trait]
impl Defect for Hasty {
    fn watch(&self, session: &Arc<dyn Session>, target: WatchTarget) -> WatchStream {
        let is_hasty = self.opened.fetch_add(1, Ordering::Relaxed) % HASTY == HASTY - 1;
        let (stream, last) = (session.watch(target.clone()), Arc::clone(&self.last));
        let mut has_begun = false;
        let filter = move |item: WatchEvent| {
            if has_begun || !matches!(item, WatchEvent::Snapshot { .. }) {
                return Some(item);
            }
            has_begun = true;
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            match last.replace((target.clone(), item.clone())) {
                Some((of, before)) if is_hasty && of == target => Some(before),
                _ => Some(item),
            }
        };
        WatchStream::new(Filtered { stream, filter: Box::new(filter) })
    }
}

/// Keeps a watch open after its session is over.
#[derive(Debug)]
struct Endless;

#[async_trait]
impl Defect for Endless {
    fn watch(&self, session: &Arc<dyn Session>, target: WatchTarget) -> WatchStream {
        WatchStream::new(Unending(session.watch(target)))
    }
}

struct Unending(WatchStream);

impl Stream for Unending {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        match Pin::new(&mut self.0).poll_next(cx) {
            Poll::Ready(None) => Poll::Pending,
            other => other,
        }
    }
}
