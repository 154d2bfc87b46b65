//! Watching an entry or a collection.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::names::{Collection, Key};
use crate::spi::{Entry, Lineage, Revision, Stamp};

/// What to watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum WatchTarget {
    /// One entry, which need not exist.
    Entry(Key),
    /// All entries of a collection.
    Collection(Collection),
}

/// One change of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The entry now has this state. Its `created` differs from the one seen before if it vanished in between.
    Put(Entry),
    /// The incarnation of the stamp's `created` vanished: deleted, or its session is over. Never promised: why.
    Removed(Stamp),
}

/// What a watch delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchEvent {
    /// The whole target as of `revision`; replaces everything delivered before. The first item, and sent again after
    /// every gap.
    Snapshot {
        /// The entries that exist, in no promised order.
        entries: Vec<Entry>,
        /// The revision that the snapshot is not older than.
        revision: Revision,
        /// The history that it belongs to.
        lineage: Lineage,
    },
    /// What changed since the item before. Several changes of one entry may appear as the last one.
    Changed {
        /// The changes, at most one per entry.
        changes: Vec<Change>,
        /// The revision that the view is now not older than.
        revision: Revision,
        /// The history that it belongs to.
        lineage: Lineage,
    },
    /// The backend cannot know what happens now: the view is stale until the next `Snapshot`.
    Interrupted,
    /// The store may have forgotten commits; a `Snapshot` of the new history follows.
    Discontinuity(Lineage),
}

/// A stream of [`WatchEvent`]s. It ends when the session that opened it is over or closed.
///
/// Dropping it ends the watch.
pub struct WatchStream(Pin<Box<dyn Stream<Item = WatchEvent> + Send>>);

impl WatchStream {
    /// Wraps the stream of a backend.
    pub fn new(stream: impl Stream<Item = WatchEvent> + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }

    /// The next item; `None` once the session is over.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }
}

impl Stream for WatchStream {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for WatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchStream")
    }
}
