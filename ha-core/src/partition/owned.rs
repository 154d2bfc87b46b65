//! A partition, owned.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::owner::{Owner, Request};
use crate::coordinator::{Engine, Grant, LossReason};
use crate::runtime::Instant;

/// Which partition it is, and the news that it is to be given up.
#[derive(Clone)]
pub struct Partition {
    id: u32,
    revoked: CancellationToken,
    until: Arc<OnceLock<Instant>>,
}

impl Partition {
    pub(super) fn new(id: u32) -> Self {
        Self { id, revoked: CancellationToken::new(), until: Arc::default() }
    }

    /// Its number, from 0 on.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits until it is to be given up. The grant is still valid: end what is under way, then let go. Not told when the grant is lost at once.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    /// Whether it is to be given up.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.is_cancelled()
    }

    /// By when it is to be given up, once it is.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.get().copied()
    }

    pub(super) fn revoke(&self, now: Instant, drain: Duration) {
        self.until.get_or_init(|| now + drain);
        self.revoked.cancel();
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.id, f)
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("id", &self.id)
            .field("revoked", &self.is_revoked())
            .finish_non_exhaustive()
    }
}

/// A partition that this process owns. Derefs to [`Grant`].
///
/// When it is [revoked](Partition::revoked), or the grant is [lost](Grant::lost), end its work and drop it: nobody else gets the partition before that while the session lives. Dropped earlier, the
/// partition rests: it has no other owner, and does not come again before it has moved.
#[must_use = "dropping an owned partition says that its work has ended"]
pub struct OwnedPartition {
    engine: Arc<Engine<Owner>>,
    partition: Partition,
    grant: Grant,
    number: u64,
}

impl OwnedPartition {
    pub(super) fn new(engine: Arc<Engine<Owner>>, partition: Partition, grant: Grant, number: u64) -> Self {
        Self { engine, partition, grant, number }
    }

    /// Its number, from 0 on.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.partition.id
    }

    /// Which partition it is, for work that is spawned.
    #[must_use]
    pub fn partition(&self) -> Partition {
        self.partition.clone()
    }

    /// A clone of the grant, for work that is spawned.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.grant.clone()
    }

    /// Waits until it is to be given up: see [`Partition::revoked`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn revoked(&self) {
        self.partition.revoked().await;
    }
}

impl Deref for OwnedPartition {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.grant
    }
}

impl Drop for OwnedPartition {
    fn drop(&mut self) {
        let (partition, token) = (self.partition.id, self.number);
        self.engine.ports.let_go(self.engine.hub(), partition, token, LossReason::Released);
        self.engine.request(Request::Stopped { partition, token });
    }
}

impl fmt::Debug for OwnedPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPartition")
            .field("partition", &self.partition)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}
