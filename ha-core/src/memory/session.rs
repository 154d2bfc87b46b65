//! The session of the contract.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;
use crate::memory::capabilities;
use crate::memory::link::{Link, Request};
use crate::memory::watch::Watch;
use crate::spi::{
    Collection, Listing, Outcome, Page, Renewal, Session, SessionId, Txn, WatchStream, WatchTarget,
};

/// A session on a memory store.
#[derive(Debug)]
pub(super) struct MemorySession {
    link: Arc<Link>,
}

impl MemorySession {
    /// The session at the other end of `link`.
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Does `effect` on the store, at once unless the node has faults.
    async fn request<T: Send>(
        &self,
        request: Request,
        effect: impl FnOnce(&Link) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        #[cfg(feature = "test-util")]
        if self.link.has_faults() {
            return Box::pin(self.link.through_faults(request, effect)).await;
        }
        #[cfg(not(feature = "test-util"))]
        let _ = request;
        effect(&self.link)
    }
}

#[async_trait]
impl Session for MemorySession {
    fn id(&self) -> &SessionId {
        self.link.id()
    }

    fn ttl(&self) -> Option<Duration> {
        self.link.ttl()
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        self.link.refuse_observer(Request::Renew)?;
        self.request(Request::Renew, Link::renew).await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        self.link.refuse_observer(Request::Commit)?;
        txn.check(capabilities())?;
        #[cfg(feature = "test-util")]
        if self.link.has_faults() {
            return Box::pin(self.link.commit_through_faults(&txn)).await;
        }
        self.link.commit(txn)
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.request(Request::List, |link| link.list(collection, &page)).await
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        WatchStream::new(Watch::open(Arc::clone(&self.link), target))
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.link.refuse_observer(Request::End)?;
        self.request(Request::End, |link| link.end(other)).await
    }

    async fn close(&self) -> Result<(), Error> {
        #[cfg(feature = "test-util")]
        if self.link.has_faults() {
            return Arc::clone(&self.link).close_through_faults().await;
        }
        self.link.close();
        Ok(())
    }
}
