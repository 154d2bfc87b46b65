//! A session whose requests are measured.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;

use super::recording::Meters;
use crate::error::{Effect, Error};
use crate::runtime::{Instant, Runtime};
use crate::spi::{
    Collection, Listing, Outcome, Page, Renewal, Session, SessionId, Txn, WatchEvent, WatchStream,
    WatchTarget,
};

pub(super) struct Measured {
    session: Arc<dyn Session>,
    runtime: Arc<dyn Runtime>,
    meters: Meters,
    /// The doubts of the session that are counted already.
    doubts: AtomicU64,
    /// The newest revision that the session was shown, by whatever answer.
    newest: Arc<AtomicU64>,
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
                self.newest.fetch_max(committed.revision.as_u64(), Ordering::Relaxed);
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
            self.newest.fetch_max(listing.revision().as_u64(), Ordering::Relaxed);
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
    newest: Arc<AtomicU64>,
}

impl Stream for Counted {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let polled = Pin::new(&mut self.stream).poll_next(cx);
        if let Poll::Ready(Some(
            WatchEvent::Snapshot { revision, .. } | WatchEvent::Changed { revision, .. },
        )) = &polled
        {
            let newest = self.newest.fetch_max(revision.as_u64(), Ordering::Relaxed);
            self.meters.lagged(newest.saturating_sub(revision.as_u64()));
        }
        match &polled {
            Poll::Ready(Some(WatchEvent::Snapshot { .. })) => self.meters.count("ha_watch_snapshots_total"),
            Poll::Ready(Some(WatchEvent::Interrupted)) => self.meters.count("ha_watch_interruptions_total"),
            _ => {}
        }
        polled
    }
}
