//! What the parts of one session share.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ha_core::runtime::{Instant, Runtime, within};
use ha_core::spi::{Lineage, SessionId};
use ha_core::{Error, ErrorKind};
use tokio::sync::watch;

use crate::client::{Connection, Failure, FailureKind, MultiFailure, Settings, Step};
use crate::continuity::Continuity;
use crate::keys::Layout;
use crate::looks::Looks;
use crate::made::Made;
use crate::over::{Over, Why};
use crate::pulse::Pulse;
use crate::slots::Slots;
use crate::sync::lock;

/// For how long a request is tried whose caller waits, before it is said to be not done.
const PATIENCE: Duration = Duration::from_secs(5);

/// A session, or an observer, as everything that belongs to it sees it.
pub(crate) struct Link {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) layout: Layout,
    pub(crate) id: SessionId,
    /// The id as the server has it.
    pub(crate) number: i64,
    /// What was granted; `None` for an observer.
    pub(crate) ttl: Option<Duration>,
    /// The path of the session's marker; of an observer, one where nothing ever is.
    pub(crate) marker: String,
    /// The path of what proofs of life write to.
    pub(crate) history: String,
    /// The data of the marker.
    pub(crate) label: Vec<u8>,
    /// The version of the marker: what every transaction is guarded by.
    pub(crate) fence: AtomicI32,
    pub(crate) slots: Slots,
    pub(crate) collections: Made,
    pub(crate) looks: Looks,
    /// How many transactions were in doubt, because their answers were lost, until it was found out what became of them.
    pub(crate) doubts: AtomicU64,
    seen: AtomicU64,
    pub(crate) over: Over,
    pub(crate) pulse: watch::Sender<Pulse>,
    pub(crate) continuity: Arc<Continuity>,
    /// The history that the session belongs to. In another one it is over.
    pub(crate) generation: u64,
    /// Until when the session lives without another renewal.
    pub(crate) deadline: Mutex<Instant>,
    pub(crate) killing: tokio::sync::Mutex<()>,
    /// Taken away when the session ends: once all who still use it are done, it is closed.
    connection: Mutex<Option<Arc<Connection>>>,
    operations: AtomicU64,
}

/// What a link is made of.
pub(crate) struct Parts {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) layout: Layout,
    pub(crate) id: SessionId,
    pub(crate) ttl: Option<Duration>,
    pub(crate) history: String,
    pub(crate) label: Vec<u8>,
    pub(crate) continuity: Arc<Continuity>,
    pub(crate) generation: u64,
    pub(crate) deadline: Instant,
    pub(crate) connection: Connection,
}

impl Link {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            marker: parts.layout.marker(parts.id.as_str()),
            number: parts.connection.session(),
            connection: Mutex::new(Some(Arc::new(parts.connection))),
            runtime: parts.runtime,
            settings: parts.settings,
            layout: parts.layout,
            id: parts.id,
            ttl: parts.ttl,
            history: parts.history,
            label: parts.label,
            continuity: parts.continuity,
            generation: parts.generation,
            deadline: Mutex::new(parts.deadline),
            fence: AtomicI32::new(0),
            slots: Slots::default(),
            collections: Made::default(),
            looks: Looks::default(),
            doubts: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            over: Over::default(),
            pulse: watch::Sender::new(Pulse::default()),
            killing: tokio::sync::Mutex::default(),
            operations: AtomicU64::new(0),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// When a request that begins now is given up.
    pub(crate) fn give_up_at(&self) -> Instant {
        self.now() + PATIENCE
    }

    /// The lineage of an answer that is given now.
    pub(crate) fn lineage(&self) -> Lineage {
        self.continuity.lineage(self.now())
    }

    /// The session has seen `transaction`.
    pub(crate) fn saw(&self, transaction: u64) {
        self.seen.fetch_max(transaction, Ordering::Relaxed);
        self.continuity.saw(self.generation, transaction);
    }

    /// The latest transaction that the session has seen: whatever it reads from now on is not older, on whichever server.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Refuses `operation` once the session is over, or its history is.
    pub(crate) fn check(self: &Arc<Self>, operation: &'static str) -> Result<(), Error> {
        if self.generation != self.continuity.generation() {
            self.end(Why::History);
        }
        self.over.check(operation)
    }

    /// Refuses what an observer cannot do.
    pub(crate) fn require_ttl(&self, operation: &'static str) -> Result<Duration, Error> {
        self.ttl.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, operation)
                .because("an observer owns nothing and only reads and watches; open a session with a ttl")
        })
    }

    /// A name that no other operation of any session has.
    pub(crate) fn next_operation(&self) -> String {
        format!("{}.{:x}", self.id, self.operations.fetch_add(1, Ordering::Relaxed))
    }

    /// Starts a task.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(name, Box::pin(task));
    }

    /// The connection, whether it works or not; `None` once the session ends.
    pub(crate) fn connection(&self) -> Option<Arc<Connection>> {
        lock(&self.connection).clone()
    }

    /// Takes the connection away from the session, so that it is closed.
    pub(crate) fn take_connection(&self) -> Option<Arc<Connection>> {
        lock(&self.connection).take()
    }

    /// The connection once it works, so that what is sent is not put aside. Waits until `give_up`.
    pub(crate) async fn connected(&self, give_up: Instant) -> Result<Arc<Connection>, Failure> {
        let mut pulse = self.pulse.subscribe();
        let connected = async {
            tokio::select! {
                biased;
                () = self.over.begun() => None,
                // It cannot be gone: we have it.
                up = pulse.wait_for(|pulse| pulse.is_connected) => up.ok().and_then(|_| self.connection()),
            }
        };
        let limit = give_up.saturating_since(self.now());
        match within(&*self.runtime, limit, connected).await {
            Some(Some(connection)) => Ok(connection),
            Some(None) => Err(Failure::new(FailureKind::Ended, "the session ends")),
            None => Err(Failure::new(FailureKind::NotSent, "there is no connection to any server")),
        }
    }

    /// A write that changes nothing and that a majority of the servers has to agree to: what is read behind it is not older. For a session it also proves
    /// that the session is there; `false` if it is not.
    pub(crate) async fn barrier(&self, connection: &Connection) -> Result<bool, Failure> {
        let step = Step::Check { path: self.marker.clone(), version: None };
        match connection.multi(&[step]).await {
            Ok(_) => Ok(true),
            // A refusal is a transaction like any other.
            Err(MultiFailure { step: Some(_), failure }) if failure.kind == FailureKind::NoNode => {
                Ok(self.ttl.is_none())
            }
            Err(failed) => Err(failed.failure),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("id", &self.id).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
