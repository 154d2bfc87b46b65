//! A read-write lock for the nodes of a platform.

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

/// A lock that one writer or any number of readers have, among all nodes of the namespace. First come, first served.
///
/// Cheap to clone. Get one from [`Coordinator::rw_lock`](crate::Coordinator::rw_lock).
///
/// # Guarantees
/// * While a writer is valid nobody else is, reader or writer. Its token is larger than those of all readers and writers before it.
/// * Readers and writers are served in the order in which they queued: a reader that comes after a waiting writer waits behind it, so that readers
///   do not starve writers, nor writers readers. Calls of one process are served in their order.
/// * A reader's token is larger than those of all writers before it. Readers that hold at the same time have different tokens in no
///   particular order: they are not fenced from each other.
/// * Uncontended: one round trip to acquire, one to release.
///
/// # Not promised
/// It is not re-entrant, and a reader cannot become a writer: both wait for themselves, for ever. Release, and acquire again. (A
/// writer can become a reader: [`WriteGuard::downgrade`].) A deletion of the holder's entry by an administrator is not noticed by the holder; its
/// [`fence`](Grant::fence) is.
#[derive(Clone)]
pub struct RwLock(Handle);

impl RwLock {
    pub(crate) fn new(hub: &Arc<Hub>, name: Name) -> Self {
        Self(Handle::new(hub, name, Kind::RwLock))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Waits until it can read, as long as it takes: through outages of the backend and losses of the session as well.
    ///
    /// # Errors
    /// `TypeMismatch` when the name is used as another kind of lock; `Closed` after a shutdown; `Denied`, `TooLarge`, `Corrupt` from the backend.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place of this call: no lock stays held, nobody waits behind a ghost.
    pub async fn read(&self) -> Result<ReadGuard, Error> {
        self.0.acquire(Share::Read).await.map(ReadGuard)
    }

    /// Waits until it can read, at most for `timeout`.
    ///
    /// # Errors
    /// `Timeout`: not acquired, and nothing is left behind. Otherwise as [`read`](Self::read).
    ///
    /// # Cancel safety
    /// As [`read`](Self::read).
    pub async fn read_timeout(&self, timeout: Duration) -> Result<ReadGuard, Error> {
        self.0.acquire_timeout(Share::Read, timeout).await.map(ReadGuard)
    }

    /// Reads if nobody writes or waits to write; `None` otherwise, at once.
    ///
    /// While this process still releases the lock the try waits for that.
    ///
    /// # Errors
    /// `Unavailable` while the backend cannot be reached, `Recovering` while it holds back grants. Otherwise as [`read`](Self::read).
    ///
    /// # Cancel safety
    /// As [`read`](Self::read).
    pub async fn try_read(&self) -> Result<Option<ReadGuard>, Error> {
        Ok(self.0.try_acquire(Share::Read).await?.map(ReadGuard))
    }

    /// Waits until it can write, as long as it takes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    /// As [`read`](Self::read).
    pub async fn write(&self) -> Result<WriteGuard, Error> {
        self.0.acquire(Share::Whole).await.map(WriteGuard)
    }

    /// Waits until it can write, at most for `timeout`.
    ///
    /// # Errors
    /// `Timeout`: not acquired, and nothing is left behind. Otherwise as [`read`](Self::read).
    ///
    /// # Cancel safety
    /// As [`read`](Self::read).
    pub async fn write_timeout(&self, timeout: Duration) -> Result<WriteGuard, Error> {
        self.0.acquire_timeout(Share::Whole, timeout).await.map(WriteGuard)
    }

    /// Writes if nobody has the lock or waits for it; `None` otherwise, at once.
    ///
    /// A try that fails is in the queue for the moment that it takes to leave it, so of two tries at the same instant both can fail.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    ///
    /// # Cancel safety
    /// As [`read`](Self::read).
    pub async fn try_write(&self) -> Result<Option<WriteGuard>, Error> {
        Ok(self.0.try_acquire(Share::Whole).await?.map(WriteGuard))
    }
}

impl fmt::Debug for RwLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The lock, held to read. Derefs to [`Grant`].
///
/// It can be moved and released from any task. Dropping it releases the lock in the background: soon, but not before the next line runs.
#[must_use = "dropping the guard releases the lock"]
pub struct ReadGuard(Held);

impl ReadGuard {
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

impl Deref for ReadGuard {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        self.0.grant()
    }
}

impl fmt::Debug for ReadGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadGuard").field(self.0.grant()).finish()
    }
}

/// The lock, held to write. Derefs to [`Grant`]; its [`fence`](Grant::fence) lets a write through only while the lock is held to write.
///
/// It can be moved and released from any task. Dropping it releases the lock in the background: soon, but not before the next line runs.
#[must_use = "dropping the guard releases the lock"]
pub struct WriteGuard(Held);

impl WriteGuard {
    /// A clone of the grant, for work that is spawned.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.0.grant().clone()
    }

    /// Goes on as a reader, without letting anybody write in between. End the writing work before.
    ///
    /// The grant to write is over before anything is sent, with the reason [`Downgraded`](crate::LossReason::Downgraded); from the instant at which others can read
    /// its [`fence`](Grant::fence) lets nothing through any more. A broken connection does not lose the request: it is
    /// repeated until it is done or the session is over.
    ///
    /// # Guarantees
    /// Nobody else writes between the two grants. Readers that were waiting right behind can read once this returns; those behind a waiting writer
    /// still wait for it.
    ///
    /// # Not promised
    /// The token does not grow: the reader has the token that it had as a writer, because a larger one could be larger than that of
    /// a writer who waits already. A resource that knows tokens only cannot tell a late write of the writer from one that the
    /// reader should not make.
    ///
    /// # Errors
    /// `SessionLost`: the lock was lost meanwhile, and nothing is held. `Denied` and `TooLarge` from the backend, `Closed` after a shutdown: nothing
    /// is held either.
    ///
    /// # Cancel safety
    /// Dropping the future releases the lock in the background.
    pub async fn downgrade(self) -> Result<ReadGuard, Error> {
        self.0.downgrade().await.map(ReadGuard)
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

impl Deref for WriteGuard {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        self.0.grant()
    }
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteGuard").field(self.0.grant()).finish()
    }
}
