//! Backends with one defect each: what the cases have to catch, so that their silence means something.

mod commits;
mod doubts;
mod guards;
mod names;
mod reads;
mod relabel;
mod sessions;
mod shared;
mod stores;
mod takes;
mod watches;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{
    Backend, Capabilities, Collection, Listing, Name, Outcome, Page, Renewal, Session, SessionId,
    SessionRequest, Txn, WatchStream, WatchTarget,
};

use crate::faults::Faults;
use crate::harness::{Harness, Missing, Store};

/// A defect, and the case that has to catch it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Mutant {
    /// What the backend does wrong.
    pub name: &'static str,
    /// The case that fails on it.
    pub caught_by: &'static str,
    defect: fn() -> Arc<dyn Defect>,
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// The mutants of each file.
const REGISTRY: &[&[Mutant]] = &[
    guards::MUTANTS,
    commits::MUTANTS,
    doubts::MUTANTS,
    reads::MUTANTS,
    names::MUTANTS,
    sessions::MUTANTS,
    shared::MUTANTS,
    stores::MUTANTS,
    takes::MUTANTS,
    watches::MUTANTS,
];

/// All mutants.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    REGISTRY.iter().copied().flatten()
}

impl Mutant {
    const fn new(name: &'static str, caught_by: &'static str, defect: fn() -> Arc<dyn Defect>) -> Self {
        Self { name, caught_by, defect }
    }

    /// The harness whose backends have the defect; apart from it they are those of `harness`.
    pub fn of(&self, harness: impl Harness) -> impl Harness {
        MutantHarness { harness, defect: self.defect }
    }
}

/// What one mutant does wrong. Everything that it does not override is done right.
///
/// One value serves a whole store, all its sessions included.
#[async_trait]
trait Defect: fmt::Debug + Send + Sync + 'static {
    async fn open(&self, backend: &dyn Backend, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        backend.open_session(request).await
    }

    fn id<'a>(&'a self, session: &'a dyn Session) -> &'a SessionId {
        session.id()
    }

    fn ttl(&self, session: &dyn Session) -> Option<Duration> {
        session.ttl()
    }

    async fn renew(&self, session: &Arc<dyn Session>) -> Result<Renewal, Error> {
        session.renew().await
    }

    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        session.commit(txn).await
    }

    async fn list(
        &self,
        session: &Arc<dyn Session>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Error> {
        session.list(collection, page).await
    }

    fn watch(&self, session: &Arc<dyn Session>, target: WatchTarget) -> WatchStream {
        session.watch(target)
    }

    async fn end(&self, session: &Arc<dyn Session>, other: &SessionId) -> Result<(), Error> {
        session.end(other).await
    }

    async fn close(&self, session: &Arc<dyn Session>) -> Result<(), Error> {
        session.close().await
    }
}

#[derive(Debug)]
struct MutantHarness<H> {
    harness: H,
    defect: fn() -> Arc<dyn Defect>,
}

impl<H: Harness> Harness for MutantHarness<H> {
    fn name(&self) -> &str {
        self.harness.name()
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        Ok(Arc::new(MutantStore { store: self.harness.store()?, defect: (self.defect)() }))
    }

    fn ttl(&self) -> Duration {
        self.harness.ttl()
    }

    fn margin(&self) -> Duration {
        self.harness.margin()
    }

    fn bound(&self) -> Duration {
        self.harness.bound()
    }
}

#[derive(Debug)]
struct MutantStore {
    store: Arc<dyn Store>,
    defect: Arc<dyn Defect>,
}

impl Store for MutantStore {
    fn connect(&self, node: &Name) -> Arc<dyn Backend> {
        let backend = self.store.connect(node);
        // The wrapper may wait where the original does not.
        let mut capabilities = backend.capabilities().clone();
        capabilities.commits_inline = false;
        Arc::new(MutantBackend { backend, capabilities, defect: Arc::clone(&self.defect) })
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        self.store.faults()
    }
}

#[derive(Debug)]
struct MutantBackend {
    backend: Arc<dyn Backend>,
    capabilities: Capabilities,
    defect: Arc<dyn Defect>,
}

#[async_trait]
impl Backend for MutantBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let session = self.defect.open(&*self.backend, request).await?;
        Ok(Arc::new(MutantSession { session, defect: Arc::clone(&self.defect) }))
    }
}

#[derive(Debug)]
struct MutantSession {
    session: Arc<dyn Session>,
    defect: Arc<dyn Defect>,
}

#[async_trait]
impl Session for MutantSession {
    fn id(&self) -> &SessionId {
        self.defect.id(&*self.session)
    }

    fn ttl(&self) -> Option<Duration> {
        self.defect.ttl(&*self.session)
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        self.defect.renew(&self.session).await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        self.defect.commit(&self.session, txn).await
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.defect.list(&self.session, collection, page).await
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        self.defect.watch(&self.session, target)
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.defect.end(&self.session, other).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.defect.close(&self.session).await
    }
}

/// The transaction with other guards and operations.
fn rebuild(txn: &Txn, guards: Vec<ha_core::spi::Guard>, operations: Vec<ha_core::spi::Operation>) -> Txn {
    let rebuilt = rebuild_without_take(txn, guards, operations);
    match txn.choice() {
        Some(take) => rebuilt.take(take.clone()),
        None => rebuilt,
    }
}

/// The same, with nothing left to the store.
fn rebuild_without_take(
    txn: &Txn,
    guards: Vec<ha_core::spi::Guard>,
    operations: Vec<ha_core::spi::Operation>,
) -> Txn {
    let unbound = if txn.is_granting() { Txn::new().granting() } else { Txn::new() };
    let bound = |generation| unbound.clone().asked_in(ha_core::spi::Lineage::new(generation));
    let empty = txn.history().map_or_else(|| unbound.clone(), bound);
    let guarded = guards.into_iter().fold(empty, Txn::guard);
    let operating = operations.into_iter().fold(guarded, Txn::operation);
    txn.reads().iter().fold(operating, |txn, read| txn.read_back(read.collection.clone(), read.page.clone()))
}

/// The entry at `key` as it is now.
async fn now_at(session: &dyn Session, key: &ha_core::spi::Key) -> Option<ha_core::spi::Entry> {
    let listing = session.list(key.collection(), Page::by_name(Page::MAX_LIMIT)).await.ok()?;
    listing.into_entries().into_iter().find(|entry| entry.key() == key)
}
