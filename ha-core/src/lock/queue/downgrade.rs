//! A holder of the whole that goes on as a reader.
//!
//! Its place stays where it is, at the head, and says from then on that it reads: nobody gets in between, because nobody was let past it.
//! The exclusive grant is over before the change is sent, and its fence asks for the value that the change replaces.

use super::place::{Downgrade, Status};
use super::{Asked, Delivery, Outputs, Queue};
use crate::coordinator::Output;
use crate::error::{Error, ErrorKind};
use crate::lock::record::{Record, Share, share_of};
use crate::runtime::Instant;
use crate::spi::{Entry, Outcome, Stamp, Txn};

impl Queue {
    pub(super) fn on_downgrade(&mut self, place: u64, caller: u64, out: &mut Outputs) {
        let downgrade = Downgrade { sent: false, caller: Some(caller) };
        match self.place(place) {
            Some(place) if matches!(place.status, Status::Granted { .. }) && place.share.is_whole() => {
                place.downgrade = Some(downgrade);
            }
            // Its session is over, or the store forgot it.
            _ => self.reject_downgrade(Some(downgrade), out),
        }
    }

    /// Sends what was not sent, or failed.
    pub(super) fn send_downgrades(&mut self, out: &mut Outputs) {
        // What the store has of our places is being looked at: the change may have been made.
        if self.look_again || self.is_asked(|asked| matches!(asked, Asked::Own(_))) {
            return;
        }
        let mut asked = Vec::new();
        for place in &mut self.places {
            if let (Status::Granted { stamp }, Some(downgrade @ Downgrade { sent: false, .. })) =
                (&place.status, &mut place.downgrade)
            {
                downgrade.sent = true;
                asked.push((place.id, stamp.clone()));
            }
        }
        for (place, stamp) in asked {
            let value = Record::new(self.kind, &self.node, Share::Read).encode();
            let tag = self.ask(Asked::Downgrade(place));
            out.push(Output::Commit { tag, txn: Txn::new().update(stamp, value) });
        }
    }

    pub(super) fn on_downgraded(
        &mut self,
        place: u64,
        outcome: Result<Outcome, Error>,
        now: Instant,
        out: &mut Outputs,
    ) {
        match outcome.map(Outcome::committed) {
            Ok(Some(committed)) => {
                if let Some(stamp) = committed.stamps.into_iter().flatten().next() {
                    self.reads_now(place, stamp, out);
                }
            }
            // Somebody else deleted or changed the entry.
            Ok(None) => self.give_up_downgrade(place, &lost(), out),
            Err(error) => match error.kind() {
                ErrorKind::Unavailable
                | ErrorKind::Recovering
                | ErrorKind::SessionLost
                | ErrorKind::Timeout => {
                    self.set_downgrade_sent(place, false);
                    self.pause(now);
                }
                _ => self.give_up_downgrade(place, &error, out),
            },
        }
    }

    /// The place reads: those behind it look again.
    fn reads_now(&mut self, place: u64, stamp: Stamp, out: &mut Outputs) {
        let Some(place) = self.place(place) else { return };
        // One that is left meanwhile stays so.
        let Some(downgrade) = place.downgrade.take() else { return };
        place.share = Share::Read;
        place.status = Status::Granted { stamp: stamp.clone() };
        let (place, key) = (place.id, place.key.clone());
        self.forget_ahead(&key);
        if let Some(caller) = downgrade.caller {
            out.push(Output::Deliver(Delivery::Downgraded { caller, place, stamp }));
        }
    }

    fn give_up_downgrade(&mut self, place: u64, error: &Error, out: &mut Outputs) {
        let Some(place) = self.place(place) else { return };
        let Some(downgrade) = place.downgrade.take() else { return };
        match downgrade.caller {
            Some(caller) => {
                place.leave(None);
                out.push(Output::Deliver(Delivery::Rejected { waiter: caller, error: error.duplicate() }));
            }
            // It reads, whatever the store says; for others it keeps more than it needs.
            None => tracing::debug!(%error, "cannot tell the store that a lock is held to read only"),
        }
    }

    pub(super) fn set_downgrade_sent(&mut self, place: u64, now: bool) {
        if let Some(downgrade) = self.place(place).and_then(|place| place.downgrade.as_mut()) {
            downgrade.sent = now;
        }
    }

    /// Tells whoever waits for a downgrade that the lock is lost.
    pub(super) fn reject_downgrade(&self, downgrade: Option<Downgrade>, out: &mut Outputs) {
        if let Some(caller) = downgrade.and_then(|downgrade| downgrade.caller) {
            let error = lost().on(&self.collection);
            out.push(Output::Deliver(Delivery::Rejected { waiter: caller, error }));
        }
    }

    /// After a discontinuity: the store may not have heard of the change, or have forgotten it.
    pub(super) fn review_downgrade(&mut self, place: u64, entry: &Entry, out: &mut Outputs) {
        let whole = matches!(share_of(entry, self.kind), Ok(Share::Whole));
        let Some(place) = self.place(place) else { return };
        let Status::Granted { stamp } = &mut place.status else { return };
        match &mut place.downgrade {
            Some(Downgrade { sent: true, .. }) => {}
            Some(_) if !whole => {
                let (place, stamp) = (place.id, entry.stamp().clone());
                self.reads_now(place, stamp, out);
            }
            Some(_) => *stamp = entry.stamp().clone(),
            None if place.share == Share::Read && whole => {
                *stamp = entry.stamp().clone();
                place.downgrade = Some(Downgrade { sent: false, caller: None });
            }
            None => {}
        }
    }
}

fn lost() -> Error {
    Error::new(ErrorKind::SessionLost, "downgrade write lock")
        .because("it was lost before; nothing is held, acquire it again")
}
