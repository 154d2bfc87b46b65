//! A stream of claims, with a limit on how many are held at once.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Claim, WorkSet};
use crate::coordinator::closed;
use crate::error::Error;

/// Claims, one after the other: see [`WorkSet::stream`].
#[must_use = "items are claimed by `next`"]
pub struct Claims<T> {
    work: WorkSet<T>,
    free: Arc<Semaphore>,
    ready: VecDeque<InFlight<T>>,
}

impl<T: DeserializeOwned> Claims<T> {
    pub(super) fn new(work: WorkSet<T>, max_in_flight: usize) -> Self {
        let most = max_in_flight.clamp(1, Semaphore::MAX_PERMITS);
        Self { work, free: Arc::new(Semaphore::new(most)), ready: VecDeque::new() }
    }

    /// The next item. Waits while as many are held as may be, and while there is none.
    ///
    /// # Errors
    /// As [`WorkSet::next`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: what was claimed for it comes next, or is given back.
    pub async fn next(&mut self) -> Result<InFlight<T>, Error> {
        loop {
            // One that was lost while it waited here is another's by now.
            while let Some(claim) = self.ready.pop_front() {
                if claim.is_valid() {
                    return Ok(claim);
                }
            }
            let gone = || closed("claim items", self.work.name());
            let mut permits = Arc::clone(&self.free).acquire_owned().await.map_err(|_closed| gone())?;
            if let Ok(more) = Arc::clone(&self.free).try_acquire_many_owned(rest(&self.free)) {
                permits.merge(more);
            }
            let claims = self.work.next(permits.num_permits()).await?;
            for claim in claims {
                if let Some(permit) = permits.split(1) {
                    self.ready.push_back(InFlight { claim, permit });
                }
            }
        }
    }
}

/// All permits that are free, but one at least.
fn rest(free: &Semaphore) -> u32 {
    u32::try_from(free.available_permits()).unwrap_or(u32::MAX).max(1)
}

impl<T> fmt::Debug for Claims<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("name", &self.work.name()).finish_non_exhaustive()
    }
}

/// A claim of a stream. Derefs to [`Claim`]; dropping it makes room for the next one.
#[derive(Debug)]
#[must_use = "dropping a claim gives the item back; complete it, or take the claim out"]
pub struct InFlight<T> {
    claim: Claim<T>,
    permit: OwnedSemaphorePermit,
}

impl<T> InFlight<T> {
    /// The claim, which makes room for the next one at once: to fail or release it.
    pub fn into_claim(self) -> Claim<T> {
        drop(self.permit);
        self.claim
    }
}

impl<T> Deref for InFlight<T> {
    type Target = Claim<T>;

    fn deref(&self) -> &Claim<T> {
        &self.claim
    }
}
