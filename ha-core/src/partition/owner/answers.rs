//! What the backend says: commits and listings.

use super::advance::OWN_ACKS;
use super::{Asked, Delivery, Outputs, Own, Owner, PAUSE};
use crate::coordinator::{LossReason, Output};
use crate::error::Error;
use crate::partition::records::{Ack, Assigned};
use crate::runtime::Instant;
use crate::spi::{Listing, Outcome, Txn};

impl Owner {
    pub(super) fn on_session_down(&mut self, out: &mut Outputs) {
        self.session = None;
        self.end_all(LossReason::SessionLost, out);
        self.life = None;
        self.own = Own::None;
        self.watched = None;
        self.view.reset();
        self.ack_view.reset();
        self.gone.clear();
        self.asked.clear();
        self.renew = false;
        self.look_again = false;
        self.seen = None;
        self.forget_record(out);
        self.finish_reconciling(out);
    }

    pub(super) fn on_discontinuity(&mut self, hold_until: Option<Instant>, out: &mut Outputs) {
        self.hold_until = hold_until;
        self.retry_at = None;
        self.reconciling = true;
        // The store may be back at an older record.
        self.seen = None;
        self.view.reset();
        self.ack_view.reset();
        // Nothing that is listed before now counts.
        self.asked.retain(|(_, asked)| !matches!(asked, Asked::Acks | Asked::Record));
        self.look_again = self.session.is_some();
        self.renew = self.life.is_some();
        if self.session.is_none() {
            self.finish_reconciling(out);
        }
    }

    pub(super) fn on_committed(
        &mut self,
        tag: u64,
        outcome: Result<Outcome, Error>,
        now: Instant,
        out: &mut Outputs,
    ) {
        let Some(asked) = self.answered(tag) else { return };
        let own = std::mem::replace(&mut self.own, Own::None);
        let failed = match (asked, own, outcome) {
            (Asked::Write, Own::Writing(ack, before), Ok(Outcome::Committed(committed))) => {
                match committed.stamps.into_iter().flatten().next() {
                    Some(stamp) => self.own = Own::There(ack, stamp),
                    None => self.own = before.map_or(Own::None, |stamp| Own::There(Ack::default(), stamp)),
                }
                false
            }
            // It was changed or deleted by hand, or the member is gone: looked at before it is tried again.
            (Asked::Write, Own::Writing(..), Ok(outcome)) => {
                self.end_if_bare(&outcome, out);
                self.look_again = true;
                true
            }
            (Asked::Write, Own::Writing(_, stamp), Err(error)) => {
                // What was looked at while it was under way was left to it: an entry that the store brought back is still there.
                self.look_again |= stamp.is_none();
                self.own = stamp.map_or(Own::None, |stamp| Own::There(Ack::default(), stamp));
                self.hold_until = self.hold_until.max(error.until().filter(|until| *until > now));
                true
            }
            (Asked::Delete, Own::Deleting(_), Ok(outcome)) => {
                // It was changed by hand, or the store brought back an older one.
                self.look_again |= matches!(outcome, Outcome::Conflict(_));
                false
            }
            (Asked::Delete, Own::Deleting(stamp), Err(_)) => {
                self.own = Own::There(Ack::default(), stamp);
                true
            }
            (_, own, outcome) => {
                self.own = own;
                outcome.is_err()
            }
        };
        if failed {
            self.retry_at = Some(now + PAUSE);
        }
        // The watch may have shown a later state before the commit was answered.
        self.read_ack_view();
    }

    /// Somebody deleted both entries of a member that leaves: nothing says any more that something runs here, so it ends at once.
    fn end_if_bare(&mut self, outcome: &Outcome, out: &mut Outputs) {
        let Outcome::Conflict(conflict) = outcome else { return };
        if self.leaving && self.life.as_ref().is_some_and(|life| conflict.keys.contains(life.key())) {
            self.end_all(LossReason::Removed, out);
        }
    }

    pub(super) fn on_listed(
        &mut self,
        tag: u64,
        listing: Result<Listing, Error>,
        now: Instant,
        out: &mut Outputs,
    ) {
        match (self.answered(tag), listing) {
            (Some(Asked::Acks), Ok(listing)) => self.on_acks(&listing, out),
            (Some(Asked::Record), Ok(listing)) => self.on_record(&listing, out),
            (Some(_), Err(error)) => {
                tracing::debug!(%error, "cannot list the own partitions; trying again");
                self.asked.retain(|(_, asked)| !matches!(asked, Asked::Acks | Asked::Record));
                self.look_again = true;
                self.retry_at = Some(now + PAUSE);
                return;
            }
            _ => return,
        }
        let looking = self.asked.iter().any(|(_, asked)| matches!(asked, Asked::Acks | Asked::Record));
        if !looking && !self.look_again {
            self.finish_reconciling(out);
        }
    }

    fn on_acks(&mut self, listing: &Listing, out: &mut Outputs) {
        let Some(session) = self.session.clone() else { return };
        let own = listing.entries().iter().take_while(|entry| entry.owner() == Some(&session));
        let mut found = None;
        let mut count = 0;
        for entry in own {
            count += 1;
            let ours = self.life.as_ref().is_some_and(|life| life.key().name() == entry.key().name());
            if ours {
                found = Some((Ack::decode(entry).unwrap_or_default(), entry.stamp().clone()));
            } else {
                let tag = self.ask(Asked::Stray);
                out.push(Output::Commit { tag, txn: Txn::new().delete(entry.stamp().clone()) });
            }
        }
        self.look_again |= count == OWN_ACKS;
        // A commit under way finds out by itself what it meets.
        if !matches!(self.own, Own::Writing(..) | Own::Deleting(_)) {
            self.own = found.map_or(Own::None, |(ack, stamp)| Own::There(ack, stamp));
        }
    }

    fn on_record(&mut self, listing: &Listing, out: &mut Outputs) {
        let Some(key) = self.life.as_ref().map(|life| self.keys.assigned.key(life.key().name().clone()))
        else {
            return;
        };
        let entry = listing.entries().iter().find(|entry| *entry.key() == key);
        if let Ok(record) = entry.map(Assigned::decode).transpose()
            && self.reconciling
        {
            self.end_forgotten(&record.unwrap_or_default(), out);
        }
        self.found(entry, listing.revision(), out);
        // The watch may have shown a later state before the listing was answered.
        self.read_view(out);
    }

    /// What the store forgot ends at once.
    fn end_forgotten(&mut self, record: &Assigned, out: &mut Outputs) {
        for (partition, run) in &mut self.running {
            let same = |granted: &crate::partition::records::Granted| {
                granted.token == run.token && granted.set.binary_search(partition).is_ok()
            };
            if !record.granted.iter().any(same) && !std::mem::replace(&mut run.ended, true) {
                let (partition, token, reason) = (*partition, run.token, LossReason::Forgotten);
                out.push(Output::Deliver(Delivery::End { partition, token, reason }));
            }
        }
    }

    pub(super) fn on_voided(&mut self, tag: u64) {
        match self.answered(tag) {
            Some(Asked::Write | Asked::Delete) => self.own = Own::None,
            Some(Asked::Acks | Asked::Record | Asked::Stray) | None => {}
        }
        // What the void answer was about may exist or not.
        self.look_again = true;
    }

    pub(super) fn finish_reconciling(&mut self, out: &mut Outputs) {
        if std::mem::take(&mut self.reconciling) {
            self.compare = true;
            out.push(Output::Reconciled);
        }
    }

    fn answered(&mut self, tag: u64) -> Option<Asked> {
        let at = self.asked.iter().position(|(other, _)| *other == tag)?;
        Some(self.asked.swap_remove(at).1)
    }
}
