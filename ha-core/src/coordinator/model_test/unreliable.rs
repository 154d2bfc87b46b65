//! The backend in memory behind a connection that a test can cut.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind};
use crate::memory::MemoryBackend;
use crate::names::Collection;
use crate::spi::{
    Backend, Capabilities, Listing, Outcome, Page, Renewal, Session, SessionId, SessionRequest, Txn,
    WatchStream, WatchTarget,
};

/// What the connection does.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// How many of the next commits are refused.
    pub(crate) refused: AtomicUsize,
    /// Whether opening a session waits.
    pub(crate) shut: AtomicBool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Unreliable {
    pub(crate) memory: MemoryBackend,
    pub(crate) connection: Arc<Connection>,
}

#[derive(Debug)]
struct UnreliableSession {
    session: Arc<dyn Session>,
    connection: Arc<Connection>,
}

#[async_trait]
impl Backend for Unreliable {
    fn capabilities(&self) -> &Capabilities {
        self.memory.capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let shut = || self.connection.shut.load(Ordering::SeqCst);
        poll_fn(|_| if shut() { Poll::Pending } else { Poll::Ready(()) }).await;
        let session = self.memory.open_session(request).await?;
        Ok(Arc::new(UnreliableSession { session, connection: Arc::clone(&self.connection) }))
    }
}

#[async_trait]
impl Session for UnreliableSession {
    fn id(&self) -> &SessionId {
        self.session.id()
    }

    fn ttl(&self) -> Option<Duration> {
        self.session.ttl()
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        self.session.renew().await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        let less = |left: usize| left.checked_sub(1);
        if self.connection.refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Err(Error::new(ErrorKind::Unavailable, "commit"));
        }
        self.session.commit(txn).await
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.session.list(collection, page).await
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        self.session.watch(target)
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.session.end(other).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.session.close().await
    }
}
