//! The session of the contract.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;
use crate::memory::link::Link;
use crate::memory::watch::Watch;
use crate::memory::{capabilities, txn};
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
        self.link.refuse_observer("renew session")?;
        self.link.renew()
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        self.link.refuse_observer("commit")?;
        txn::validate(&txn, capabilities())?;
        self.link.commit(&txn)
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.link.list(collection, &page)
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        WatchStream::new(Watch::open(Arc::clone(&self.link), target))
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.link.refuse_observer("end session")?;
        self.link.end(other)
    }

    async fn close(&self) -> Result<(), Error> {
        self.link.close();
        Ok(())
    }
}
