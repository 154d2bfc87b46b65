//! One process's connection to a store: its session, kept alive and replaced by itself, and the recipes on it.

mod builder;
mod cell;
mod claim;
mod engine;
mod events;
mod format;
mod grant;
mod health;
mod hub;
mod identity;
mod keeper;
mod lifetime;
mod machine;
mod meters;
#[cfg(test)]
pub(crate) mod model_test;
mod overrun;
mod renewal;
mod reporting;
mod signal;
mod supervisor;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use builder::CoordinatorBuilder;
pub use events::{Event, Events};
pub use grant::Grant;
pub use health::Heartbeat;
pub use identity::Death;
pub use lifetime::{LossReason, Standing};
pub use overrun::OverrunPolicy;
pub use reporting::Observer;

pub(crate) use engine::Engine;
pub(crate) use hub::{Hub, Listener, Signal};
pub(crate) use lifetime::Lifetime;
pub(crate) use machine::{Context, Driver, Input, Machine, Output, closed};
pub(crate) use renewal::Validity;

use crate::election::Election;
use crate::error::{Error, ErrorKind};
use crate::group::Group;
use crate::lock::{LockAll, Mutex, RwLock, Semaphore};
use crate::names::Name;
use crate::partition::Partitions;
use crate::spi::{Backend, Capabilities};
use crate::store::Store;
use crate::token::Token;
use crate::work_set::{Slots, WorkSet};
use hub::Control;

/// One node's connection to a store. Holds one session for all recipes, however many they are.
///
/// Cheap to clone; all clones share the session.
///
/// # Guarantees
/// * Renewals, timers and backend I/O run on a thread of their own: a blocked user runtime loses nothing.
/// * When the session is lost every grant is lost first; then a new session is opened by itself, waiting callers and running
///   elections go on with it, and [`events`](Self::events) tells.
/// * Idle cost is one renewal per third of the validity, whatever the number of grants.
///
/// # Dropping
/// When the last clone is dropped without [`shutdown`](Self::shutdown) the grants end (`lost` fires), guards that are still
/// held are waited for, at most for a ttl, and the session is closed, all in the background. A process that exits right away
/// leaves its session to expire.
#[derive(Clone)]
pub struct Coordinator(Arc<Owner>);

/// Ends the supervisor when the last handle is gone.
struct Owner {
    hub: Arc<Hub>,
    dropped: CancellationToken,
}

impl Owner {
    fn new(hub: Arc<Hub>) -> Self {
        Self { hub, dropped: CancellationToken::new() }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.dropped.cancel();
        let ttl = self.hub.life().and_then(|life| life.session().ttl()).unwrap_or_default();
        let deadline = self.hub.runtime().now() + ttl;
        self.hub.control(Control::Shutdown { deadline, done: None });
    }
}

/// How a coordinator is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// How certain the present session is; `None` while there is none.
    pub session: Option<Standing>,
    /// Whether the store holds back new grants after it may have forgotten some.
    pub recovering: bool,
    /// Whether the coordinator is shutting down.
    pub closing: bool,
}

impl Coordinator {
    /// Starts to configure a coordinator on `backend`.
    pub fn builder(backend: Arc<dyn Backend>) -> CoordinatorBuilder {
        CoordinatorBuilder::new(backend)
    }

    /// The election of this name.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name; `Unsupported` on an observer that wants more than to observe comes later, from the call.
    pub fn election(&self, name: &str) -> Result<Election, Error> {
        Ok(Election::new(&self.0.hub, Name::parse_user("election", name)?))
    }

    /// The group of this name. It does not keep the coordinator: dropping the last clone of that ends the session under it.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name; `Unsupported` on an observer that wants to join comes later, from the call.
    pub fn group(&self, name: &str) -> Result<Group, Error> {
        Ok(Group::new(&self.0.hub, Name::parse_user("group", name)?))
    }

    /// The mutex of this name. It does not keep the coordinator: dropping the last clone of that ends the session under it.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name; `Unsupported` on an observer, which can hold nothing.
    pub fn mutex(&self, name: &str) -> Result<Mutex, Error> {
        let name = Name::parse_user("mutex", name)?;
        self.refuse_observer("use mutex", &name)?;
        Ok(Mutex::new(&self.0.hub, name))
    }

    /// The mutexes of these names, to be held together or not at all; a name that is there twice counts once. They do not keep the coordinator,
    /// as [`mutex`](Self::mutex) says.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name, for none, or for more than [`LockAll::MAX_NAMES`]; `Unsupported` on an observer, which can hold nothing.
    pub fn lock_all<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<LockAll, Error> {
        let mut parsed = BTreeSet::new();
        for name in names {
            let name = Name::parse_user("mutex", name)?;
            self.refuse_observer("use mutex", &name)?;
            parsed.insert(name);
        }
        LockAll::new(&self.0.hub, parsed)
    }

    /// The partitions of this name: so many that members of a group share among them. They do not keep the coordinator, as [`mutex`](Self::mutex) says.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name, or for none or more than [`Partitions::MAX_COUNT`] partitions; `Unsupported` on an observer that wants to own some comes later,
    /// from the call.
    pub fn partitions(&self, name: &str, count: u32) -> Result<Partitions, Error> {
        Partitions::new(&self.0.hub, Name::parse_user("partitions", name)?, count)
    }

    /// The read-write lock of this name. It does not keep the coordinator, as [`mutex`](Self::mutex) says.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name; `Unsupported` on an observer, which can hold nothing.
    pub fn rw_lock(&self, name: &str) -> Result<RwLock, Error> {
        let name = Name::parse_user("read-write lock", name)?;
        self.refuse_observer("use read-write lock", &name)?;
        Ok(RwLock::new(&self.0.hub, name))
    }

    /// The semaphore of this name, with as many permits as all its users say: 1 to [`Semaphore::MAX_PERMITS`]. It does not keep the
    /// coordinator, as [`mutex`](Self::mutex) says.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name or number of permits; `Unsupported` on an observer, which can hold nothing.
    pub fn semaphore(&self, name: &str, permits: u32) -> Result<Semaphore, Error> {
        let name = Name::parse_user("semaphore", name)?;
        self.refuse_observer("use semaphore", &name)?;
        Semaphore::new(&self.0.hub, name, permits)
    }

    /// The work-set of this name: items of type `T`, as JSON, each to be completed once. It does not keep the coordinator, as [`mutex`](Self::mutex) says.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name; `Unsupported` on an observer that wants more than to look comes later, from the call.
    pub fn work_set<T>(&self, name: &str) -> Result<WorkSet<T>, Error> {
        Ok(WorkSet::new(&self.0.hub, Name::parse_user("work-set", name)?))
    }

    /// So many slots of this name: one of several configurations for each process. They do not keep the coordinator, as [`mutex`](Self::mutex) says.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name, or for none or more than [`Slots::MAX_COUNT`] slots; `Unsupported` on an observer, which can hold nothing.
    pub fn slots(&self, name: &str, count: u32) -> Result<Slots, Error> {
        let name = Name::parse_user("slots", name)?;
        self.refuse_observer("use slots", &name)?;
        Slots::new(&self.0.hub, name, count)
    }

    /// The collections of the service itself. An observer reads and watches them.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::new(&self.0.hub)
    }

    /// The name of this node.
    #[must_use]
    pub fn node(&self) -> &str {
        self.0.hub.identity().node.as_str()
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.hub.identity().namespace.as_str()
    }

    /// What the backend can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.0.hub.capabilities()
    }

    /// The ttl that the backend granted to the present session; `None` on an observer or while there is no session.
    #[must_use]
    pub fn granted_ttl(&self) -> Option<Duration> {
        self.0.hub.life().and_then(|life| life.session().ttl())
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.0.hub.subscribe()
    }

    /// How the coordinator is doing right now, without asking the backend.
    #[must_use]
    pub fn health(&self) -> Health {
        let hub = &self.0.hub;
        let now = hub.runtime().now();
        Health {
            session: hub.life().map(|life| life.standing()),
            recovering: hub.lineage().hold_until().is_some_and(|until| now < until),
            closing: hub.is_closing(),
        }
    }

    /// Ends all grants, waits until their holders have let go, releases them, and closes the session, so that successors
    /// need not wait for the ttl.
    ///
    /// Nothing new is granted from the call on: waiting callers get `Closed`, `run` ends its work and returns `Closed`. Holders of guards
    /// learn by `lost()`, with the reason `Shutdown`, and should drop them. At `deadline` the session is closed nevertheless.
    ///
    /// # Errors
    /// `Timeout` when something was still held at the deadline.
    ///
    /// # Cancel safety
    /// The shutdown goes on in the background.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), Error> {
        let (done, result) = oneshot::channel();
        let deadline = self.0.hub.runtime().now() + deadline;
        self.0.hub.control(Control::Shutdown { deadline, done: Some(done) });
        // Without an answer the supervisor is gone: somebody else has shut down.
        result.await.unwrap_or(Ok(()))
    }

    /// Waits for SIGTERM or SIGINT, then returns; call [`shutdown`](Self::shutdown) next. From the first call on these signals no longer end
    /// the process by themselves.
    ///
    /// # Errors
    /// `Unsupported` when signals cannot be received, or after a shutdown.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped, but the signals stay redirected.
    pub async fn terminated(&self) -> Result<(), Error> {
        signal::terminated(self.0.hub.runtime()).await
    }

    /// Raises what is added to every token of the namespace, from the next session of each node on, to at least `base`; returns the
    /// base in force. For operators who restored a backup: revisions that the backup forgot are handed out again, and the base keeps
    /// tokens growing. It never goes down.
    ///
    /// Do it while no node of the namespace runs, or restart them right after: a node goes on with the base that its session began with, so
    /// for a while its tokens would be smaller than those of a node that knows the new one.
    ///
    /// # Errors
    /// `Unavailable` while there is no session, and the errors of a commit.
    ///
    /// # Cancel safety
    /// The base may or may not have been raised.
    pub async fn raise_token_base(&self, base: u64) -> Result<u64, Error> {
        let operation = "raise the token base";
        let life = self.0.hub.life().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, operation).because("there is no session now; try again later")
        })?;
        let (answer, result) = oneshot::channel();
        let task = async move {
            let raised = format::raise_token_base(&**life.session(), base).await;
            // Whoever asked may have stopped waiting.
            drop(answer.send(raised));
        };
        self.0.hub.runtime().spawn("token base", Box::pin(task));
        result.await.map_err(|_stopped| closed(operation, self.namespace()))?
    }

    /// Whether this process leads an election in this term, by its own grant.
    pub(crate) fn leads_in(&self, term: Token) -> bool {
        self.0.hub.leads_in(term)
    }

    fn refuse_observer(&self, operation: &'static str, name: &Name) -> Result<(), Error> {
        if self.0.hub.identity().observer {
            return Err(Error::new(ErrorKind::Unsupported, operation)
                .on(format_args!("\"{name}\""))
                .because(
                    "this coordinator is an observer and can hold nothing; connect without `observer()`",
                ));
        }
        Ok(())
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("namespace", &self.namespace())
            .field("node", &self.node())
            .field("backend", &self.capabilities().backend)
            .finish_non_exhaustive()
    }
}
