//! A counting semaphore for the nodes of a platform.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::handle::Handle;
use super::held::Held;
use super::record::{Kind, Share};
use crate::coordinator::{Grant, Hub};
use crate::error::{Error, ErrorKind};
use crate::names::Name;

/// A number of permits that all nodes of the namespace share. First come, first served.
///
/// Cheap to clone. Get one from [`Coordinator::semaphore`](crate::Coordinator::semaphore).
///
/// # Guarantees
/// * At no instant do valid holders have more permits together than there are. A permit of a holder that died is free again within its ttl.
/// * Callers are served in the order in which they queued, and nobody is let past somebody who waits: whoever wants many permits is not starved by those
///   who want few. Calls of one process are served in their order.
/// * Every grant has a token of its own, larger than those of earlier holders beside which there would have been no room for it. Holders that
///   could hold at the same time are not fenced from each other.
/// * Uncontended: one round trip to acquire, whatever the number of permits, and one to release.
///
/// # Not promised
/// It is not re-entrant: a task that holds permits and asks for more can wait for itself, for ever. Ask for all at once. All users of a name have
/// to agree on the number of permits; to change it, let all of them go first.
#[derive(Clone)]
pub struct Semaphore {
    handle: Handle,
    permits: u32,
}

impl Semaphore {
    /// The most permits that a semaphore has: 1,000,000.
    pub const MAX_PERMITS: u32 = 1_000_000;

    pub(crate) fn new(hub: &Arc<Hub>, name: Name, permits: u32) -> Result<Self, Error> {
        if permits == 0 || permits > Self::MAX_PERMITS {
            let reason = format!("it has 1 to {} permits, not {permits}", Self::MAX_PERMITS);
            return Err(Error::new(ErrorKind::InvalidInput, "use semaphore")
                .on(format_args!("{:?}", name.as_str()))
                .because(reason));
        }
        Ok(Self { handle: Handle::new(hub, name, Kind::Semaphore { permits }), permits })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.handle.name()
    }

    /// How many permits there are, held or not.
    #[must_use]
    pub fn permits(&self) -> u32 {
        self.permits
    }

    /// Waits for one permit, as long as it takes: through outages of the backend and losses of the session as well.
    ///
    /// # Errors
    /// `TypeMismatch` when the name is used with another number of permits, or as another kind of lock; `Closed` after a shutdown; `Denied`, `TooLarge`,
    /// `Corrupt` from the backend.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place of this call: no permit stays held, nobody waits behind a ghost.
    pub async fn acquire(&self) -> Result<SemaphoreGuard, Error> {
        self.acquire_many(1).await
    }

    /// Waits for `weight` permits, all at once.
    ///
    /// # Errors
    /// `InvalidInput` when `weight` is 0, or more than there are permits. Otherwise as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_many(&self, weight: u32) -> Result<SemaphoreGuard, Error> {
        let share = self.share(weight)?;
        self.handle.acquire(share).await.map(SemaphoreGuard)
    }

    /// Waits for one permit, at most for `timeout`.
    ///
    /// # Errors
    /// `Timeout`: not acquired, and nothing is left behind. Otherwise as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_timeout(&self, timeout: Duration) -> Result<SemaphoreGuard, Error> {
        self.acquire_many_timeout(1, timeout).await
    }

    /// Waits for `weight` permits, all at once, at most for `timeout`.
    ///
    /// # Errors
    /// `Timeout`: not acquired, and nothing is left behind. Otherwise as [`acquire_many`](Self::acquire_many).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_many_timeout(
        &self,
        weight: u32,
        timeout: Duration,
    ) -> Result<SemaphoreGuard, Error> {
        let share = self.share(weight)?;
        self.handle.acquire_timeout(share, timeout).await.map(SemaphoreGuard)
    }

    /// Takes one permit if there is one and nobody waits; `None` otherwise, at once.
    ///
    /// A try that fails is in the queue for the moment that it takes to leave it, so of two tries at the same instant for the last permit both can fail.
    /// While this process still releases permits the try waits for that.
    ///
    /// # Errors
    /// `Unavailable` while the backend cannot be reached, `Recovering` while it holds back grants. Otherwise as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn try_acquire(&self) -> Result<Option<SemaphoreGuard>, Error> {
        self.try_acquire_many(1).await
    }

    /// Takes `weight` permits if there are as many and nobody waits; `None` otherwise, at once.
    ///
    /// # Errors
    /// `InvalidInput` when `weight` is 0, or more than there are permits. Otherwise as [`try_acquire`](Self::try_acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn try_acquire_many(&self, weight: u32) -> Result<Option<SemaphoreGuard>, Error> {
        let share = self.share(weight)?;
        Ok(self.handle.try_acquire(share).await?.map(SemaphoreGuard))
    }

    fn share(&self, weight: u32) -> Result<Share, Error> {
        if (1..=self.permits).contains(&weight) {
            return Ok(Share::Permits(weight));
        }
        let reason = format!("it has {} permits; ask for 1 to {}, not {weight}", self.permits, self.permits);
        Err(Error::new(ErrorKind::InvalidInput, "acquire semaphore")
            .on(format_args!("{:?}", self.name()))
            .because(reason))
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("name", &self.name())
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}

/// Permits, held. Derefs to [`Grant`].
///
/// It can be moved and released from any task. Dropping it gives the permits back in the background: soon, but not before the next line runs.
#[must_use = "dropping the guard gives the permits back"]
pub struct SemaphoreGuard(Held);

impl SemaphoreGuard {
    /// How many permits these are.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.0.weight()
    }

    /// A clone of the grant, for work that is spawned.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.0.grant().clone()
    }

    /// Gives the permits back, and returns once others can have them. End the guarded work before.
    ///
    /// A broken connection does not lose the release: it is repeated until it is done or the session, and the permits with it, is over.
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

impl Deref for SemaphoreGuard {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        self.0.grant()
    }
}

impl fmt::Debug for SemaphoreGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SemaphoreGuard").field(self.0.grant()).field(&self.weight()).finish()
    }
}
