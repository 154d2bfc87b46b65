//! The session of the contract.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{
    Collection, Listing, Outcome, Page, Renewal, Session, SessionId, Txn, WatchStream, WatchTarget,
};

use crate::backend::capabilities;
use crate::commit;
use crate::link::Link;
use crate::over::Why;

/// A session on ZooKeeper. Dropped without being closed it ends by its ttl, because nobody renews it any more.
#[derive(Debug)]
pub(crate) struct ZkSession {
    link: Arc<Link>,
}

impl ZkSession {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }
}

impl Drop for ZkSession {
    fn drop(&mut self) {
        // An observer owns nothing that would have to wait, and nobody renews it anyway.
        if self.link.ttl.is_none() {
            self.link.end(Why::Closed);
        }
    }
}

#[async_trait]
impl Session for ZkSession {
    fn id(&self) -> &SessionId {
        &self.link.id
    }

    fn ttl(&self) -> Option<Duration> {
        self.link.ttl
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        self.link.renew().await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        self.link.require_ttl(commit::OPERATION)?;
        txn.check(capabilities(false))?;
        self.link.commit(txn)?.await
    }

    fn doubts(&self) -> u64 {
        self.link.doubts.load(Ordering::Relaxed)
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        const OPERATION: &str = "list";
        self.link.check(OPERATION)?;
        match self.link.list(collection, page).await {
            Ok(listing) => self.link.check(OPERATION).map(|()| listing),
            Err(failure) => Err(self.link.settled(failure, OPERATION).await),
        }
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        self.link.watch(target)
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.link.end_other(other).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.link.close().await
    }
}
