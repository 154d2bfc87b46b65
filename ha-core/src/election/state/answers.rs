//! What the backend says: commits and listings.

use super::party::{Candidate, Lead};
use super::{Asked, Delivery, Elected, Heir, Outputs, Predecessor, State, Waiter};
use crate::coordinator::{LossReason, Output};
use crate::election::records::{CandidateRecord, decode};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Committed, Entry, Listing, Outcome, Page, Revision, Stamp};
use crate::zoo::{Bug, planted};

impl State {
    pub(super) fn on_session_down(&mut self, out: &mut Outputs) {
        self.session = None;
        self.stalled = false;
        self.watching = false;
        self.record.reset();
        self.candidates.reset();
        self.vacant_since = None;
        self.better_since = None;
        self.join_first = false;
        self.strays.clear();
        self.seen_while_granting = false;
        self.look_again = false;
        self.candidate = Candidate::None;
        if let Lead::Resigning { caller: Some(caller), .. } = std::mem::replace(&mut self.lead, Lead::None) {
            out.push(Output::Deliver(Delivery::Resigned { caller }));
        }
        let lost = || {
            Error::new(ErrorKind::SessionLost, "transfer leadership")
                .because("the session was lost, and leadership with it; the next candidate takes over")
        };
        for (_, asked) in std::mem::take(&mut self.asked) {
            if let Asked::Heir { caller, .. } = asked {
                out.push(Output::Deliver(Delivery::Transferred { caller, result: Err(lost()) }));
            }
        }
        if let Some(caller) = self.heir.take().and_then(|heir| heir.caller) {
            out.push(Output::Deliver(Delivery::Transferred { caller, result: Err(lost()) }));
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
            Ok(outcome) => outcome.committed(),
            Err(error) => {
                self.on_refused(asked, &error, now, out);
                return;
            }
        };
        match (asked, outcome) {
            (Asked::Join, Some(committed)) => self.on_joined(committed.stamps.into_iter().flatten().next()),
            // The name is taken, by somebody who makes up our names: take another.
            (Asked::Join, None) => self.candidate = Candidate::None,
            (Asked::JoinAndGrant { predecessor }, Some(committed)) => {
                let mut stamps = committed.stamps.iter().flatten().cloned();
                self.on_joined(stamps.next());
                self.on_granted(&committed, stamps.collect(), predecessor, out);
            }
            (Asked::JoinAndGrant { .. }, None) => {
                self.candidate = Candidate::None;
                self.not_granted();
                self.join_first = true;
            }
            (Asked::Grant { predecessor }, Some(committed)) => {
                let stamps = committed.stamps.iter().flatten().cloned().collect();
                self.on_granted(&committed, stamps, predecessor, out);
            }
            (Asked::Grant { .. }, None) => {
                // Somebody else was faster, or our view is old: it will catch up.
                self.not_granted();
                self.pause(now);
            }
            (Asked::Resign, outcome) => self.on_resigned(outcome.is_some(), out),
            (Asked::Withdraw, _) => self.candidate = Candidate::None,
            (Asked::DeleteStray(stamp), _) => self.strays.retain(|stray| stray.stamp != stamp),
            (Asked::Heir { .. } | Asked::OwnRecord | Asked::OwnCandidates, _) => {}
        }
    }

    /// A commit was refused: nothing was done.
    fn on_refused(&mut self, asked: Asked, error: &Error, now: Instant, out: &mut Outputs) {
        let grants = matches!(asked, Asked::Join | Asked::JoinAndGrant { .. } | Asked::Grant { .. });
        self.undo(asked);
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Recovering | ErrorKind::SessionLost | ErrorKind::Timeout => {}
            _ => self.reject_waiters(out, || error.duplicate()),
        }
        match error.until().filter(|until| grants && *until > now) {
            // Only what grants is refused until then: deletions go on.
            Some(until) => self.hold_until = self.hold_until.max(Some(until)),
            None => self.pause(now),
        }
    }

    /// The state before a commit that did nothing.
    fn undo(&mut self, asked: Asked) {
        match asked {
            Asked::Join => self.candidate = Candidate::None,
            Asked::JoinAndGrant { .. } => {
                self.candidate = Candidate::None;
                self.not_granted();
            }
            Asked::Grant { .. } => self.not_granted(),
            Asked::Resign => {
                if let Lead::Resigning { sent, .. } = &mut self.lead {
                    *sent = false;
                }
            }
            Asked::Withdraw => {
                if let Candidate::Leaving { sent, .. } = &mut self.candidate {
                    *sent = false;
                }
            }
            Asked::DeleteStray(stamp) => {
                self.strays
                    .iter_mut()
                    .filter(|stray| stray.stamp == stamp)
                    .for_each(|stray| stray.sent = false);
            }
            Asked::Heir { .. } | Asked::OwnRecord | Asked::OwnCandidates => {}
        }
    }

    fn on_joined(&mut self, stamp: Option<Stamp>) {
        let joining = std::mem::replace(&mut self.candidate, Candidate::None);
        if let (Candidate::Joining { candidacy, .. }, Some(stamp)) = (joining, stamp) {
            self.candidate = Candidate::Standing { stamp, candidacy };
        }
    }

    /// Our own commit created the leader's entry: we lead, if anybody here still wants to.
    fn on_granted(
        &mut self,
        committed: &Committed,
        stamps: Vec<Stamp>,
        predecessor: Predecessor,
        out: &mut Outputs,
    ) {
        let mut stamps = stamps.into_iter();
        let (Some(stamp), Some(tenure)) = (stamps.next(), stamps.next()) else { return };
        self.join_first = false;
        self.seen_while_granting = false;
        self.heir = None;
        // What was asked for before a discontinuity, or for a caller who has gone, promotes nobody.
        let wanted = self.may_be_granted() && self.is_fit();
        if !wanted || self.waiters.is_empty() {
            self.next_leadership += 1;
            let (id, caller) = (self.next_leadership, None);
            self.lead = Lead::Resigning {
                id,
                stamp,
                tenure,
                sent: planted(Bug::UnwantedLeadershipKept),
                piecewise: false,
                caller,
            };
            return;
        }
        self.lead_by(stamp, tenure, committed.revision, predecessor, out);
    }

    /// Gives leadership to whoever waits longest.
    pub(super) fn lead_by(
        &mut self,
        stamp: Stamp,
        tenure: Stamp,
        revision: Revision,
        predecessor: Predecessor,
        out: &mut Outputs,
    ) {
        let Some(waiter) = self.waiters.pop_front() else { return };
        self.next_leadership += 1;
        let leadership = self.next_leadership;
        let stamp = if planted(Bug::TermOfTenure) { tenure.clone() } else { stamp };
        self.lead = Lead::Leading {
            id: leadership,
            stamp: stamp.clone(),
            tenure,
            revision,
            preempt: waiter.candidacy.preempt,
            priority: waiter.candidacy.priority,
        };
        let Waiter { caller, candidacy } = waiter;
        let vacant_since = self.vacant_before.take();
        out.push(Output::Deliver(Delivery::Elected(Elected {
            caller,
            candidacy,
            leadership,
            stamp,
            predecessor,
            vacant_since,
        })));
    }

    fn on_resigned(&mut self, committed: bool, out: &mut Outputs) {
        let Lead::Resigning { piecewise, sent, caller, .. } = &mut self.lead else { return };
        let whole = !*piecewise;
        if whole && !committed {
            *sent = false;
            if let Some(heir) = self.heir.take() {
                // Perhaps it is the heir that vanished: resign in nobody's favour.
                let error = Error::new(ErrorKind::Unavailable, "transfer leadership")
                    .on(&heir.candidate)
                    .because("the candidate vanished meanwhile; leadership was resigned, and the next one takes over");
                out.extend(
                    heir.caller
                        .map(|caller| Output::Deliver(Delivery::Transferred { caller, result: Err(error) })),
                );
            } else {
                *piecewise = true;
            }
            return;
        }
        let caller = *caller;
        self.lead = Lead::None;
        out.extend(caller.map(|caller| Output::Deliver(Delivery::Resigned { caller })));
        if whole {
            self.candidate = Candidate::None;
            if let Some(caller) = self.heir.take().and_then(|heir| heir.caller) {
                out.push(Output::Deliver(Delivery::Transferred { caller, result: Ok(()) }));
            }
        } else {
            self.withdraw();
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
            (Some(Asked::Heir { leadership, target, caller }), Ok(listing)) => {
                self.on_heirs(leadership, (&target, caller), &listing, out)
            }
            (Some(Asked::Heir { caller, .. }), Err(error)) => {
                out.push(Output::Deliver(Delivery::Transferred { caller, result: Err(error) }));
            }
            (Some(Asked::OwnRecord), Ok(listing)) => self.on_own_record(&listing, out),
            (Some(Asked::OwnCandidates), Ok(listing)) => self.on_own_candidates(&listing, out),
            (Some(Asked::OwnRecord | Asked::OwnCandidates), Err(error)) => {
                self.look_again = true;
                tracing::debug!(%error, "cannot list the election; trying again");
                self.pause(now);
            }
            _ => {}
        }
    }

    pub(super) fn look_for_heir(&mut self, leadership: u64, target: Name, caller: u64, out: &mut Outputs) {
        let tag = self.ask(Asked::Heir { leadership, target, caller });
        let page = Page::oldest(Page::MAX_LIMIT);
        out.push(Output::List { tag, collection: self.keys.candidates.clone(), page });
    }

    /// The candidates are listed. The transfer was asked of `leadership`, and of no later one.
    fn on_heirs(&mut self, leadership: u64, asked: (&Name, u64), listing: &Listing, out: &mut Outputs) {
        let (target, caller) = asked;
        let stands = |entry: &&Entry| {
            decode::<CandidateRecord>(entry).is_ok_and(|record| record.node == target.as_str())
        };
        let heir = listing.entries().iter().find(stands);
        match (heir, &self.lead) {
            (Some(heir), Lead::Leading { id, .. }) if *id == leadership => {
                self.heir = Some(Heir {
                    candidate: heir.key().clone(),
                    created: heir.created(),
                    caller: Some(caller),
                });
                out.push(Output::Deliver(Delivery::Ended {
                    leadership: *id,
                    reason: LossReason::Transferred,
                }));
            }
            (heir, _) => {
                let reason = if heir.is_some() {
                    "this node has lost that leadership meanwhile"
                } else {
                    "no such node stands as a candidate; nothing was changed"
                };
                let error = Error::new(ErrorKind::InvalidInput, "transfer leadership")
                    .on(format_args!("to \"{target}\""))
                    .because(reason);
                out.push(Output::Deliver(Delivery::Transferred { caller, result: Err(error) }));
            }
        }
    }

    pub(super) fn on_voided(&mut self, tag: u64, out: &mut Outputs) {
        match self.answered(tag) {
            Some(Asked::Heir { leadership, target, caller }) => {
                self.look_for_heir(leadership, target, caller, out)
            }
            Some(Asked::OwnRecord | Asked::OwnCandidates) | None => {}
            Some(asked) => self.undo(asked),
        }
        // What the void answer was about may exist or not.
        self.look_again = true;
    }
}
