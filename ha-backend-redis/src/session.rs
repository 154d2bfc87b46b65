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
use crate::link::Link;
use crate::over::Why;
use crate::watch::Watch;

/// A session on Redis.
#[derive(Debug)]
pub(crate) struct RedisSession {
    link: Arc<Link>,
}

impl RedisSession {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }
}

#[async_trait]
impl Session for RedisSession {
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
        self.link.require_ttl("commit")?;
        txn.check(capabilities())?;
        self.link.commit(txn)?.await
    }

    fn doubts(&self) -> u64 {
        self.link.doubts.load(Ordering::Relaxed)
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.link.over.check("list")?;
        let listing = self.link.list("list", collection, &page).await;
        self.link.over.check("list")?;
        listing
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        WatchStream::new(Watch::open(Arc::clone(&self.link), target))
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.link.end_other(other).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.link.close().await
    }
}

impl Drop for RedisSession {
    /// Its tasks end. What it owns vanishes by its ttl, unless it was closed.
    fn drop(&mut self) {
        if !self.link.is_closing() {
            self.link.end(Why::Closed);
        }
    }
}
