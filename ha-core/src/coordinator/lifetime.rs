//! One session as its grants see it: valid until a local deadline, suspect, or over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::format::Format;
use crate::runtime::{Instant, Runtime};
use crate::spi::Session;
use crate::sync::lock;
use crate::zoo::{Bug, planted};

/// Why a grant, or a whole session, was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// The session could not be renewed before its local deadline.
    Expired,
    /// The backend said that the session is over.
    SessionLost,
    /// The entry behind the grant vanished while the session lived: somebody deleted it.
    Removed,
    /// The store forgot the grant, in a failover or by a restored backup.
    Forgotten,
    /// The holder released it, resigned, or dropped the guard.
    Released,
    /// It was handed over to another node.
    Transferred,
    /// A health check failed, or was not fed in time.
    Unhealthy,
    /// The coordinator shuts down.
    Shutdown,
    /// Its holder went on as a reader.
    Downgraded,
    /// It was not settled before its own deadline, and was given back.
    Overdue,
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the session could not be renewed in time",
            Self::SessionLost => "the backend ended the session",
            Self::Removed => "its entry was deleted",
            Self::Forgotten => "the store forgot it",
            Self::Released => "released",
            Self::Transferred => "handed over",
            Self::Unhealthy => "the service is not healthy",
            Self::Shutdown => "shutting down",
            Self::Downgraded => "held to read only",
            Self::Overdue => "not settled before its deadline",
        })
    }
}

/// How certain a session, and each of its grants, is right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The latest renewal was answered in time.
    Healthy,
    /// A renewal failed or is late. The grants stay valid for `remaining`, unless a renewal succeeds before.
    Suspect {
        /// How much longer the grants are valid without a successful renewal.
        remaining: Duration,
    },
    /// Over, for this reason.
    Lost(LossReason),
}

/// One session, from the instant it was opened to its loss. Shared by all grants that it carries.
pub(crate) struct Lifetime {
    session: Arc<dyn Session>,
    runtime: Arc<dyn Runtime>,
    epoch: u64,
    token_base: u64,
    /// The history of the store in which it was opened.
    generation: u64,
    /// Unique numbers for the names of the entries that this session creates.
    numbers: AtomicU64,
    valid_until: AtomicU64,
    renewed_at: AtomicU64,
    suspect: AtomicBool,
    standing_changed: Notify,
    over: CancellationToken,
    reason: OnceLock<LossReason>,
    works: Mutex<BTreeMap<u64, String>>,
}

impl Lifetime {
    pub(super) fn new(
        session: Arc<dyn Session>,
        runtime: Arc<dyn Runtime>,
        epoch: u64,
        format: Format,
        valid_until: Instant,
    ) -> Arc<Self> {
        Arc::new(Self {
            session,
            runtime,
            epoch,
            token_base: format.token_base,
            generation: format.lineage.generation(),
            numbers: AtomicU64::new(1),
            valid_until: AtomicU64::new(valid_until.nanos()),
            renewed_at: AtomicU64::new(0),
            suspect: AtomicBool::new(false),
            standing_changed: Notify::new(),
            over: CancellationToken::new(),
            reason: OnceLock::new(),
            works: Mutex::default(),
        })
    }

    pub(crate) fn session(&self) -> &Arc<dyn Session> {
        &self.session
    }

    /// The present instant.
    pub(crate) fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// Which session of the coordinator this is: 1, 2, …
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What is added to a revision to make a token.
    pub(crate) fn token_base(&self) -> u64 {
        self.token_base
    }

    /// The history of the store in which it was opened: what a later one brings back may be its own.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// When the latest renewal was sent of which the answer counts: if the store had gone back before that, the answer would have told.
    pub(crate) fn renewed_at(&self) -> Instant {
        Instant::from_nanos(self.renewed_at.load(Ordering::Acquire))
    }

    pub(crate) fn set_renewed_at(&self, sent: Instant) {
        self.renewed_at.fetch_max(sent.nanos(), Ordering::AcqRel);
    }

    pub(crate) fn numbers(&self) -> &AtomicU64 {
        &self.numbers
    }

    /// The token that all grants of this session derive their cancellation from.
    pub(crate) fn over(&self) -> &CancellationToken {
        &self.over
    }

    pub(crate) fn reason(&self) -> Option<LossReason> {
        self.reason.get().copied()
    }

    pub(crate) fn valid_until(&self) -> Instant {
        Instant::from_nanos(self.valid_until.load(Ordering::Acquire))
    }

    /// Whether grants of this session may be acted on at this instant.
    pub(crate) fn is_valid(&self) -> bool {
        !self.over.is_cancelled()
            && (self.runtime.now() < self.valid_until() || planted(Bug::NoLocalDeadline))
    }

    /// How much longer grants are valid without a further renewal.
    pub(crate) fn remaining(&self) -> Duration {
        if self.over.is_cancelled() {
            return Duration::ZERO;
        }
        if planted(Bug::NoLocalDeadline) {
            return Duration::from_secs(3_600);
        }
        self.valid_until().saturating_since(self.runtime.now())
    }

    /// Moves the deadline on. Refused once it has passed: what was lost for an instant stays lost (R1), because
    /// somebody may have looked in that instant.
    pub(crate) fn extend(&self, until: Instant) -> bool {
        let extended = self.valid_until.fetch_update(Ordering::AcqRel, Ordering::Acquire, |current| {
            let alive = self.runtime.now().nanos() < current && !self.over.is_cancelled();
            alive.then(|| current.max(until.nanos()))
        });
        extended.is_ok()
    }

    /// Records whether a renewal is late; returns whether that is new. Wakes those who wait for it.
    pub(crate) fn set_suspect(&self, suspect: bool) -> bool {
        let changed = self.suspect.swap(suspect, Ordering::AcqRel) != suspect;
        if changed {
            self.standing_changed.notify_waiters();
        }
        changed
    }

    pub(crate) fn standing(&self) -> Standing {
        if let Some(reason) = self.reason() {
            return Standing::Lost(reason);
        }
        let remaining = self.remaining();
        if remaining.is_zero() {
            return Standing::Lost(LossReason::Expired);
        }
        if self.suspect.load(Ordering::Acquire) { Standing::Suspect { remaining } } else { Standing::Healthy }
    }

    /// Waits until a renewal is late, or the session is over.
    pub(crate) async fn suspected(&self) -> Duration {
        loop {
            let changed = self.standing_changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.standing() {
                Standing::Healthy => changed.await,
                Standing::Suspect { remaining } => return remaining,
                Standing::Lost(_) => return Duration::ZERO,
            }
        }
    }

    /// Ends every grant of this session. The first reason stays.
    pub(crate) fn end(&self, reason: LossReason) {
        if self.reason.set(reason).is_ok() {
            self.over.cancel();
            self.standing_changed.notify_waiters();
        }
    }

    /// Notes that guarded work runs, so that work which outlives its grant is noticed.
    pub(crate) fn work_started(&self, what: String) -> u64 {
        let id = self.numbers.fetch_add(1, Ordering::Relaxed);
        lock(&self.works).insert(id, what);
        id
    }

    pub(crate) fn work_ended(&self, id: u64) {
        lock(&self.works).remove(&id);
    }

    /// What guarded work runs now.
    pub(crate) fn works(&self) -> Vec<String> {
        lock(&self.works).values().cloned().collect()
    }
}

impl fmt::Debug for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifetime")
            .field("session", self.session.id())
            .field("epoch", &self.epoch)
            .field("standing", &self.standing())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "lifetime_test.rs"]
mod tests;
