//! Where the tests happen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ha_backend_local::{LocalBackend, LocalConfig};
use ha_conformance::history::Event;
use ha_conformance::invariants::Bounds;
use ha_conformance::servers::holder::{Holder, Site};
use ha_conformance::servers::{Folder, Scene};
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{Backend, Collection, Key, Name, Session, SessionRequest, Txn};
use ha_core::{Error, StoreUrl};

/// Of the holders' sessions.
pub(crate) const TTL: Duration = Duration::from_secs(2);

/// A ttl that nobody waits for.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(600);

/// How long anything may take that happens at all, on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The namespace of every test: each has a file of its own.
const NAMESPACE: &str = "faults";

/// A place for a store.
#[derive(Debug)]
pub(crate) struct Place(Folder);

impl Place {
    pub(crate) fn new() -> Self {
        Self(Folder::new("local"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("ha.db")
    }

    pub(crate) fn url(&self) -> String {
        format!("local://{}?timeout=500ms", self.path().display())
    }

    pub(crate) fn scene(&self) -> Scene {
        self.scene_with(TTL)
    }

    /// Holders whose sessions last so long.
    pub(crate) fn scene_with(&self, ttl: Duration) -> Scene {
        Scene::new(Site::new(self.url(), NAMESPACE, ttl))
    }

    /// So many holders that a request may have to wait for its turn, with sessions that nobody waits for.
    pub(crate) fn crowded_scene(&self) -> Scene {
        Scene::new(Site::new(self.crowded_url(), NAMESPACE, FOR_EVER))
    }

    pub(crate) fn crowded_url(&self) -> String {
        format!("local://{}?timeout=60s", self.path().display())
    }

    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        connect(&self.url())
    }
}

/// A backend, as a process builds it from its URL.
pub(crate) fn connect(url: &str) -> Arc<dyn Backend> {
    let url = StoreUrl::parse(url).unwrap();
    Arc::new(LocalBackend::new(LocalConfig::from_url(&url).unwrap()))
}

/// What histories on a busy machine are judged by. Tight is what must never happen; what must happen may be late.
pub(crate) fn bounds() -> Bounds {
    let mut bounds = Bounds::new(TTL);
    bounds.loss_notice = 500_000_000;
    bounds.recovery = u64::try_from(LONG.as_nanos()).unwrap();
    bounds.expiry_slack = u64::try_from((TTL * 3).as_nanos()).unwrap();
    bounds
}

/// Runs the body of a test.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// A session of this process.
pub(crate) async fn try_session(backend: &dyn Backend, ttl: Duration) -> Result<Arc<dyn Session>, Error> {
    let runtime = Arc::new(TokioRuntime::current().unwrap());
    let (namespace, node) = (Name::parse(NAMESPACE).unwrap(), Name::parse("test").unwrap());
    backend.open_session(SessionRequest::observer(namespace, node, runtime).with_ttl(ttl)).await
}

pub(crate) async fn session(backend: &dyn Backend, ttl: Duration) -> Arc<dyn Session> {
    try_session(backend, ttl).await.unwrap()
}

/// Stores something that nobody owns.
pub(crate) async fn store(session: &dyn Session, name: &str, value: &'static str) {
    let outcome = session.commit(Txn::new().create(key(name), value)).await.unwrap();
    assert!(outcome.is_committed(), "{outcome:?}");
}

/// An entry of the collection `c`.
pub(crate) fn key(name: &str) -> Key {
    collection().key(Name::parse(name).unwrap())
}

pub(crate) fn collection() -> Collection {
    Collection::parse(&["c"]).unwrap()
}

/// How often `holder` was granted what it wants.
pub(crate) fn grants(holder: &Holder) -> usize {
    holder.count(|event| matches!(event, Event::Granted { .. }))
}

/// Lets each of the holders get something once more, then ends them, and judges all that happened.
pub(crate) fn finish(scene: &Scene, holders: &mut [Holder]) {
    scene.calm();
    for holder in holders.iter_mut() {
        let so_far = grants(holder);
        holder.wait_for_grant(so_far + 1, LONG);
    }
    holders.iter_mut().for_each(Holder::end);
    scene.judge(&bounds());
}
