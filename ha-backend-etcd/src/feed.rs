//! What a watch has still to tell its consumer, and the stream that tells it.
//!
//! A consumer that does not read costs the latest untold state of each entry, and beyond a bound nothing: then it is told a
//! new snapshot once it reads again.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use ha_core::spi::{Change, Entry, Lineage, Name, Revision, WatchEvent};

use crate::sync::lock;

/// How many entries with untold changes are remembered.
const UNTOLD_MAX: usize = 1_024;

/// The untold part of one watch.
#[derive(Debug, Default)]
pub(crate) struct Feed(Mutex<Untold>);

#[derive(Debug, Default)]
struct Untold {
    discontinuity: Option<Lineage>,
    interrupted: bool,
    snapshot: Option<BTreeMap<Name, Entry>>,
    changes: BTreeMap<Name, Change>,
    revision: u64,
    lineage: Lineage,
    /// Changes were forgotten: nothing is told before the next snapshot.
    overflown: bool,
    ended: bool,
    waker: Option<Waker>,
}

/// What the consumer finds.
#[derive(Debug)]
enum Next {
    Event(WatchEvent),
    End,
    /// Too much was untold: a new snapshot is needed.
    Refresh,
    Nothing,
}

impl Feed {
    /// Nobody knows what happens now.
    pub(crate) fn interrupt(&self) {
        self.change(|untold| {
            untold.snapshot = None;
            untold.changes.clear();
            untold.interrupted = true;
        });
    }

    /// The whole target as of `revision`.
    pub(crate) fn snapshot(&self, entries: BTreeMap<Name, Entry>, revision: u64, lineage: Lineage) {
        self.change(|untold| {
            // What was not told yet is part of it.
            (untold.interrupted, untold.overflown) = (false, false);
            untold.changes.clear();
            untold.snapshot = Some(entries);
            (untold.revision, untold.lineage) = (revision, lineage);
        });
    }

    /// What changed since, up to `revision`.
    pub(crate) fn changed(&self, changes: Vec<(Name, Change)>, revision: u64, lineage: Lineage) {
        self.change(|untold| {
            (untold.revision, untold.lineage) = (revision, lineage);
            if untold.overflown {
                return;
            }
            match &mut untold.snapshot {
                Some(snapshot) => changes.into_iter().for_each(|change| fold(snapshot, change)),
                None => untold.changes.extend(changes),
            }
            if untold.changes.len() > UNTOLD_MAX {
                untold.changes.clear();
                untold.overflown = true;
            }
        });
    }

    /// The session is over; if the store went back this is the new history.
    pub(crate) fn end(&self, discontinuity: Option<Lineage>) {
        self.change(|untold| {
            untold.discontinuity = discontinuity;
            untold.ended = true;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Untold)) {
        let waker = {
            let mut untold = lock(&self.0);
            change(&mut untold);
            untold.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn next(&self, waker: &Waker) -> Next {
        let mut untold = lock(&self.0);
        if let Some(lineage) = untold.discontinuity.take() {
            return Next::Event(WatchEvent::Discontinuity(lineage));
        }
        if untold.ended {
            return Next::End;
        }
        if std::mem::take(&mut untold.interrupted) {
            return Next::Event(WatchEvent::Interrupted);
        }
        let (revision, lineage) = (Revision::new(untold.revision), untold.lineage);
        if let Some(snapshot) = untold.snapshot.take() {
            let entries = snapshot.into_values().collect();
            return Next::Event(WatchEvent::Snapshot { entries, revision, lineage });
        }
        if !untold.changes.is_empty() {
            let changes = std::mem::take(&mut untold.changes).into_values().collect();
            return Next::Event(WatchEvent::Changed { changes, revision, lineage });
        }
        if !untold.waker.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
            untold.waker = Some(waker.clone());
        }
        if untold.overflown { Next::Refresh } else { Next::Nothing }
    }
}

/// Brings a snapshot that nobody has seen yet up to date.
fn fold(snapshot: &mut BTreeMap<Name, Entry>, (name, change): (Name, Change)) {
    match change {
        Change::Put(entry) => {
            snapshot.insert(name, entry);
        }
        _ => {
            snapshot.remove(&name);
        }
    }
}

/// The stream of one watch. `Notify` is told when a snapshot is needed, and when the stream is dropped.
pub(crate) struct FeedStream<N: FnMut(Notice) + Send> {
    feed: Arc<Feed>,
    notify: N,
    asked: bool,
}

/// What the consumer's side tells the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Refresh,
    Dropped,
}

impl<N: FnMut(Notice) + Send> FeedStream<N> {
    pub(crate) fn new(feed: Arc<Feed>, notify: N) -> Self {
        Self { feed, notify, asked: false }
    }
}

impl<N: FnMut(Notice) + Send + Unpin> Stream for FeedStream<N> {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        match self.feed.next(cx.waker()) {
            Next::Event(event) => {
                self.asked = false;
                Poll::Ready(Some(event))
            }
            Next::End => Poll::Ready(None),
            Next::Refresh if !self.asked => {
                self.asked = true;
                (self.notify)(Notice::Refresh);
                Poll::Pending
            }
            Next::Refresh | Next::Nothing => Poll::Pending,
        }
    }
}

impl<N: FnMut(Notice) + Send> Drop for FeedStream<N> {
    fn drop(&mut self) {
        (self.notify)(Notice::Dropped);
    }
}

#[cfg(test)]
#[path = "feed_test.rs"]
mod tests;
