//! The client side of the simulated store: a backend whose requests cross the simulated network.
//!
//! Commits are exactly once as the contract wants it: a commit in doubt is resolved by killing every unanswered copy, looking for its op id, and
//! repeating it if it is absent.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::runtime::{BoxFuture, Runtime};
use ha_core::spi::{
    Backend, Capabilities, Collection, Committed, Conflict, Listing, Outcome, Page, Renewal, Revision, Scope,
    Session, SessionId, SessionRequest, Txn, WatchStream, WatchTarget,
};
use ha_core::{Error, ErrorKind};
use tokio::sync::oneshot;

use super::counters::Counter;
use super::network::{Link, Network, Road};
use super::server::{Reply, Server, ServerSession};
use super::watch;
use super::zoo::StoreBug;

/// How long a client waits for one reply.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);
/// A renewal is given up on by the core, not by the client.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(60);

/// The store as one node reaches it.
#[derive(Clone)]
pub(super) struct SimBackend {
    pub(super) wire: Wire,
    capabilities: Arc<Capabilities>,
    opened: Opened,
}

/// Told of every session that was opened.
type Opened = Arc<dyn Fn(&SessionId) + Send + Sync>;

/// What a client needs for a call.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) server: Arc<Server>,
    pub(super) network: Arc<Network>,
    pub(super) link: Arc<Link>,
}

impl fmt::Debug for SimBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimBackend")
    }
}

impl SimBackend {
    /// The store of `server` over `link`, which takes or does not; calls `opened` whenever a session was opened.
    #[must_use]
    pub(super) fn new(
        server: &Arc<Server>,
        network: &Arc<Network>,
        link: &Arc<Link>,
        takes: bool,
        opened: Opened,
    ) -> Self {
        let mut capabilities = Capabilities::new("sim", Scope::Hosts);
        capabilities.ttl_min = Duration::from_millis(100);
        capabilities.takes = takes;
        let wire = Wire { server: Arc::clone(server), network: Arc::clone(network), link: Arc::clone(link) };
        Self { wire, capabilities: Arc::new(capabilities), opened }
    }
}

impl Road {
    /// How long a client waits for a reply.
    fn patience(self) -> Duration {
        match self {
            Self::Data => PATIENCE,
            Self::Renewals => RENEWAL_PATIENCE,
        }
    }
}

impl Wire {
    /// Lets `request` happen at the server after the way there, and brings its result back. `None`: no reply came in time; it may
    /// have happened, or may still happen.
    pub(super) async fn call<T, F>(&self, runtime: &dyn Runtime, request: F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.call_over(runtime, Road::Data, request).await
    }

    /// The same over one of the two connections.
    async fn call_over<T, F>(&self, runtime: &dyn Runtime, road: Road, request: F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let wire = self.clone();
        let lost = self.network.happens(self.network.weather().lose_request, Counter::LostRequest);
        if !lost && self.link.requests_pass(road) {
            let there = self.network.delay();
            let carried = async move {
                wire.server.world.sleep(there).await;
                if !wire.link.requests_pass(road) {
                    return;
                }
                let result = request.await;
                let lost = wire.network.happens(wire.network.weather().lose_reply, Counter::LostReply);
                wire.server.world.sleep(wire.network.delay()).await;
                if !lost && wire.link.replies_pass(road) {
                    // Nobody waits any more: the reply is late.
                    drop(reply.send(result));
                }
            };
            self.server.world.spawn(self.server.node, Box::pin(carried));
        }
        let mut late = runtime.sleep_until(runtime.now() + road.patience());
        tokio::select! {
            biased;
            Ok(answer) = answer => Some(answer),
            // Nothing tells a client that a message was lost: it waits for as long as it has the patience.
            () = &mut late => None,
        }
    }
}

fn unavailable(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation).because("no reply in time")
}

#[async_trait]
impl Backend for SimBackend {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let runtime = Arc::clone(&request.runtime);
        let server = Arc::clone(&self.wire.server);
        let opened = self.wire.call(&*runtime, async move { server.open(request).await }).await;
        let at_server = opened.ok_or_else(|| unavailable("open a session"))??;
        (self.opened)(at_server.inner.id());
        Ok(Arc::new(SimSession(Arc::new(Client {
            wire: self.wire.clone(),
            runtime,
            at_server,
            epoch: AtomicU64::new(0),
            next_op: AtomicU64::new(1),
            seen: AtomicU64::new(0),
        }))))
    }
}

#[derive(Debug)]
struct SimSession(Arc<Client>);

pub(super) struct Client {
    pub(super) wire: Wire,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) at_server: Arc<ServerSession>,
    epoch: AtomicU64,
    next_op: AtomicU64,
    /// The latest revision that the session has committed or was shown.
    seen: AtomicU64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("session", self.at_server.inner.id()).finish_non_exhaustive()
    }
}

impl Client {
    fn bug(&self) -> Option<StoreBug> {
        self.wire.server.bug
    }

    /// The session is about to be shown the state at `revision`.
    pub(super) fn saw(&self, revision: Revision) {
        self.seen.fetch_max(revision.as_u64(), Ordering::Relaxed);
    }

    fn send(&self, epoch: u64, op: u64, txn: &Txn) -> BoxFuture<'static, Reply> {
        let (session, server, txn) =
            (Arc::clone(&self.at_server), Arc::clone(&self.wire.server), txn.clone());
        Box::pin(async move { session.commit(&server, epoch, op, txn).await })
    }

    /// Exactly once: kill every unanswered copy, look, repeat.
    async fn resolve(&self, txn: Txn) -> Result<Outcome, Error> {
        let op = self.next_op.fetch_add(1, Ordering::Relaxed);
        loop {
            let epoch = self.epoch.load(Ordering::Relaxed);
            match self.wire.call(&*self.runtime, self.send(epoch, op, &txn)).await {
                Some(Reply::Decided(outcome)) => return Ok(self.received(outcome)),
                Some(Reply::Refused(error)) => return Err(self.received_error(error)),
                Some(Reply::Killed) => {}
                None => {
                    self.epoch.fetch_max(epoch + 1, Ordering::Relaxed);
                    self.late_copy(epoch, op, &txn);
                }
            }
            match self.bug() {
                Some(StoreBug::LostReplyIsAnError) => return Err(unavailable("commit")),
                Some(StoreBug::RepeatWithoutLook) => continue,
                _ => {}
            }
            if let Some(outcome) = self.look(op).await {
                self.wire.network.counters().add(Counter::ResolvedApplied);
                return Ok(self.received(outcome));
            }
            self.wire.network.counters().add(Counter::ResolvedAbsent);
            if self.bug() == Some(StoreBug::ReadConcludes) {
                return Err(unavailable("commit"));
            }
        }
    }

    /// Kills the connections before the present one and looks for `op`, as long as it takes.
    async fn look(&self, op: u64) -> Option<Outcome> {
        loop {
            let (session, epoch) = (Arc::clone(&self.at_server), self.epoch.load(Ordering::Relaxed));
            let kills = !matches!(self.bug(), Some(StoreBug::NoKill | StoreBug::ReadConcludes));
            let look = async move { session.kill_and_look(if kills { epoch } else { 0 }, op) };
            if let Some(found) = self.wire.call(&*self.runtime, look).await {
                return found;
            }
        }
    }

    /// Now and then the network keeps a copy of a request that timed out, and delivers it when nobody expects it any more.
    fn late_copy(&self, epoch: u64, op: u64, txn: &Txn) {
        if !self.wire.network.happens(self.wire.network.weather().duplicate, Counter::Duplicate) {
            return;
        }
        let (wire, copy) = (self.wire.clone(), self.send(epoch, op, txn));
        let late = wire.network.delay() + wire.network.delay() + PATIENCE;
        let world = Arc::clone(&wire.server.world);
        let node = wire.server.node;
        let arrive = async move {
            wire.server.world.sleep(late).await;
            if let Reply::Killed = copy.await {
                wire.network.counters().add(Counter::LateCopyKilled);
            }
        };
        world.spawn(node, Box::pin(arrive));
    }

    fn received(&self, outcome: Outcome) -> Outcome {
        let lineage = self.wire.server.lineage_for(outcome.lineage(), &*self.runtime);
        match outcome {
            Outcome::Committed(committed) => {
                self.saw(committed.revision);
                let reads = committed.reads.into_iter().map(|listing| self.listed(listing)).collect();
                let heard = Committed::new(committed.revision, committed.stamps, reads, lineage);
                Outcome::Committed(heard.with_taken(committed.taken))
            }
            Outcome::Conflict(conflict) => Outcome::Conflict(Conflict::new(conflict.keys, lineage)),
            other => other,
        }
    }

    fn received_error(&self, error: Error) -> Error {
        match (error.lineage(), error.until()) {
            (Some(lineage), _) => error.with_lineage(self.wire.server.lineage_for(lineage, &*self.runtime)),
            (None, None) => error,
            (None, Some(until)) => {
                let remaining = until.saturating_since(self.wire.server.now());
                error.with_until(self.runtime.now() + remaining)
            }
        }
    }

    fn listed(&self, listing: Listing) -> Listing {
        let lineage = self.wire.server.lineage_for(listing.lineage(), &*self.runtime);
        let (more, revision) = (listing.has_more(), listing.revision());
        self.saw(revision);
        Listing::new(listing.into_entries(), more, revision, lineage)
    }

    /// Deletes the session-owned entries of a commit that nobody waits for any more.
    async fn undo(&self, txn: &Txn, committed: &Committed) {
        use ha_core::spi::Operation;
        let mut undo = Txn::new();
        let mut any = false;
        for (operation, stamp) in txn.operations().iter().zip(&committed.stamps) {
            if let (Operation::Create { owned: true, .. }, Some(stamp)) = (operation, stamp) {
                undo = undo.delete(stamp.clone());
                any = true;
            }
        }
        if any {
            // A conflict or a lost session means that they are gone.
            drop(self.resolve(undo).await);
        }
    }
}

#[async_trait]
impl Session for SimSession {
    fn id(&self) -> &SessionId {
        self.0.at_server.inner.id()
    }

    fn ttl(&self) -> Option<Duration> {
        self.0.at_server.inner.ttl()
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        let client = &self.0;
        if client.bug() == Some(StoreBug::RenewalFromCache) && !client.wire.link.requests_pass(Road::Renewals)
        {
            return Ok(Renewal::new(ha_core::spi::Lineage::new(0)));
        }
        let session = Arc::clone(&client.at_server);
        let renewal = async move { session.inner.renew().await };
        let renewed = client.wire.call_over(&*client.runtime, Road::Renewals, renewal).await;
        let renewal = renewed.ok_or_else(|| unavailable("renew"))??;
        Ok(Renewal::new(client.wire.server.lineage_for(renewal.lineage, &*client.runtime)))
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        let (answer, result) = oneshot::channel();
        let client = Arc::clone(&self.0);
        let task = async move {
            let outcome = client.resolve(txn.clone()).await;
            if let Err(Ok(Outcome::Committed(committed))) = answer.send(outcome)
                && client.bug() != Some(StoreBug::DroppedCommitLeavesGhost)
            {
                client.undo(&txn, &committed).await;
            }
        };
        self.0.runtime.spawn("commit", Box::pin(task));
        result.await.unwrap_or_else(|_crashed| Err(unavailable("commit")))
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        let (session, wire) = (Arc::clone(&self.0.at_server), self.0.wire.clone());
        let (collection, seen) = (collection.clone(), Revision::new(self.0.seen.load(Ordering::Relaxed)));
        let listed = async move { session.list(&wire, &collection, page, seen).await };
        let listing =
            self.0.wire.call(&*self.0.runtime, listed).await.ok_or_else(|| unavailable("list"))??;
        Ok(self.0.listed(listing))
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        watch::open(&self.0, target)
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        let (session, other) = (Arc::clone(&self.0.at_server), other.clone());
        let ended = async move { session.inner.end(&other).await };
        self.0.wire.call(&*self.0.runtime, ended).await.ok_or_else(|| unavailable("end a session"))?
    }

    async fn close(&self) -> Result<(), Error> {
        let session = Arc::clone(&self.0.at_server);
        let closed = async move { session.inner.close().await };
        self.0.wire.call(&*self.0.runtime, closed).await.ok_or_else(|| unavailable("close"))?
    }
}
