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
use crate::hub::Hub;
use crate::link::Link;

/// A session on etcd.
#[derive(Debug)]
pub(crate) struct EtcdSession {
    link: Arc<Link>,
    hub: Hub,
}

impl EtcdSession {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { hub: Hub::new(Arc::clone(&link)), link }
    }
}

#[async_trait]
impl Session for EtcdSession {
    fn id(&self) -> &SessionId {
        &self.link.id
    }

    fn ttl(&self) -> Option<Duration> {
        self.link.grant.map(|grant| grant.ttl)
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        self.link.renew().await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        self.link.require_lease("commit")?;
        txn.check(capabilities())?;
        self.link.commit(txn)?.await
    }

    fn doubts(&self) -> u64 {
        self.link.doubts.load(Ordering::Relaxed)
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.link.check("list")?;
        let listing = self.link.list(collection, page).await.map_err(|failure| failure.into_error("list"));
        self.link.check("list")?;
        listing
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        self.hub.watch(target)
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.link.end_other(other).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.link.close().await
    }
}
