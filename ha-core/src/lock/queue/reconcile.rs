//! After a discontinuity: give up what the store forgot, delete what it resurrected.

use super::place::Status;
use super::{Delivery, OWN_PLACES, Outputs, Queue};
use crate::coordinator::Output;
use crate::names::Key;
use crate::runtime::Instant;
use crate::spi::{Entry, Listing, SessionId, Stamp};

impl Queue {
    pub(super) fn on_discontinuity(&mut self, hold_until: Option<Instant>, out: &mut Outputs) {
        self.hold_until = hold_until;
        // At once, whatever was refused before.
        self.retry_at = None;
        self.reconciling = true;
        self.look_again = true;
        for place in &mut self.places {
            place.forget_view();
        }
        if self.session.is_none() {
            self.finish_reconciling(out);
        }
    }

    /// Compares our places with what the store still knows: gives up what it forgot, deletes what it resurrected.
    pub(super) fn on_own_places(&mut self, listing: &Listing, out: &mut Outputs) {
        let Some(session) = self.session.clone() else { return };
        let own: Vec<&Entry> =
            listing.entries().iter().take_while(|entry| is_place_of(entry.key(), &session)).collect();
        // A place that was created after the listing was made need not be in it.
        let exists = |stamp: &Stamp| {
            stamp.created() > listing.revision()
                || own.iter().any(|entry| entry.stamp().is_same_incarnation(stamp))
        };
        self.places.retain(|place| match &place.status {
            Status::Creating | Status::Leaving { .. } => true,
            Status::Queued { stamp, .. } => exists(stamp),
            Status::Granted { stamp } => {
                if !exists(stamp) {
                    out.push(Output::Deliver(Delivery::Forgotten { place: place.id }));
                }
                exists(stamp)
            }
        });
        for entry in &own {
            if self.places.iter().all(|place| place.key != *entry.key()) {
                let status = Status::Leaving { stamp: entry.stamp().clone(), sent: false, caller: None };
                self.add_place(entry.key().clone(), status);
            }
        }
        // A full page may not show all; what it showed is deleted, so the next look shows the rest.
        if own.len() < OWN_PLACES {
            self.finish_reconciling(out);
        } else {
            self.look_again = true;
        }
    }

    pub(super) fn finish_reconciling(&mut self, out: &mut Outputs) {
        if std::mem::take(&mut self.reconciling) {
            out.push(Output::Reconciled);
        }
    }
}

fn is_place_of(key: &Key, session: &SessionId) -> bool {
    key.name().as_str().strip_prefix(session.as_str()).is_some_and(|rest| rest.starts_with('-'))
}
