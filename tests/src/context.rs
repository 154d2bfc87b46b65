//! What a case works with: a store of its own namespace, sessions on it, and bounded waiting.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ha_core::runtime::{Runtime, TokioRuntime};
use ha_core::spi::{Backend, Collection, Key, Name, Session, SessionRequest};

use crate::clock::Stopwatch;
use crate::faults::{Fault, Faults};
use crate::harness::{Harness, Store};

/// The first segment of the collections that contract cases write to.
const COLLECTION: &str = "conformance";

/// A long ttl, in short ones: for sessions whose expiry is not the subject of the case.
const CALM: u32 = 100;

/// What has not changed for so long is not about to change.
const SETTLED_AFTER: Duration = Duration::from_millis(50);

/// What a case is given.
#[derive(Debug)]
pub struct Context {
    store: Arc<dyn Store>,
    namespace: Name,
    ttl: Duration,
    margin: Duration,
    runtime: Arc<dyn Runtime>,
    nodes: AtomicU32,
    opened: Opened,
}

/// The sessions that a case opened, so that they can be closed however it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opened(Arc<Mutex<Vec<Arc<dyn Session>>>>);

impl Opened {
    fn add(&self, session: Arc<dyn Session>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(session);
    }

    /// Closes them all; whether that works is not the subject of the case.
    pub(crate) async fn close(&self) {
        let sessions = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for session in sessions {
            drop(session.close().await);
        }
    }
}

impl Context {
    /// A context on `store` with a namespace that nobody else uses. Called on the tokio runtime of the case.
    pub(crate) fn new(harness: &dyn Harness, store: Arc<dyn Store>, opened: Opened) -> Self {
        Self {
            store,
            namespace: name(&format!("case-{:016x}", random())),
            ttl: harness.ttl(),
            margin: harness.margin(),
            runtime: Arc::new(TokioRuntime::current().unwrap()),
            nodes: AtomicU32::new(0),
            opened,
        }
    }

    /// The ttl of sessions that may run out.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// How much later than promised something may be seen.
    #[must_use]
    pub fn margin(&self) -> Duration {
        self.margin
    }

    /// The namespace of the case.
    #[must_use]
    pub fn namespace(&self) -> &Name {
        &self.namespace
    }

    /// A backend as another process would build it, with the name of its node.
    #[must_use]
    pub fn connect(&self) -> (Name, Arc<dyn Backend>) {
        let node = name(&format!("node-{}", self.nodes.fetch_add(1, Ordering::Relaxed)));
        let backend = self.store.connect(&node);
        (node, backend)
    }

    /// A backend for the process of `node`.
    #[must_use]
    pub fn connect_as(&self, node: &str) -> Arc<dyn Backend> {
        self.store.connect(&name(node))
    }

    /// What to open a session or an observer of `node` with.
    #[must_use]
    pub fn request(&self, node: &str) -> SessionRequest {
        SessionRequest::observer(self.namespace.clone(), name(node), Arc::clone(&self.runtime))
    }

    /// A session of another process that does not run out within the case.
    pub async fn session(&self) -> Arc<dyn Session> {
        let (node, _) = self.connect();
        self.session_of(node.as_str()).await
    }

    /// Such a session of `node`, for faults that name it.
    pub async fn session_of(&self, node: &str) -> Arc<dyn Session> {
        let backend = self.connect_as(node);
        self.open(&*backend, self.request(node).with_ttl(self.calm_ttl(&*backend))).await
    }

    /// A ttl that does not run out within the case.
    #[must_use]
    pub fn calm_ttl(&self, backend: &dyn Backend) -> Duration {
        let capabilities = backend.capabilities();
        (self.ttl * CALM).clamp(capabilities.ttl_min, capabilities.ttl_max)
    }

    /// A session of another process with the short ttl, renewed by nobody but the case.
    pub async fn mortal_session(&self) -> Arc<dyn Session> {
        let (node, backend) = self.connect();
        self.open(&*backend, self.request(node.as_str()).with_ttl(self.ttl)).await
    }

    /// An observer.
    pub async fn observer(&self) -> Arc<dyn Session> {
        let (node, backend) = self.connect();
        self.open(&*backend, self.request(node.as_str())).await
    }

    /// Opens a session that is closed at the end of the case.
    pub async fn open(&self, backend: &dyn Backend, request: SessionRequest) -> Arc<dyn Session> {
        let session = backend.open_session(request).await.unwrap();
        self.opened.add(Arc::clone(&session));
        session
    }

    /// A collection of the case.
    #[must_use]
    pub fn collection(&self, segment: &str) -> Collection {
        Collection::parse(&[COLLECTION, segment]).unwrap()
    }

    /// The key `entry` in the collection `segment`.
    #[must_use]
    pub fn key(&self, segment: &str, entry: &str) -> Key {
        self.collection(segment).key(name(entry))
    }

    /// The faults of the store. Only for cases that need some.
    #[must_use]
    pub fn faults(&self) -> Arc<dyn Faults> {
        self.store.faults().unwrap()
    }

    /// Injects a fault.
    pub async fn inject(&self, fault: Fault) {
        let faults = self.faults();
        let offered = fault.kind().is_none_or(|kind| faults.offers(kind));
        assert!(offered, "the case has to say that it needs {fault:?}");
        faults.inject(fault).await;
    }

    /// Waits until `condition` is true, at most `ttls` ttl and the margin.
    pub async fn until(&self, what: &str, ttls: u32, mut condition: impl AsyncFnMut() -> bool) {
        let limit = self.ttl * ttls + self.margin;
        let pause = (self.ttl / 50).clamp(Duration::from_millis(1), Duration::from_millis(100));
        let watch = Stopwatch::start();
        while !condition().await {
            assert!(watch.elapsed() < limit, "not within {limit:?}: {what}");
            tokio::time::sleep(pause).await;
        }
    }

    /// The value of `look` once it no longer changes.
    pub async fn settled<T: PartialEq>(&self, what: &str, mut look: impl FnMut() -> T) -> T {
        let mut last = look();
        self.until(what, 20, async || {
            tokio::time::sleep(SETTLED_AFTER).await;
            let now = look();
            let is_settled = now == last;
            last = now;
            is_settled
        })
        .await;
        last
    }

    /// The result of `future`, which has to be there after at most `ttls` ttl and the margin.
    pub async fn within<T>(&self, what: &str, ttls: u32, future: impl Future<Output = T>) -> T {
        let limit = self.ttl * ttls + self.margin;
        match tokio::time::timeout(limit, future).await {
            Ok(value) => value,
            Err(_) => panic!("not within {limit:?}: {what}"),
        }
    }

    /// Lets `future` try for `time`; it must not end. For "nobody gets it while it is held".
    pub async fn not_within<T: fmt::Debug>(
        &self,
        what: &str,
        time: Duration,
        future: impl Future<Output = T>,
    ) {
        if let Ok(value) = tokio::time::timeout(time, future).await {
            panic!("{what}: it must wait, but ended with {value:?}");
        }
    }
}

/// A name that a case chose.
pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A number from the seed that the standard library draws for each `RandomState`.
fn random() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
