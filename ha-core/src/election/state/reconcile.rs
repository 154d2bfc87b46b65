//! After a discontinuity: give up what the store forgot, delete what it resurrected.

use super::party::{Candidate, Lead, Stray};
use super::{Asked, Delivery, Outputs, State};
use crate::coordinator::{LossReason, Output};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Entry, Listing, Page, Stamp};
use crate::zoo::{Bug, planted};

/// More candidates than one process ever has, resurrected ones included; more pages follow if not.
const OWN_CANDIDATES: usize = 16;

impl State {
    pub(super) fn on_discontinuity(&mut self, hold_until: Option<Instant>, out: &mut Outputs) {
        self.hold_until = hold_until;
        // At once, whatever was refused before.
        self.retry_at = None;
        self.reconciling = true;
        // The next session owns nothing yet that could be forgotten or come back.
        self.look_again = self.session.is_some();
        // What was gone may be back: an entry of ours that is taken for gone is never deleted.
        self.record.reset();
        self.candidates.reset();
        self.vacant_since = None;
        if self.session.is_none() {
            self.finish_reconciling(out);
        }
    }

    pub(super) fn ask_own(&mut self, out: &mut Outputs) {
        let busy = self.is_asked(&Asked::OwnRecord) || self.is_asked(&Asked::OwnCandidates);
        let Some(session) = self.session.clone() else { return };
        if !self.look_again || busy {
            return;
        }
        self.look_again = false;
        let tag = self.ask(Asked::OwnRecord);
        let collection = self.keys.record.clone();
        out.push(Output::List { tag, collection, page: Page::by_name(OWN_CANDIDATES) });
        let tag = self.ask(Asked::OwnCandidates);
        let collection = self.keys.candidates.clone();
        let page = Page::after(Name::internal(format!("{session}-")), OWN_CANDIDATES);
        out.push(Output::List { tag, collection, page });
    }

    pub(super) fn on_own_record(&mut self, listing: &Listing, out: &mut Outputs) {
        let leader = listing.entries().iter().find(|entry| *entry.key() == self.keys.leader);
        let is = |entry: &Entry, stamp| entry.stamp().is_same_incarnation(stamp);
        let known = match &self.lead {
            // What was created after the listing was made need not be in it.
            Lead::Leading { stamp, .. } | Lead::Resigning { stamp, .. } => {
                stamp.created() > listing.revision() || leader.is_some_and(|leader| is(leader, stamp))
            }
            Lead::Granting => {
                self.seen_while_granting |= leader.is_some_and(|leader| self.is_ours(leader));
                true
            }
            Lead::None => false,
        };
        let known = known || (planted(Bug::ForgottenGrantsKept) && self.lead != Lead::None);
        if let (false, Lead::Leading { id, .. }) = (known, &self.lead) {
            out.push(Output::Deliver(Delivery::Ended { leadership: *id, reason: LossReason::Forgotten }));
            self.lead = Lead::None;
        }
        if let (false, Some(leader)) = (known, leader) {
            self.add_stray(leader);
        }
        self.looked(out);
    }

    pub(super) fn on_own_candidates(&mut self, listing: &Listing, out: &mut Outputs) {
        let Some(session) = self.session.clone() else { return };
        let own: Vec<&Entry> =
            listing.entries().iter().take_while(|entry| entry.owner() == Some(&session)).collect();
        // A candidate that was created after the listing was made need not be in it.
        let forgotten = |stamp: &Stamp| {
            stamp.created() <= listing.revision()
                && !own.iter().any(|entry| entry.stamp().is_same_incarnation(stamp))
        };
        if matches!(&self.candidate, Candidate::Standing { stamp, .. } if forgotten(stamp)) {
            self.candidate = Candidate::None;
        }
        for entry in &own {
            let known = match &self.candidate {
                Candidate::None => false,
                Candidate::Joining { key, .. } => key == entry.key(),
                Candidate::Standing { stamp, .. } | Candidate::Leaving { stamp, .. } => {
                    stamp.key() == entry.key()
                }
            };
            if !known {
                self.add_stray(entry);
            }
        }
        self.look_again |= own.len() == OWN_CANDIDATES;
        self.looked(out);
    }

    fn is_ours(&self, entry: &Entry) -> bool {
        entry.owner().is_some() && entry.owner() == self.session.as_ref()
    }

    /// A grant under way has turned out not to be one: a record of ours that was seen meanwhile is not its own.
    pub(super) fn not_granted(&mut self) {
        self.lead = Lead::None;
        self.look_again |= std::mem::take(&mut self.seen_while_granting);
    }

    fn add_stray(&mut self, entry: &Entry) {
        let known = self.strays.iter().any(|stray| stray.stamp.is_same_incarnation(entry.stamp()));
        if self.is_ours(entry) && !known && !planted(Bug::StraysKept) {
            self.strays.push(Stray { stamp: entry.stamp().clone(), sent: false });
        }
    }

    /// One of the two listings is dealt with.
    fn looked(&mut self, out: &mut Outputs) {
        let waiting = self.is_asked(&Asked::OwnRecord) || self.is_asked(&Asked::OwnCandidates);
        if !waiting && !self.look_again {
            self.finish_reconciling(out);
        }
    }

    pub(super) fn finish_reconciling(&mut self, out: &mut Outputs) {
        if std::mem::take(&mut self.reconciling) {
            out.push(Output::Reconciled);
        }
    }
}
