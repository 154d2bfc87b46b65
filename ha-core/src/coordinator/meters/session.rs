//! A session whose requests are measured.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;

use super::recording::Meters;
use crate::error::{Effect, Error};
use crate::runtime::{Instant, Runtime};
use crate::spi::{
    Collection, Lineage, Listing, Outcome, Page, Renewal, Revision, Session, SessionId, Txn, WatchEvent,
    WatchStream, WatchTarget,
};
use crate::sync::lock;

/// The newest state that a session was shown, by whatever answer: of which history, and its revision.
#[derive(Debug, Default)]
struct Newest(Mutex<(u64, u64)>);

impl Newest {
    /// Takes note of a state. Returns by how many revisions it is older than the newest one; states of different histories are not compared.
    fn shown(&self, lineage: Lineage, revision: Revision) -> u64 {
        let (generation, revision) = (lineage.generation(), revision.as_u64());
        let mut newest = lock(&self.0);
        if generation == newest.0 && revision <= newest.1 {
            return newest.1 - revision;
        }
        *newest = (*newest).max((generation, revision));
        0
    }
}

pub(super) struct Measured {
    session: Arc<dyn Session>,
    runtime: Arc<dyn Runtime>,
    meters: Meters,
    /// The doubts of the session that are counted already.
    doubts: AtomicU64,
    newest: Arc<Newest>,
}

impl Measured {
    pub(super) fn new(session: Arc<dyn Session>, runtime: Arc<dyn Runtime>, meters: Meters) -> Self {
        Self { session, runtime, meters, doubts: AtomicU64::new(0), newest: Arc::default() }
    }

    /// Counts the doubts that the backend has resolved since this was last called.
    fn note_doubts(&self) {
        let doubts = self.session.doubts();
        let counted = self.doubts.fetch_max(doubts, Ordering::Relaxed);
        self.meters.doubted("true", doubts.saturating_sub(counted));
    }

    fn note<T>(&self, operation: &'static str, sent: Instant, result: &Result<T, Error>, done: &str) {
        let result = match result {
            Ok(_) => done.to_owned(),
            Err(error) if error.effect() == Effect::Unknown => "Unknown".to_owned(),
            Err(error) => format!("{:?}", error.kind()),
        };
        self.meters.requested(operation, result, self.runtime.now().saturating_since(sent));
    }
}

#[async_trait]
impl Session for Measured {
    fn id(&self) -> &SessionId {
        self.session.id()
    }

    fn ttl(&self) -> Option<Duration> {
        self.session.ttl()
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        let sent = self.runtime.now();
        let renewal = self.session.renew().await;
        self.note("renew", sent, &renewal, "ok");
        renewal
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        let sent = self.runtime.now();
        let outcome = self.session.commit(txn).await;
        let done = match &outcome {
            Ok(Outcome::Conflict(_)) => "conflict",
            Ok(Outcome::Committed(committed)) => {
                self.newest.shown(committed.lineage, committed.revision);
                "ok"
            }
            _ => "ok",
        };
        self.note_doubts();
        if outcome.as_ref().is_err_and(|error| error.effect() == Effect::Unknown) {
            self.meters.doubted("false", 1);
        }
        self.note("commit", sent, &outcome, done);
        outcome
    }

    fn doubts(&self) -> u64 {
        self.session.doubts()
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        let sent = self.runtime.now();
        let listing = self.session.list(collection, page).await;
        if let Ok(listing) = &listing {
            self.newest.shown(listing.lineage(), listing.revision());
        }
        self.note("list", sent, &listing, "ok");
        listing
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        self.meters.count("ha_watches_opened_total");
        let newest = Arc::clone(&self.newest);
        WatchStream::new(Counted { stream: self.session.watch(target), meters: self.meters.clone(), newest })
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        let sent = self.runtime.now();
        let ended = self.session.end(other).await;
        self.note("end", sent, &ended, "ok");
        ended
    }

    async fn close(&self) -> Result<(), Error> {
        let sent = self.runtime.now();
        let closed = self.session.close().await;
        self.note("close", sent, &closed, "ok");
        closed
    }
}

impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

/// A watch whose snapshots, gaps and lag are measured.
struct Counted {
    stream: WatchStream,
    meters: Meters,
    newest: Arc<Newest>,
}

impl Stream for Counted {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let polled = Pin::new(&mut self.stream).poll_next(cx);
        if let Poll::Ready(Some(
            WatchEvent::Snapshot { revision, lineage, .. } | WatchEvent::Changed { revision, lineage, .. },
        )) = &polled
        {
            self.meters.lagged(self.newest.shown(*lineage, *revision));
        }
        match &polled {
            Poll::Ready(Some(WatchEvent::Snapshot { .. })) => self.meters.count("ha_watch_snapshots_total"),
            Poll::Ready(Some(WatchEvent::Interrupted)) => self.meters.count("ha_watch_interruptions_total"),
            _ => {}
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::Newest;
    use crate::spi::{Lineage, Revision};

    #[test]
    fn a_state_lags_behind_newer_ones_of_its_history_only() {
        let newest = Newest::default();
        let shown = |generation, revision| newest.shown(Lineage::new(generation), Revision::new(revision));
        assert_eq!([shown(0, 5), shown(0, 9), shown(0, 7)], [0, 0, 2]);
        // The store went back.
        assert_eq!([shown(1, 3), shown(1, 2), shown(1, 4)], [0, 1, 0]);
        assert_eq!([shown(0, 9), shown(1, 4)], [0, 0], "of the history that is over");
    }
}
