//! What the backend says: commits and listings.

use super::{Asked, Blocked, Delivery, LONG_PAUSE, Outputs, Own, PAUSE, State};
use crate::coordinator::{LossReason, Output};
use crate::error::{Error, ErrorKind};
use crate::group::records::{MemberRecord, encode};
use crate::runtime::Instant;
use crate::spi::{Committed, Conflict, Listing, Outcome, Revision, Stamp};
use crate::zoo::{Bug, planted};

impl State {
    pub(super) fn on_session_down(&mut self, out: &mut Outputs) {
        self.session = None;
        self.watched = None;
        self.view.reset();
        self.blocked = None;
        self.strays.clear();
        self.acting.clear();
        self.asked.clear();
        self.seen_while_joining = false;
        self.look_again = false;
        if let Own::In { membership, .. } = std::mem::replace(&mut self.own, Own::Out) {
            out.push(Output::Deliver(Delivery::Gone { membership, reason: LossReason::SessionLost }));
            if planted(Bug::RejoinForgotten) {
                self.give_up();
            }
        }
        self.finish_reconciling(out);
    }

    pub(super) fn on_committed(
        &mut self,
        tag: u64,
        outcome: Result<Outcome, Error>,
        now: Instant,
        out: &mut Outputs,
    ) {
        let Some(asked) = self.answered(tag) else { return };
        let outcome = match outcome {
            Ok(Outcome::Committed(committed)) => Some(committed),
            Ok(Outcome::Conflict(conflict)) if self.waits_for_others(&asked, &conflict) => {
                self.undo(asked);
                // At once if that has ended meanwhile.
                self.retry_at = (!self.acting.is_empty()).then(|| now + PAUSE);
                return;
            }
            Ok(Outcome::Conflict(_)) => None,
            Err(error) => {
                self.on_refused(asked, &error, now, out);
                return;
            }
        };
        match (asked, outcome) {
            (Asked::Join, Some(committed)) => self.on_joined(&committed, out),
            (Asked::Join, None) => {
                self.not_joined();
                // Whoever is there is looked at before we try again, and not in a hurry: a view may be old.
                self.blocked = Some(Blocked { by: None });
                self.retry_at = Some(now + PAUSE);
            }
            (Asked::Update(created), Some(committed)) => self.on_updated(created, committed),
            (Asked::Update(created), None) => {
                // It was changed or deleted by hand, or our stamp is of a history that is over.
                self.undo(Asked::Update(created));
                self.look_again = true;
            }
            (Asked::Leave, Some(_)) => self.own = Own::Out,
            (Asked::Leave, None) => {
                // One of the two is not there any more: one by one.
                if let Own::Leaving { member, id, .. } = std::mem::replace(&mut self.own, Own::Out) {
                    self.add_stray(member);
                    self.add_stray(id);
                }
            }
            (Asked::DeleteStray(stamp), _) => self.strays.retain(|stray| stray.stamp != stamp),
            (Asked::OwnMembers | Asked::OwnId, _) => {}
        }
    }

    /// Whether what was to be deleted is there, and waits for the entry that says that somebody still acts as the member, or for that to end.
    fn waits_for_others(&self, asked: &Asked, conflict: &Conflict) -> bool {
        let is_gone = |stamp: &Stamp| conflict.keys.contains(stamp.key());
        match (asked, &self.own) {
            (Asked::Leave, Own::Leaving { member, id, .. }) => !is_gone(member) && !is_gone(id),
            (Asked::DeleteStray(stray), _) => !is_gone(stray),
            _ => false,
        }
    }

    /// A commit was refused: nothing was done.
    fn on_refused(&mut self, asked: Asked, error: &Error, now: Instant, out: &mut Outputs) {
        let joins = asked == Asked::Join;
        let lasting = !(error.is_transient() || error.kind() == ErrorKind::SessionLost);
        let rejected = self.wish.as_ref().and_then(|wish| wish.caller).filter(|_| joins && lasting);
        if let Some(caller) = rejected {
            self.give_up();
            out.push(Output::Deliver(Delivery::Rejected { caller, error: error.duplicate() }));
        }
        let written = match (&asked, self.writing()) {
            (Asked::Update(created), Some((of, written))) if of == *created && lasting => Some(written),
            _ => None,
        };
        if let Some(written) = written {
            for (caller, _) in self.updates.extract_if(.., |(_, version)| *version <= written) {
                let result = Err(error.duplicate());
                out.push(Output::Deliver(Delivery::Updated { caller, result }));
            }
        }
        self.undo(asked);
        match error.until().filter(|until| joins && *until > now) {
            // Only what creates entries is refused until then: the rest goes on.
            Some(until) => self.hold_until = self.hold_until.max(Some(until)),
            None => self.retry_at = Some(now + if lasting { LONG_PAUSE } else { PAUSE }),
        }
    }

    /// The state before a commit that did nothing.
    fn undo(&mut self, asked: Asked) {
        match asked {
            Asked::Join => self.not_joined(),
            Asked::Update(created) => {
                if let Own::In { member, writing, .. } = &mut self.own
                    && member.created() == created
                {
                    *writing = None;
                }
            }
            Asked::Leave => {
                if let Own::Leaving { sent, .. } = &mut self.own {
                    *sent = false;
                }
            }
            Asked::DeleteStray(stamp) => {
                let same = self.strays.iter_mut().filter(|stray| stray.stamp == stamp);
                same.for_each(|stray| stray.sent = false);
            }
            Asked::OwnMembers | Asked::OwnId => {}
        }
    }

    /// A join under way has turned out not to be one: an entry of ours that was seen meanwhile is not its own.
    fn not_joined(&mut self) {
        self.own = Own::Out;
        self.look_again |= std::mem::take(&mut self.seen_while_joining);
    }

    /// Our own commit created both entries: we are in, if anybody here still wants to.
    fn on_joined(&mut self, committed: &Committed, out: &mut Outputs) {
        let mut stamps = committed.stamps.iter().flatten().cloned();
        let joining = std::mem::replace(&mut self.own, Own::Out);
        self.seen_while_joining = false;
        let (Own::Joining { membership, record, version, .. }, Some(member), Some(id)) =
            (joining, stamps.next(), stamps.next())
        else {
            return;
        };
        // What was asked for before a discontinuity, or for a caller who has gone, makes nobody a member.
        let may = self.may_be_granted();
        let Some(wish) = self.wish.as_mut().filter(|wish| may && wish.membership == membership) else {
            self.own = Own::Leaving { member, id, sent: false };
            return;
        };
        let caller = wish.caller.take().map(|caller| (caller, wish.profile.clone()));
        out.push(Output::Deliver(Delivery::Entered { membership, stamp: member.clone(), caller }));
        self.acting.extend(self.keys.acts.is_some().then(|| member.clone()));
        let revision = committed.revision;
        self.own = Own::In { membership, member, id, record, version, revision, writing: None };
    }

    /// What is being written, and of which incarnation.
    fn writing(&self) -> Option<(Revision, u64)> {
        match &self.own {
            Own::In { member, writing: Some((_, version)), .. } => Some((member.created(), *version)),
            _ => None,
        }
    }

    fn on_updated(&mut self, created: Revision, committed: Committed) {
        let Own::In { member, record, version, revision, writing, .. } = &mut self.own else { return };
        if member.created() != created {
            return;
        }
        let (Some((written, up_to)), Some(stamp)) =
            (writing.take(), committed.stamps.into_iter().flatten().next())
        else {
            return;
        };
        *member = stamp;
        *record = written;
        *version = up_to;
        if let (Some(wish), true) = (&self.wish, planted(Bug::UpdateOvertaken)) {
            *version = wish.version;
            *record = encode(&MemberRecord::new(&self.node, &wish.profile, wish.healthy));
        }
        *revision = committed.revision;
    }

    pub(super) fn on_listed(
        &mut self,
        tag: u64,
        listing: Result<Listing, Error>,
        now: Instant,
        out: &mut Outputs,
    ) {
        match (self.answered(tag), listing) {
            (Some(Asked::OwnMembers), Ok(listing)) => self.on_own_members(&listing, out),
            (Some(Asked::OwnId), Ok(listing)) => self.on_own_id(&listing, out),
            (Some(_), Err(error)) => {
                self.look_again = true;
                tracing::debug!(%error, "cannot list the group; trying again");
                self.retry_at = Some(now + PAUSE);
            }
            _ => {}
        }
    }

    pub(super) fn on_voided(&mut self, tag: u64) {
        match self.answered(tag) {
            Some(Asked::OwnMembers | Asked::OwnId) | None => {}
            Some(asked) => self.undo(asked),
        }
        // What the void answer was about may exist or not.
        self.look_again = true;
    }

    fn answered(&mut self, tag: u64) -> Option<Asked> {
        let at = self.asked.iter().position(|(other, _)| *other == tag)?;
        Some(self.asked.swap_remove(at).1)
    }
}
