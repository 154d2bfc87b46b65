//! Several mutexes, held together or not at all.

use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::handle::Handle;
use super::held::{Ending, Held};
use super::record::{Kind, Share};
use crate::coordinator::{Grant, Hub, LossReason};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::runtime::{BoxFuture, Instant};
use crate::spi::Txn;

const ACQUIRE: &str = "lock all";

/// Several mutexes that are held together or not at all.
///
/// Get one from [`Coordinator::lock_all`](crate::Coordinator::lock_all). They are the mutexes that [`Coordinator::mutex`](crate::Coordinator::mutex) gives: whoever holds one of
/// them keeps the others waiting.
///
/// # Guarantees
/// * Every node takes them in the same order, by name, so that any number of callers with overlapping names never wait for each other in a circle.
/// * All or none: a call that fails, or whose future is dropped, releases what it had. If one is lost the others are lost with it.
/// * One round trip for each name to acquire, uncontended; one for all together to release.
///
/// # Not promised
/// A task that holds one of these mutexes, or any other lock, while it asks for several can wait in a circle with others: take all that you need in one call. While it waits for a
/// name the ones before it are held, and others wait for them.
#[derive(Clone)]
pub struct LockAll {
    hub: Arc<Hub>,
    /// By name, each once.
    handles: Vec<Handle>,
}

impl LockAll {
    /// The most names that are locked together.
    pub const MAX_NAMES: usize = 64;

    pub(crate) fn new(hub: &Arc<Hub>, names: BTreeSet<Name>) -> Result<Self, Error> {
        if names.is_empty() || names.len() > Self::MAX_NAMES {
            let reason = format!("it takes 1 to {} different names, not {}", Self::MAX_NAMES, names.len());
            return Err(Error::new(ErrorKind::InvalidInput, ACQUIRE).because(reason));
        }
        let handles = names.into_iter().map(|name| Handle::new(hub, name, Kind::Mutex)).collect();
        Ok(Self { hub: Arc::clone(hub), handles })
    }

    /// The names, in the order in which they are locked.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.handles.iter().map(Handle::name)
    }

    /// Waits for all of them, as long as it takes: through outages of the backend and losses of the session as well, after which it begins anew.
    ///
    /// # Errors
    /// As [`Mutex::acquire`](super::Mutex::acquire), of any of them.
    ///
    /// # Cancel safety
    /// Dropping the future releases what it has in the background: no lock stays held, nobody waits behind a ghost.
    pub async fn acquire(&self) -> Result<LockAllGuard, Error> {
        self.gather(None).await
    }

    /// Waits for all of them, at most for `timeout` together.
    ///
    /// # Errors
    /// `Timeout`, which names the lock that was waited for: what it had is released in the background. Otherwise as [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_timeout(&self, timeout: Duration) -> Result<LockAllGuard, Error> {
        self.gather(Some(self.hub.runtime().now() + timeout)).await
    }

    /// Takes all of them if nobody has or waits for any; `None` otherwise, without waiting for others.
    ///
    /// For a moment it holds those before the one that it cannot have, so of two tries at the same instant both can fail.
    ///
    /// # Errors
    /// As [`Mutex::try_acquire`](super::Mutex::try_acquire), of any of them.
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn try_acquire(&self) -> Result<Option<LockAllGuard>, Error> {
        let mut held = Vec::new();
        for handle in &self.handles {
            match handle.try_acquire(Share::Whole).await? {
                Some(next) => held.push(next),
                None => return Ok(None),
            }
        }
        // One that was lost before the last was taken is contended for all that anybody knows.
        Ok(all_valid(&held).then(|| LockAllGuard::new(&self.hub, held)))
    }

    async fn gather(&self, deadline: Option<Instant>) -> Result<LockAllGuard, Error> {
        loop {
            let mut held = Vec::new();
            for handle in &self.handles {
                let next = tokio::select! {
                    biased;
                    _ = first_lost(held.iter().map(Held::grant)) => break,
                    next = handle.acquire_by(Share::Whole, deadline) => next?,
                };
                held.push(next);
            }
            if held.len() == self.handles.len() && all_valid(&held) {
                return Ok(LockAllGuard::new(&self.hub, held));
            }
        }
    }
}

impl fmt::Debug for LockAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockAll").field(&self.names().collect::<Vec<_>>()).finish()
    }
}

fn all_valid(held: &[Held]) -> bool {
    held.iter().all(|held| held.grant().is_valid())
}

/// Waits until one of the grants is lost, and says why; for ever if there is none.
fn first_lost<'a>(grants: impl Iterator<Item = &'a Grant>) -> BoxFuture<'static, LossReason> {
    let lost =
        |grant: Grant| -> BoxFuture<'static, LossReason> { Box::pin(async move { grant.lost().await }) };
    let mut lost: Vec<_> = grants.cloned().map(lost).collect();
    Box::pin(poll_fn(move |cx| {
        for lost in &mut lost {
            if let Poll::Ready(reason) = lost.as_mut().poll(cx) {
                return Poll::Ready(reason);
            }
        }
        Poll::Pending
    }))
}

/// Several mutexes, held. If one is lost all are.
///
/// It can be moved and released from any task. Dropping it releases them in the background: soon, but not before the next line runs.
#[must_use = "dropping the guard releases the mutexes"]
pub struct LockAllGuard {
    held: Vec<Held>,
}

impl LockAllGuard {
    fn new(hub: &Arc<Hub>, held: Vec<Held>) -> Self {
        let lost = first_lost(held.iter().map(Held::grant));
        let all: Vec<Ending> = held.iter().map(Held::ending).collect();
        let task = async move {
            // Also when they are released: then there is nothing left to end.
            let reason = lost.await;
            all.iter().for_each(|one| one.end(reason));
        };
        hub.runtime().spawn("lock all", Box::pin(task));
        Self { held }
    }

    /// The grants, in the order of their names. Each has the token of its own mutex.
    pub fn grants(&self) -> impl Iterator<Item = &Grant> {
        self.held.iter().map(Held::grant)
    }

    /// The grant of the mutex `name`, if it is one of these.
    #[must_use]
    pub fn grant(&self, name: &str) -> Option<&Grant> {
        self.grants().find(|grant| grant.name() == name)
    }

    /// Whether all of them are valid at this very instant, by the local clock alone.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        all_valid(&self.held)
    }

    /// Waits until one of them is lost, and says why. The others are lost with it.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn lost(&self) -> LossReason {
        first_lost(self.grants()).await
    }

    /// Adds the guards that all of them are still held; see [`Grant::fence`].
    pub fn fence(&self, txn: Txn) -> Txn {
        self.grants().fold(txn, |txn, grant| grant.fence(txn))
    }

    /// Releases all of them, and returns once others can have them. End the guarded work before.
    ///
    /// A broken connection does not lose the release: it is repeated until it is done or the session, and the locks with it, is over.
    ///
    /// # Errors
    /// None at present.
    ///
    /// # Cancel safety
    /// The release goes on in the background.
    pub async fn release(self) -> Result<(), Error> {
        let released: Vec<_> = self.held.into_iter().rev().map(Held::release).collect();
        for released in released {
            released.await;
        }
        Ok(())
    }
}

impl fmt::Debug for LockAllGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.grants()).finish()
    }
}
