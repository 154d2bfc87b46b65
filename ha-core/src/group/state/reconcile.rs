//! What there really is: after a discontinuity, or when a write met something else than was known.

use super::{Asked, Outputs, Own, State};
use crate::coordinator::{LossReason, Output};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Entry, Listing, Page};

/// More entries than one process ever has in a group, resurrected ones included; more pages follow if not.
const OWN_MEMBERS: usize = 16;

impl State {
    pub(super) fn on_discontinuity(&mut self, hold_until: Option<Instant>, out: &mut Outputs) {
        self.hold_until = hold_until;
        // At once, whatever was refused before.
        self.retry_at = None;
        self.reconciling = true;
        // The next session owns nothing yet that could be forgotten or come back.
        self.look_again = self.session.is_some();
        self.view.reset();
        if self.session.is_none() {
            self.finish_reconciling(out);
        }
    }

    /// Whether it is being found out what there is.
    pub(super) fn is_looking(&self) -> bool {
        self.asked.iter().any(|(_, asked)| matches!(asked, Asked::OwnMembers | Asked::OwnId))
    }

    pub(super) fn ask_own(&mut self, out: &mut Outputs) {
        let Some(session) = self.session.clone() else { return };
        if !self.look_again || self.is_looking() {
            return;
        }
        self.look_again = false;
        let tag = self.ask(Asked::OwnMembers);
        let page = Page::after(Name::internal(format!("{session}-")), OWN_MEMBERS);
        out.push(Output::List { tag, collection: self.keys.members.clone(), page });
        let tag = self.ask(Asked::OwnId);
        out.push(Output::List { tag, collection: self.keys.ids.clone(), page: Page::by_name(1) });
    }

    pub(super) fn on_own_members(&mut self, listing: &Listing, out: &mut Outputs) {
        let Some(session) = self.session.clone() else { return };
        let own: Vec<&Entry> =
            listing.entries().iter().take_while(|entry| entry.owner() == Some(&session)).collect();
        let mut forgotten = false;
        if let Own::In { member, record, version, writing, .. } = &mut self.own {
            let found = own.iter().find(|entry| entry.stamp().is_same_incarnation(member));
            // What was written after the listing was made need not be in it.
            forgotten = found.is_none() && member.created() <= listing.revision();
            // An update under way finds out by itself what it meets.
            let settled = writing.is_none() && member.modified() <= listing.revision();
            if let Some(found) = found.filter(|_| settled) {
                if *record != *found.value() {
                    // It says something else: what we said is to be written again.
                    *version = 0;
                }
                *member = found.stamp().clone();
                *record = found.value().clone();
            }
        }
        if forgotten {
            self.lose_own(LossReason::Forgotten, out);
        }
        for entry in &own {
            let known = match &self.own {
                Own::Out => false,
                Own::Joining { key, .. } => key == entry.key(),
                Own::In { member, .. } | Own::Leaving { member, .. } => member.key() == entry.key(),
            };
            if !known {
                self.add_stray(entry.stamp().clone());
            }
        }
        self.look_again |= own.len() == OWN_MEMBERS;
        self.looked(out);
    }

    pub(super) fn on_own_id(&mut self, listing: &Listing, out: &mut Outputs) {
        let found = listing.entries().iter().find(|entry| *entry.key() == self.keys.id);
        let mut forgotten = false;
        let known = match &self.own {
            Own::In { id, .. } => {
                let found = found.is_some_and(|entry| entry.stamp().is_same_incarnation(id));
                forgotten = !found && id.created() <= listing.revision();
                found
            }
            Own::Leaving { id, .. } => found.is_some_and(|entry| entry.stamp().is_same_incarnation(id)),
            // It may be that of the join under way.
            Own::Joining { .. } => {
                self.seen_while_joining |= found.is_some();
                true
            }
            Own::Out => false,
        };
        if forgotten {
            self.lose_own(LossReason::Forgotten, out);
        }
        let ours = found.filter(|entry| entry.owner().is_some() && entry.owner() == self.session.as_ref());
        if let (false, Some(entry)) = (known, ours) {
            self.add_stray(entry.stamp().clone());
        }
        self.looked(out);
    }

    /// One of the two listings is dealt with.
    fn looked(&mut self, out: &mut Outputs) {
        if !self.is_looking() && !self.look_again {
            self.finish_reconciling(out);
        }
    }

    pub(super) fn finish_reconciling(&mut self, out: &mut Outputs) {
        if std::mem::take(&mut self.reconciling) {
            out.push(Output::Reconciled);
        }
    }
}
