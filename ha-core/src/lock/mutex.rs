//! A mutex for the nodes of a platform.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::driver::Ports;
use super::queue::{Patience, Queue, Request};
use super::record::{Record, queue};
use crate::coordinator::{Engine, Grant, Hub, LossReason, closed};
use crate::error::{Error, ErrorKind};
use crate::names::Name;

const ACQUIRE: &str = "acquire mutex";

/// A lock that one holder at a time has, among all nodes of the namespace. First come, first served.
///
/// Cheap to clone. Get one from [`Coordinator::mutex`](crate::Coordinator::mutex).
///
/// # Guarantees
/// * At most one holder is valid at any instant, each with a larger token than all before it.
/// * Waiters are served in the order in which their processes queued. All waiters of one process share one place in the queue, and
///   one more while the process holds the lock; they take turns in the order of their calls.
/// * Uncontended: one round trip to acquire, one to release.
///
/// # Not promised
/// It is not re-entrant: a task that asks for a mutex that it holds waits for itself, for ever. A deletion of the holder's entry by an
/// administrator is not noticed by the holder; its [`fence`](Grant::fence) is.
#[derive(Clone)]
pub struct Mutex {
    engine: Arc<Engine<Queue>>,
}

impl Mutex {
    pub(crate) fn new(hub: &Arc<Hub>, name: Name) -> Self {
        let engine = hub.recipe("lock", &name, || {
            let state = Queue::new(queue(&name), Record::mutex(&hub.identity().node));
            Engine::start(hub, state, Ports::new(name.clone()))
        });
        Self { engine }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.engine.ports.name().as_str()
    }

    /// Waits for the lock, as long as it takes: through outages of the backend and losses of the session as well.
    ///
    /// # Errors
    /// `TypeMismatch` when the name is used as another kind of lock; `Closed` after a shutdown; `Denied`, `TooLarge`, `Corrupt` from the backend.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place of this call: no lock stays held, nobody waits behind a ghost.
    pub async fn acquire(&self) -> Result<MutexGuard, Error> {
        match self.wait(Patience::Forever).await? {
            Some(guard) => Ok(guard),
            None => Err(closed(ACQUIRE, self.name())),
        }
    }

    /// Waits for the lock, at most for `timeout`.
    ///
    /// # Errors
    /// `Timeout`: not acquired, and nothing is left behind. Otherwise as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_timeout(&self, timeout: Duration) -> Result<MutexGuard, Error> {
        let deadline = self.engine.hub().runtime().now() + timeout;
        match self.wait(Patience::Until(deadline)).await? {
            Some(guard) => Ok(guard),
            None => Err(Error::new(ErrorKind::Timeout, ACQUIRE).on(format_args!("{:?}", self.name()))),
        }
    }

    /// Takes the lock if nobody has it or waits for it; `None` otherwise, at once.
    ///
    /// A try that fails is in the queue for the moment that it takes to leave it, so of two tries at the same instant both can fail.
    /// While this process still releases the lock the try waits for that.
    ///
    /// # Errors
    /// `Unavailable` while the backend cannot be reached, `Recovering` while it holds back grants. Otherwise as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn try_acquire(&self) -> Result<Option<MutexGuard>, Error> {
        self.wait(Patience::None).await
    }

    /// Waits for a guard that is valid when it is handed to the caller: a process that was frozen in between goes on waiting.
    async fn wait(&self, patience: Patience) -> Result<Option<MutexGuard>, Error> {
        loop {
            match self.wait_once(patience).await? {
                Some(guard) if !guard.is_valid() => drop(guard),
                answer => return Ok(answer),
            }
        }
    }

    async fn wait_once(&self, patience: Patience) -> Result<Option<MutexGuard>, Error> {
        let (waiter, answer) = self.engine.ports.wait();
        let cancel = CancelOnDrop { engine: &self.engine, waiter: Some(waiter) };
        let held_here = self.engine.ports.is_held();
        self.engine.request(Request::Acquire { waiter, patience });
        let answer = if held_here && patience != Patience::None {
            // For whoever looks for a task that waits for itself.
            let span =
                tracing::warn_span!("waiting for a mutex that this process holds", mutex = self.name());
            tracing::Instrument::instrument(answer, span).await
        } else {
            answer.await
        };
        cancel.disarm();
        answer.unwrap_or_else(|_gone| Err(closed(ACQUIRE, self.name())))
    }
}

impl fmt::Debug for Mutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Takes a waiter out of the queue when its future is dropped.
struct CancelOnDrop<'a> {
    engine: &'a Arc<Engine<Queue>>,
    waiter: Option<u64>,
}

impl CancelOnDrop<'_> {
    fn disarm(mut self) {
        self.waiter = None;
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.engine.ports.cancel(waiter);
            self.engine.request(Request::Cancel { waiter });
        }
    }
}

/// The lock, held. Derefs to [`Grant`]: watch [`lost`](Grant::lost), hand on the [`token`](Grant::token).
///
/// It can be moved and released from any task. Dropping it releases the lock in the background: soon, but not before the next line runs.
#[must_use = "dropping the guard releases the mutex"]
pub struct MutexGuard {
    engine: Arc<Engine<Queue>>,
    place: u64,
    grant: Grant,
    released: bool,
}

impl MutexGuard {
    pub(super) fn new(engine: Arc<Engine<Queue>>, place: u64, grant: Grant) -> Self {
        Self { engine, place, grant, released: false }
    }

    /// A clone of the grant, for work that is spawned.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.grant.clone()
    }

    /// Releases the lock, and returns once others can have it. End the guarded work before.
    ///
    /// A broken connection does not lose the release: it is repeated until it is done or the session, and the lock with it, is over.
    ///
    /// # Errors
    /// None at present.
    ///
    /// # Cancel safety
    /// The release goes on in the background.
    pub async fn release(mut self) -> Result<(), Error> {
        let (caller, done) = self.engine.ports.wait_release();
        self.let_go(Some(caller));
        // An answer that cannot come any more means that the session is over.
        drop(done.await);
        Ok(())
    }

    fn let_go(&mut self, caller: Option<u64>) {
        self.released = true;
        if let Some(grant) = self.engine.ports.end(self.place, LossReason::Released) {
            self.engine.hub().ended("mutex", &grant);
        }
        self.engine.request(Request::Release { place: self.place, caller });
    }
}

impl Deref for MutexGuard {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.grant
    }
}

impl Drop for MutexGuard {
    fn drop(&mut self) {
        if !self.released {
            self.let_go(None);
        }
    }
}

impl fmt::Debug for MutexGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MutexGuard").field(&self.grant).finish()
    }
}
