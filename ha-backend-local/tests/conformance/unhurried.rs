//! A process whose tasks are late: they get their turn long after what they wait for has happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{
    Backend, Capabilities, Collection, Listing, Outcome, Page, Renewal, Session, SessionId, SessionRequest,
    Txn, WatchStream, WatchTarget,
};

/// How often a commit that is unhurried is pending before the thread that writes hears of it, and again before it is asked for its answer.
const TURNS: usize = 4;

/// The backend, with commits that take their time if asked to. Nothing else is between a caller and the backend, which sees no more than an executor that
/// polls late: what is dropped in the meantime is dropped by the backend's own future.
#[derive(Debug)]
pub(crate) struct Unhurried {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) takes_its_time: Arc<AtomicBool>,
}

#[async_trait]
impl Backend for Unhurried {
    fn capabilities(&self) -> &Capabilities {
        self.backend.capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let session = self.backend.open_session(request).await?;
        Ok(Arc::new(UnhurriedSession { session, takes_its_time: Arc::clone(&self.takes_its_time) }))
    }
}

#[derive(Debug)]
struct UnhurriedSession {
    session: Arc<dyn Session>,
    takes_its_time: Arc<AtomicBool>,
}

#[async_trait]
impl Session for UnhurriedSession {
    fn id(&self) -> &SessionId {
        self.session.id()
    }

    fn ttl(&self) -> Option<std::time::Duration> {
        self.session.ttl()
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        self.session.renew().await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        let mut commit = self.session.commit(txn);
        if !self.takes_its_time.load(Ordering::Acquire) {
            return commit.await;
        }
        turns().await;
        // The first poll sends it on its way; an answer that is there at once must not get lost here.
        let begun = std::future::poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx))).await;
        if let Poll::Ready(outcome) = begun {
            return outcome;
        }
        turns().await;
        commit.await
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

async fn turns() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}
