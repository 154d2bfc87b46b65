//! The server side of the simulated store: the in-memory backend, behind what a connection brings.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ha_core::Error;
use ha_core::memory::MemoryBackend;
use ha_core::runtime::{Instant, Runtime};
use ha_core::spi::{
    Backend, Collection, Committed, Lineage, Listing, Operation, Outcome, Page, Revision, Session, SessionId,
    SessionRequest, Txn,
};

use super::cluster::NAMESPACE;
use super::counters::Counter;
use super::executor::{NodeId, World};
use super::node::{Clock, SimRuntime};
use super::recorder::Recorder;
use super::requests::told;
use super::store::Wire;
use super::zoo::StoreBug;

/// How many revisions a server may be behind.
const BEHIND: u64 = 8;

/// The store itself, on a node that never fails (what it may forget is a fault of its own).
#[derive(Debug)]
pub(super) struct Server {
    pub(super) world: Arc<World>,
    pub(super) node: NodeId,
    pub(super) memory: MemoryBackend,
    pub(super) bug: Option<StoreBug>,
    runtime: Arc<SimRuntime>,
    /// Who writes down what is committed, if anybody does.
    pub(super) log: OnceLock<Arc<Recorder>>,
    /// Who looks at each commit right after it, if anybody does.
    witness: OnceLock<Box<dyn Witness>>,
}

/// Who is told of each commit, and of whose it is, before anybody else is.
pub(super) trait Witness: fmt::Debug + Send + Sync {
    /// `session` has committed these `operations` with this revision, and nobody has heard of it yet.
    fn committed(&self, session: &SessionId, operations: &[Operation], revision: Revision);
}

impl Server {
    /// A store on a node of its own.
    #[must_use]
    pub(super) fn new(world: &Arc<World>, bug: Option<StoreBug>) -> Arc<Self> {
        let node = world.add_node(Clock::default());
        let memory = MemoryBackend::new();
        let runtime = world.runtime(node);
        let (world, log, witness) = (Arc::clone(world), OnceLock::new(), OnceLock::new());
        Arc::new(Self { world, node, memory, bug, runtime, log, witness })
    }

    /// Tells `witness` of each commit from now on. The first one who asks is told.
    pub(super) fn watch_commits(&self, witness: impl Witness + 'static) {
        self.witness.get_or_init(|| Box::new(witness));
    }

    /// The backend itself, for faults and for a look inside.
    #[must_use]
    pub(super) fn memory(&self) -> &MemoryBackend {
        &self.memory
    }

    pub(super) fn now(&self) -> Instant {
        self.runtime.now()
    }

    pub(super) async fn open(&self, request: SessionRequest) -> Result<Arc<ServerSession>, Error> {
        let runtime: Arc<dyn Runtime> = self.runtime.clone();
        let mut here = SessionRequest::observer(request.namespace, request.node, runtime);
        here.ttl = request.ttl;
        let inner = self.memory.open_session(here).await?;
        self.write_log(None);
        Ok(Arc::new(ServerSession { inner, connection: Mutex::default() }))
    }

    /// Writes down what was committed since the last time; the revision `by` was committed by that session.
    pub(super) fn write_log(&self, by: Option<(Revision, &SessionId)>) {
        let Some(log) = self.log.get() else { return };
        let mut commits: BTreeMap<Revision, Vec<_>> = BTreeMap::new();
        for (revision, change) in self.memory.faults().changes(NAMESPACE) {
            commits.entry(revision).or_default().extend(told(&change));
        }
        for (revision, changes) in commits {
            let session = by.filter(|(other, _)| *other == revision).map(|(_, session)| session.to_string());
            log.committed(revision.as_u64(), session, changes);
        }
    }

    /// The lineage of an answer, with its hold on the clock of the receiver instead of ours.
    pub(super) fn lineage_for(&self, lineage: Lineage, receiver: &dyn Runtime) -> Lineage {
        if self.bug == Some(StoreBug::LineageHidden) {
            return Lineage::new(0);
        }
        match lineage.hold_until() {
            None => lineage,
            Some(until) => {
                let remaining = until.saturating_since(self.now());
                Lineage::new(lineage.generation()).held_until(receiver.now() + remaining)
            }
        }
    }
}

/// What the server knows of one session's connections.
#[derive(Debug, Default)]
struct Connection {
    /// Requests of earlier connections are refused: they are killed.
    epoch: u64,
    /// The requests that have arrived. The network delivers each once: a late copy is the one that was thought to be lost.
    arrived: BTreeSet<(u64, u64)>,
    /// What was applied, by op id: what a real store keeps in the entries and in a slot of the session.
    applied: BTreeMap<u64, Outcome>,
}

/// A session, as the server sees it.
#[derive(Debug)]
pub(super) struct ServerSession {
    pub(super) inner: Arc<dyn Session>,
    connection: Mutex<Connection>,
}

/// What the server says to a commit.
#[derive(Debug)]
pub(super) enum Reply {
    Decided(Outcome),
    Refused(Error),
    /// It came over a connection that has been killed.
    Killed,
}

impl ServerSession {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a transaction that arrives over the connection `epoch`.
    pub(super) async fn commit(&self, server: &Server, epoch: u64, op: u64, txn: Txn) -> Reply {
        let unchecked = matches!(server.bug, Some(StoreBug::NoKill | StoreBug::ReadConcludes));
        if epoch < self.connection().epoch && !unchecked {
            return Reply::Killed;
        }
        if !self.connection().arrived.insert((epoch, op)) {
            return Reply::Killed;
        }
        let before = match server.bug {
            Some(StoreBug::ReadBackBefore) => Some(self.read(&txn).await),
            Some(StoreBug::CreateReplaces) => self.make_room(&txn).await,
            _ => None,
        };
        let shown = server.witness.get().map(|witness| (witness, txn.operations().to_vec()));
        match self.inner.commit(txn).await.map(|outcome| with_reads(outcome, before)) {
            Ok(outcome) => {
                if let Outcome::Committed(committed) = &outcome {
                    if let Some((witness, mut operations)) = shown {
                        operations.extend_from_slice(&committed.taken);
                        witness.committed(self.inner.id(), &operations, committed.revision);
                    }
                    server.write_log(Some((committed.revision, self.inner.id())));
                    self.connection().applied.insert(op, outcome.clone());
                }
                Reply::Decided(outcome)
            }
            Err(error) => Reply::Refused(error),
        }
    }

    /// A page for somebody who has seen everything up to `seen`. A relaxed one may come from a server that is behind.
    pub(super) async fn list(
        &self,
        wire: &Wire,
        collection: &Collection,
        page: Page,
        seen: Revision,
    ) -> Result<Listing, Error> {
        let listing = self.inner.list(collection, page.clone()).await?;
        if !page.is_relaxed() {
            return Ok(listing);
        }
        let (server, latest) = (&wire.server, listing.revision().as_u64());
        let oldest = match server.bug {
            Some(StoreBug::RelaxedPageForgets) => latest.saturating_sub(BEHIND),
            _ => seen.as_u64().max(latest.saturating_sub(BEHIND)).min(latest),
        };
        let shown = Revision::new(server.world.draw(|random| random.between(oldest, latest)));
        let older = server.memory.faults().page_at(NAMESPACE, collection, &page, shown);
        Ok(older.filter(|_| shown.as_u64() < latest).map_or(listing, |older| {
            wire.network.counters().add(Counter::Older);
            older
        }))
    }

    /// What the read-backs of `txn` show now.
    async fn read(&self, txn: &Txn) -> Vec<Listing> {
        let mut reads = Vec::new();
        for read in txn.reads() {
            reads.extend(self.inner.list(&read.collection, read.page.clone()).await);
        }
        reads
    }

    /// Deletes what stands where `txn` creates something.
    async fn make_room(&self, txn: &Txn) -> Option<Vec<Listing>> {
        for operation in txn.operations() {
            let Operation::Create { key, .. } = operation else { continue };
            let listing = self.inner.list(key.collection(), Page::by_name(Page::MAX_LIMIT)).await.ok()?;
            let old = listing.into_entries().into_iter().find(|entry| entry.key() == key);
            if let Some(old) = old {
                drop(self.inner.commit(Txn::new().delete(old.stamp().clone())).await);
            }
        }
        None
    }

    /// Kills every connection before `epoch`, then looks whether `op` was applied.
    pub(super) fn kill_and_look(&self, epoch: u64, op: u64) -> Option<Outcome> {
        let mut connection = self.connection();
        connection.epoch = connection.epoch.max(epoch);
        connection.applied.get(&op).cloned()
    }
}

/// The outcome with other read-backs, if there are any.
fn with_reads(outcome: Outcome, reads: Option<Vec<Listing>>) -> Outcome {
    match (outcome, reads) {
        (Outcome::Committed(committed), Some(reads)) => {
            let changed = Committed::new(committed.revision, committed.stamps, reads, committed.lineage);
            Outcome::Committed(changed.with_taken(committed.taken))
        }
        (outcome, _) => outcome,
    }
}
