//! A backend that counts what is asked of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{
    Backend, Capabilities, Collection, Listing, Outcome, Page, Renewal, Session, SessionId, SessionRequest,
    Txn, WatchStream, WatchTarget,
};

/// Requests of all sessions of one [`Counting`] backend.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    renewals: AtomicU64,
    commits: AtomicU64,
    listings: AtomicU64,
    watches: AtomicU64,
}

impl Counts {
    /// How many renewals there were.
    pub(crate) fn renewals(&self) -> u64 {
        self.renewals.load(Ordering::SeqCst)
    }

    /// How many commits there were.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// How many listings there were.
    pub(crate) fn listings(&self) -> u64 {
        self.listings.load(Ordering::SeqCst)
    }

    /// How many requests there were, apart from renewals.
    pub(crate) fn others(&self) -> u64 {
        self.commits() + self.listings() + self.watches.load(Ordering::SeqCst)
    }
}

/// Counts requests and passes them on.
#[derive(Debug)]
pub(crate) struct Counting {
    backend: Arc<dyn Backend>,
    counts: Arc<Counts>,
}

impl Counting {
    /// Counts the requests to `backend`.
    pub(crate) fn wrap(backend: Arc<dyn Backend>) -> (Arc<dyn Backend>, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        (Arc::new(Self { backend, counts: Arc::clone(&counts) }), counts)
    }
}

#[async_trait]
impl Backend for Counting {
    fn capabilities(&self) -> &Capabilities {
        self.backend.capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let session = self.backend.open_session(request).await?;
        Ok(Arc::new(CountingSession { session, counts: Arc::clone(&self.counts) }))
    }
}

#[derive(Debug)]
struct CountingSession {
    session: Arc<dyn Session>,
    counts: Arc<Counts>,
}

#[async_trait]
impl Session for CountingSession {
    fn id(&self) -> &SessionId {
        self.session.id()
    }

    fn ttl(&self) -> Option<Duration> {
        self.session.ttl()
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        self.counts.renewals.fetch_add(1, Ordering::SeqCst);
        self.session.renew().await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        self.counts.commits.fetch_add(1, Ordering::SeqCst);
        self.session.commit(txn).await
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.counts.listings.fetch_add(1, Ordering::SeqCst);
        self.session.list(collection, page).await
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        self.counts.watches.fetch_add(1, Ordering::SeqCst);
        self.session.watch(target)
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.session.end(other).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.session.close().await
    }
}
