//! A backend whose commits are all in doubt for a while, and which can show the past.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;
use ha_core::memory::MemoryBackend;
use ha_core::spi::{
    Backend, Capabilities, Collection, Listing, Outcome, Page, Renewal, Revision, Session, SessionId,
    SessionRequest, Txn, WatchEvent, WatchStream, WatchTarget,
};
use ha_core::{Effect, Error, ErrorKind};

/// What is written to this collection is done, and nobody can know it.
pub(crate) const LOST: &str = "lost";
/// Watches of this collection say that they are so much older than they are.
pub(crate) const LATE: (&str, u64) = ("late", 3);

#[derive(Clone, Debug, Default)]
pub(crate) struct Doubting(pub(crate) MemoryBackend);

#[derive(Debug)]
struct DoubtingSession {
    session: Arc<dyn Session>,
    commits: AtomicU64,
}

#[async_trait]
impl Backend for Doubting {
    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let session = self.0.open_session(request).await?;
        Ok(Arc::new(DoubtingSession { session, commits: AtomicU64::new(0) }))
    }
}

#[async_trait]
impl Session for DoubtingSession {
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
        let lost = txn.operations().iter().any(|operation| operation.key().to_string().contains(LOST));
        let outcome = self.session.commit(txn).await;
        if lost {
            return Err(Error::new(ErrorKind::SessionLost, "commit").with_effect(Effect::Unknown));
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        outcome
    }

    fn doubts(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.session.list(collection, page).await
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        let late = matches!(&target, WatchTarget::Collection(of) if of.to_string().contains(LATE.0));
        let stream = self.session.watch(target);
        if late { WatchStream::new(Late(stream)) } else { stream }
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.session.end(other).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.session.close().await
    }
}

struct Late(WatchStream);

impl Stream for Late {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let mut polled = Pin::new(&mut self.0).poll_next(cx);
        if let Poll::Ready(Some(
            WatchEvent::Snapshot { revision, .. } | WatchEvent::Changed { revision, .. },
        )) = &mut polled
        {
            *revision = Revision::new(revision.as_u64() - LATE.1);
        }
        polled
    }
}
