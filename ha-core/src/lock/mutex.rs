//! A mutex for the nodes of a platform.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::handle::Handle;
use super::held::Held;
use super::record::{Kind, Share};
use crate::coordinator::{Grant, Hub};
use crate::error::Error;
use crate::names::Name;

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
pub struct Mutex(Handle);

impl Mutex {
    pub(crate) fn new(hub: &Arc<Hub>, name: Name) -> Self {
        Self(Handle::new(hub, name, Kind::Mutex))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Waits for the lock, as long as it takes: through outages of the backend and losses of the session as well.
    ///
    /// # Errors
    /// `TypeMismatch` when the name is used as another kind of lock; `Closed` after a shutdown; `Denied`, `TooLarge`, `Corrupt` from the backend.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place of this call: no lock stays held, nobody waits behind a ghost.
    pub async fn acquire(&self) -> Result<MutexGuard, Error> {
        self.0.acquire(Share::Whole).await.map(MutexGuard)
    }

    /// Waits for the lock, at most for `timeout`.
    ///
    /// # Errors
    /// `Timeout`: not acquired, and nothing is left behind. Otherwise as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_timeout(&self, timeout: Duration) -> Result<MutexGuard, Error> {
        self.0.acquire_timeout(Share::Whole, timeout).await.map(MutexGuard)
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
        Ok(self.0.try_acquire(Share::Whole).await?.map(MutexGuard))
    }
}

impl fmt::Debug for Mutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The lock, held. Derefs to [`Grant`]: watch [`lost`](Grant::lost), hand on the [`token`](Grant::token).
///
/// It can be moved and released from any task. Dropping it releases the lock in the background: soon, but not before the next line runs.
#[must_use = "dropping the guard releases the mutex"]
pub struct MutexGuard(pub(super) Held);

impl MutexGuard {
    /// A clone of the grant, for work that is spawned.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.0.grant().clone()
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
    pub async fn release(self) -> Result<(), Error> {
        self.0.release().await;
        Ok(())
    }
}

impl Deref for MutexGuard {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        self.0.grant()
    }
}

impl fmt::Debug for MutexGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MutexGuard").field(self.0.grant()).finish()
    }
}
