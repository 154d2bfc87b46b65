//! What to do next, decided from the whole state after every input.

use std::sync::atomic::Ordering;

use super::party::{Candidate, Lead};
use super::{
    Asked, CANDIDATES, Delivery, Heir, Outputs, PREEMPT_AFTER, Predecessor, RANK_DELAY, RECORD, State,
};
use crate::coordinator::{Context, LossReason, Output};
use crate::election::records::{CandidateRecord, LeaderRecord, TenureRecord, decode, encode};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Entry, Naming, Revision, Txn, WatchTarget};
use crate::zoo::{Bug, planted};

impl State {
    pub(super) fn advance(&mut self, context: &Context<'_>, out: &mut Outputs) {
        let now = context.now;
        self.retry_at = self.retry_at.filter(|at| now < *at);
        self.hold_until = self.hold_until.filter(|until| now < *until);
        if self.session.is_none() {
            return;
        }
        self.watch(out);
        self.look_at_record(now, out);
        self.take_for_mine(out);
        self.look_at_own_candidate();
        self.withdraw_unwanted();
        self.drop_heir(out);
        if self.retry_at.is_some() {
            return;
        }
        self.ask_own(out);
        self.delete_strays(out);
        self.send_resign(out);
        self.send_withdraw(out);
        self.stand(context, out);
        self.take_turn(now, out);
        self.yield_to_better(now, out);
    }

    /// Whether somebody here wants to lead, and may.
    fn is_wanted(&self) -> bool {
        !self.waiters.is_empty() && self.healthy && !self.closing && !self.stalled
    }

    pub(super) fn may_be_granted(&self) -> bool {
        self.is_wanted() && self.hold_until.is_none() && !self.reconciling
    }

    fn watch(&mut self, out: &mut Outputs) {
        let wanted = self.is_wanted() || self.candidate != Candidate::None || self.lead != Lead::None;
        if wanted == self.watching {
            return;
        }
        self.watching = wanted;
        self.record.reset();
        self.candidates.reset();
        self.vacant_since = None;
        if wanted {
            let record = WatchTarget::Collection(self.keys.record.clone());
            let candidates = WatchTarget::Collection(self.keys.candidates.clone());
            out.push(Output::Watch { slot: RECORD, target: record });
            out.push(Output::Watch { slot: CANDIDATES, target: candidates });
        } else {
            out.push(Output::Unwatch { slot: RECORD });
            out.push(Output::Unwatch { slot: CANDIDATES });
        }
    }

    /// Notes since when nobody leads, and whether our own leadership was deleted by somebody.
    fn look_at_record(&mut self, now: Instant, out: &mut Outputs) {
        if !self.record.is_known() {
            return;
        }
        let leader = self.record.get(&self.keys.leader);
        match leader {
            Some(_) => self.vacant_since = None,
            None => self.vacant_since = self.vacant_since.or(Some(now)),
        }
        let Lead::Leading { id, stamp, revision, .. } = &self.lead else { return };
        let shown = leader.is_some_and(|leader| leader.stamp().is_same_incarnation(stamp));
        if !shown && self.record.revision() >= *revision && !self.reconciling {
            out.push(Output::Deliver(Delivery::Ended { leadership: *id, reason: LossReason::Removed }));
            self.lead = Lead::None;
        }
    }

    /// A planted defect: a leader's entry that looks like ours makes us lead.
    fn take_for_mine(&mut self, out: &mut Outputs) {
        let Some(leader) = self.record.get(&self.keys.leader) else { return };
        let node = decode::<LeaderRecord>(leader).map(|record| record.node);
        let mine = (planted(Bug::SessionsRecordIsMine) && leader.owner() == self.session.as_ref())
            || (planted(Bug::NodesRecordIsMine) && node.is_ok_and(|node| node == self.node.as_str()));
        let tenure = self.record.get(&self.keys.tenure).map(|tenure| tenure.stamp().clone());
        let (true, Lead::None, Some(tenure)) = (mine && self.may_be_granted(), &self.lead, tenure) else {
            return;
        };
        let (stamp, revision) = (leader.stamp().clone(), self.record.revision());
        self.lead_by(stamp, tenure, revision, Predecessor::First, out);
    }

    /// A candidate that a view at or after its creation does not show is gone: stand again with another one.
    fn look_at_own_candidate(&mut self) {
        let Candidate::Standing { stamp, .. } = &self.candidate else { return };
        let current = self.candidates.is_known() && self.candidates.revision() >= stamp.created();
        if current && self.candidates.get(stamp.key()).is_none() && self.lead == Lead::None {
            self.candidate = Candidate::None;
        }
    }

    /// Withdraws a candidate that nobody here wants any more, or that stands on other terms than wanted.
    fn withdraw_unwanted(&mut self) {
        if planted(Bug::WithdrawnWhileGranted) && self.lead == Lead::Granting && self.waiters.is_empty() {
            self.asked.retain(|(_, asked)| !matches!(asked, Asked::Grant { .. }));
            self.lead = Lead::None;
        }
        if self.lead == Lead::None && !(self.is_wanted() && self.is_fit()) {
            self.withdraw();
        }
    }

    /// Whether our candidate stands on the terms of whoever waits longest.
    pub(super) fn is_fit(&self) -> bool {
        let Candidate::Standing { candidacy, .. } = &self.candidate else { return false };
        self.waiters.front().is_some_and(|waiter| waiter.candidacy == *candidacy)
    }

    /// Leadership that is no longer ours cannot be handed over.
    fn drop_heir(&mut self, out: &mut Outputs) {
        if matches!(self.lead, Lead::Leading { .. } | Lead::Resigning { .. }) {
            return;
        }
        if let Some(caller) = self.heir.take().and_then(|heir| heir.caller) {
            let error = Error::new(ErrorKind::SessionLost, "transfer leadership")
                .because("leadership was lost meanwhile; the next candidate takes over");
            out.push(Output::Deliver(Delivery::Transferred { caller, result: Err(error) }));
        }
    }

    fn delete_strays(&mut self, out: &mut Outputs) {
        let mut unsent = Vec::new();
        for stray in &mut self.strays {
            if !std::mem::replace(&mut stray.sent, true) {
                unsent.push(stray.stamp.clone());
            }
        }
        for stamp in unsent {
            let tag = self.ask(Asked::DeleteStray(stamp.clone()));
            out.push(Output::Commit { tag, txn: Txn::new().delete(stamp) });
        }
    }

    fn send_resign(&mut self, out: &mut Outputs) {
        let Lead::Resigning { stamp, tenure, sent, piecewise, .. } = &mut self.lead else { return };
        if std::mem::replace(sent, true) {
            return;
        }
        let seen = self.record.get(&self.keys.leader).filter(|_| planted(Bug::ResignsWhatItSees));
        let mut txn = Txn::new().delete(seen.map_or(&*stamp, Entry::stamp).clone());
        if !*piecewise {
            let record = TenureRecord {
                node: self.node.as_str().into(),
                released: true,
                handover: self.heir.as_ref().map(|heir| heir.created.as_u64()),
            };
            txn = txn.update(tenure.clone(), encode(&record));
            if let Candidate::Standing { stamp, .. } = &self.candidate {
                txn = txn.delete(stamp.clone());
            }
            if let Some(heir) = &self.heir {
                txn = txn.present(heir.candidate.clone());
            }
        }
        let tag = self.ask(Asked::Resign);
        out.push(Output::Commit { tag, txn });
    }

    fn send_withdraw(&mut self, out: &mut Outputs) {
        let Candidate::Leaving { stamp, sent } = &mut self.candidate else { return };
        if std::mem::replace(sent, true) {
            return;
        }
        let txn = Txn::new().delete(stamp.clone());
        let tag = self.ask(Asked::Withdraw);
        out.push(Output::Commit { tag, txn });
    }

    /// Enters our candidate; where nobody leads or stands, leads in the same step.
    fn stand(&mut self, context: &Context<'_>, out: &mut Outputs) {
        let free = self.candidate == Candidate::None && self.lead == Lead::None;
        let seen = self.record.is_known() && self.candidates.is_known();
        let (true, Some(session), Some(waiter)) =
            (free && seen && self.may_be_granted(), &self.session, self.waiters.front())
        else {
            return;
        };
        let number = context.numbers.fetch_add(1, Ordering::Relaxed);
        let key = self.keys.candidates.key(Name::internal(format!("{session}-{number}")));
        let candidacy = waiter.candidacy.clone();
        let record = CandidateRecord { node: self.node.as_str().into(), priority: candidacy.priority };
        let mut txn = Txn::new().create_owned(key.clone(), encode(&record), Naming::Unique);
        let alone = self.vacant_since.is_some() && self.candidates.entries().next().is_none();
        // The heir of a leader may be one that our view does not show yet.
        let alone = alone && self.hint().is_none();
        let asked = if alone && !self.join_first {
            let (granting, predecessor) = self.granting(txn, candidacy.address.clone());
            txn = granting;
            self.lead = Lead::Granting;
            self.vacant_before = self.vacant_since;
            Asked::JoinAndGrant { predecessor }
        } else {
            Asked::Join
        };
        self.candidate = Candidate::Joining { key, candidacy };
        let tag = self.ask(asked);
        out.push(Output::Commit { tag, txn });
    }

    /// Creates the leader's entry, if there is none, and takes over the tenure.
    fn granting(&self, txn: Txn, address: Option<String>) -> (Txn, Predecessor) {
        let node = self.node.as_str().to_owned();
        let leader = encode(&LeaderRecord { node: node.clone(), address });
        let tenure = encode(&TenureRecord { node, released: false, handover: None });
        let txn = txn.create_owned(self.keys.leader.clone(), leader, Naming::Reusable);
        match self.record.get(&self.keys.tenure) {
            None => {
                let txn = txn.create_persistent(self.keys.tenure.clone(), tenure, Naming::Reusable);
                (txn, Predecessor::First)
            }
            Some(entry) => (txn.update(entry.stamp().clone(), tenure), predecessor(entry)),
        }
    }

    /// To whom leadership was handed.
    fn hint(&self) -> Option<Revision> {
        decode::<TenureRecord>(self.record.get(&self.keys.tenure)?).ok()?.handover()
    }

    /// When it is our turn to try, by rank; `None` if it is not.
    pub(super) fn turn(&self) -> Option<Instant> {
        let Candidate::Standing { stamp, .. } = &self.candidate else { return None };
        if self.lead != Lead::None || !self.may_be_granted() {
            return None;
        }
        // Our own candidate has to be in the view that we decide from (R9).
        let own =
            self.candidates.get(stamp.key()).filter(|entry| entry.stamp().is_same_incarnation(stamp))?;
        let hint = self.hint();
        let rank_of = |entry: &Entry| rank(entry, hint);
        if planted(Bug::HintObeyed) && hint.is_some_and(|hint| hint != own.created()) {
            return None;
        }
        let better = self.candidates.entries().filter(|entry| rank_of(entry) < rank_of(own)).count();
        let delay = RANK_DELAY * u32::try_from(better).unwrap_or(u32::MAX);
        Some(self.vacant_since? + delay)
    }

    fn take_turn(&mut self, now: Instant, out: &mut Outputs) {
        if self.turn().is_none_or(|turn| now < turn) {
            return;
        }
        let Candidate::Standing { stamp, candidacy } = &self.candidate else { return };
        let txn = Txn::new().held(stamp.clone());
        let (txn, predecessor) = self.granting(txn, candidacy.address.clone());
        self.lead = Lead::Granting;
        self.vacant_before = self.vacant_since;
        let tag = self.ask(Asked::Grant { predecessor });
        out.push(Output::Commit { tag, txn });
    }

    /// Hands over to a candidate of higher priority that has been there for a while.
    fn yield_to_better(&mut self, now: Instant, out: &mut Outputs) {
        let best = match &self.lead {
            Lead::Leading { preempt: true, priority, .. } if self.heir.is_none() => {
                let better = |entry: &&Entry| priority_of(entry) > *priority;
                self.candidates.entries().filter(better).min_by_key(|entry| rank(entry, None))
            }
            _ => None,
        };
        let Some(best) = best else {
            self.better_since = None;
            return;
        };
        let since = *self.better_since.get_or_insert(now);
        let Lead::Leading { id, .. } = &self.lead else { return };
        if now >= since + PREEMPT_AFTER {
            self.heir = Some(Heir { candidate: best.key().clone(), created: best.created(), caller: None });
            self.better_since = None;
            out.push(Output::Deliver(Delivery::Ended { leadership: *id, reason: LossReason::Transferred }));
        }
    }
}

fn predecessor(tenure: &Entry) -> Predecessor {
    match decode::<TenureRecord>(tenure) {
        Ok(TenureRecord { node, released: true, .. }) => Predecessor::Released { node },
        Ok(TenureRecord { node, released: false, .. }) => Predecessor::Vanished { node },
        Err(_) => Predecessor::Vanished { node: String::new() },
    }
}

fn priority_of(entry: &Entry) -> i32 {
    decode::<CandidateRecord>(entry).map_or(i32::MIN, |record| record.priority)
}

/// Smaller is better: the one that leadership was handed to, then priority, then age.
fn rank(entry: &Entry, hint: Option<Revision>) -> (bool, std::cmp::Reverse<i32>, Revision, Name) {
    let hinted = hint == Some(entry.created());
    (!hinted, std::cmp::Reverse(priority_of(entry)), entry.created(), entry.key().name().clone())
}
