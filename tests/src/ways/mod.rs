//! The ways of the nodes to a store: requests and answers are lost on them, late, or do not get through.
//!
//! It happens between the recipes and the backend, at the calls of the contract, so that it needs nothing but the contract and is the same for every store. What is
//! behind the way is real: a request that arrives late arrives at the real store, and whatever became of the session meanwhile is what that says; a commit
//! whose caller is gone is finished and undone by the backend itself.
//!
//! What it cannot show is how a backend finds out about a request that was sent and not answered: to the backend, an answer that is lost here is one that nobody
//! asked for yet. A backend with a server behind a network needs faults on that network as well; for one without, no answer can be lost in another way than this.

mod session;
mod untold;
mod watch;
mod way;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{Backend, Capabilities, Name, Session, SessionRequest};

use crate::faults::{Fault, FaultKind, Faults};
use session::WaySession;
use way::Way;

const OPEN: &str = "open a session";

/// The ways of all nodes to one store.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use ha_conformance::{Faults, Store, Ways};
/// use ha_core::memory::MemoryBackend;
/// use ha_core::spi::{Backend, Name};
///
/// #[derive(Debug)]
/// struct MyStore {
///     backend: MemoryBackend,
///     ways: Ways,
/// }
///
/// impl Store for MyStore {
///     fn connect(&self, node: &Name) -> Arc<dyn Backend> {
///         self.ways.lead(node, Arc::new(self.backend.clone()))
///     }
///
///     fn faults(&self) -> Option<Arc<dyn Faults>> {
///         Some(Arc::new(self.ways.clone())) // or faults of its own, which pass these on
///     }
/// }
///
/// let store = MyStore { backend: MemoryBackend::new(), ways: Ways::new(Duration::from_secs(2)) };
/// let node = Name::parse("node").unwrap();
/// assert_eq!(store.connect(&node).capabilities().backend, "memory");
/// ```
///
/// Clones lead to the same store.
#[derive(Clone, Debug)]
pub struct Ways {
    patience: Duration,
    nodes: Arc<Mutex<BTreeMap<Name, Arc<Way>>>>,
}

impl Ways {
    /// Ways on which nothing happens yet. A request that does not get through is given up as `Unavailable` after `patience`: as long as the backend waits for its
    /// store.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self { patience, nodes: Arc::default() }
    }

    /// The way of `node` to `backend`.
    #[must_use]
    pub fn lead(&self, node: &Name, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
        Arc::new(WayBackend { backend, way: self.of(node) })
    }

    fn of(&self, node: &Name) -> Arc<Way> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let way = nodes.entry(node.clone()).or_insert_with(|| Arc::new(Way::new(self.patience)));
        Arc::clone(way)
    }
}

#[async_trait]
impl Faults for Ways {
    /// All that concerns one node, and nothing that the store does.
    fn offers(&self, kind: FaultKind) -> bool {
        use FaultKind::{Commits, Cut, CutReplies, FailRenewals, InterruptWatches, Slow, YieldAlways};
        matches!(kind, Commits | Cut | CutReplies | FailRenewals | InterruptWatches | Slow | YieldAlways)
    }

    async fn inject(&self, fault: Fault) {
        match fault {
            Fault::Commits(node, each) => self.of(&node).script(each),
            Fault::Cut(node) => self.of(&node).change(|conduct| conduct.cut()),
            Fault::CutReplies(node) => self.of(&node).change(|conduct| conduct.replies_stop = true),
            Fault::Heal(node) => self.of(&node).change(|conduct| conduct.heal()),
            Fault::Slow(node, delay) => self.of(&node).change(|conduct| conduct.delay = delay),
            Fault::FailRenewals(node) => self.of(&node).change(|conduct| conduct.renewals_fail = true),
            Fault::YieldAlways(node) => self.of(&node).change(|conduct| conduct.takes_turns = true),
            Fault::InterruptWatches(node) => self.of(&node).change(|conduct| conduct.breaks += 1),
            other => panic!("not offered: {other:?}"),
        }
    }
}

/// A backend at the end of a way.
#[derive(Debug)]
struct WayBackend {
    backend: Arc<dyn Backend>,
    way: Arc<Way>,
}

#[async_trait]
impl Backend for WayBackend {
    fn capabilities(&self) -> &Capabilities {
        self.backend.capabilities()
    }

    /// A session whose opening is not answered owns nothing and ends by its ttl.
    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let runtime = Arc::clone(&request.runtime);
        let session = self.way.ask(&*runtime, OPEN, self.backend.open_session(request)).await?;
        Ok(Arc::new(WaySession::new(session, Arc::clone(&self.way), runtime)))
    }
}

#[cfg(test)]
#[path = "ways_test.rs"]
mod tests;
