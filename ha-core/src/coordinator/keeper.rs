//! The session that is kept: what its renewals prove, and for how long.

use std::sync::Arc;

use super::events::Event;
use super::hub::Hub;
use super::lifetime::{Lifetime, LossReason};
use super::renewal::{Schedule, Validity};
use crate::error::{Error, ErrorKind};
use crate::runtime::Instant;
use crate::spi::Renewal;
use crate::zoo::{Bug, planted};

/// The renewals of the session that is kept.
pub(super) struct Keeper {
    pub(super) life: Arc<Lifetime>,
    pub(super) schedule: Option<Schedule>,
    pub(super) validity: Option<Validity>,
    /// The latest renewal that succeeded while a discontinuity was being dealt with: its generation, and when it was sent.
    pending: Option<(u64, Instant)>,
}

impl Keeper {
    pub(super) fn new(life: Arc<Lifetime>, schedule: Option<Schedule>, validity: Option<Validity>) -> Self {
        Self { life, schedule, validity, pending: None }
    }

    /// The renewal that was sent at `sent` succeeded. Returns why the session is lost, if it is.
    pub(super) fn renewed(&mut self, hub: &Hub, sent: Instant, renewal: Renewal) -> Option<LossReason> {
        hub.observe(renewal.lineage);
        let sent = if planted(Bug::DeadlineFromReply) { hub.runtime().now() } else { sent };
        self.pending = self.pending.max(Some((renewal.lineage.generation(), sent)));
        self.reconciled(hub)
    }

    /// Lets the latest renewal count, unless grants may have been forgotten that are not given up yet.
    pub(super) fn reconciled(&mut self, hub: &Hub) -> Option<LossReason> {
        if hub.is_reconciling() && !planted(Bug::RenewalBeforeReconciled) {
            return None;
        }
        let (Some((generation, sent)), Some(schedule), Some(validity)) =
            (self.pending.take(), &mut self.schedule, self.validity)
        else {
            return None;
        };
        if generation < hub.lineage().generation() {
            // In the history that is over the session lived on; in this one it may be about to expire.
            return None;
        }
        // While shutting down the grants are over; the session itself lives on until they are released.
        if !self.life.extend(validity.until(sent)) && !hub.is_closing() {
            return Some(LossReason::Expired);
        }
        self.life.set_renewed_at(sent);
        let was_suspect = schedule.is_suspect();
        schedule.on_renewed(sent);
        hub.meters().renewed(hub.runtime().now().saturating_since(sent), self.life.remaining());
        self.life.set_suspect(schedule.is_suspect());
        if was_suspect && !schedule.is_suspect() {
            hub.emit(Event::Recovered);
        }
        None
    }

    /// A renewal failed. Returns why the session is lost, if it is.
    pub(super) fn failed(&mut self, hub: &Hub, error: &Error) -> Option<LossReason> {
        if error.kind() == ErrorKind::SessionLost {
            return Some(LossReason::SessionLost);
        }
        hub.meters().renewal_failed();
        if let Some(schedule) = &mut self.schedule {
            schedule.on_failed(hub.runtime().now());
        }
        self.report(hub, Some(error));
        None
    }

    /// Tells the grants, once, that the session is suspect.
    pub(super) fn report(&self, hub: &Hub, cause: Option<&Error>) {
        let suspect = self.schedule.as_ref().is_some_and(Schedule::is_suspect);
        if suspect && self.life.set_suspect(true) {
            hub.emit(Event::Suspect {
                remaining: self.life.remaining(),
                cause: cause.map(ToString::to_string),
            });
        }
    }
}

#[cfg(test)]
#[path = "keeper_test.rs"]
mod tests;
