//! Ending claims: done, failed, given back, given up. Each change is guarded by the very state that the claim wrote.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::adding::found;
use super::draft::{Draft, Sent, millis};
use super::{Answer, Asked, Delivery, Held, Outcomes, Outputs, State, Verdict, answered};
use crate::coordinator::{Context, LossReason, Output};
use crate::error::{Effect, Error, ErrorKind};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Committed, Conflict, Stamp, Txn};
use crate::work_set::options::Policy;
use crate::work_set::records::{Record, Stage};
use crate::zoo::{Bug, planted};

/// A claim that is to end, and where the answer goes.
#[derive(Debug)]
pub(super) struct Settle {
    pub(super) claim: u64,
    pub(super) id: Name,
    /// The revision of the commit that made the claim, once it was sent.
    token: Option<u64>,
    /// It was sent, and its answer is void: whether it was applied is not known.
    is_void: bool,
    verdict: Verdict,
    pub(super) policy: Policy,
    to: Option<(u64, usize)>,
}

/// Claims that are to have more time.
#[derive(Debug)]
pub(super) struct Extend {
    pub(super) caller: u64,
    pub(super) claims: Vec<(u64, Name)>,
    pub(super) span: Duration,
}

/// The answers that one caller waits for.
#[derive(Debug)]
pub(super) struct Batch {
    answers: Vec<Option<Result<Outcomes, Error>>>,
    left: usize,
}

/// A list of claims of this process.
#[derive(Debug)]
pub(super) struct OwnList {
    pub(super) stamp: Stamp,
    /// How many of them have not ended; `None` while it may name claims that this process does not know of. Then it is not deleted with the last of those that it does.
    pub(super) left: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Sending {
    sent: Sent,
    pub(super) settles: Vec<Settle>,
}

impl State {
    pub(super) fn settle(
        &mut self,
        caller: Option<u64>,
        policy: Policy,
        list: Vec<(u64, Name, Verdict)>,
        out: &mut Outputs,
    ) {
        if let Some(caller) = caller {
            if list.is_empty() {
                return out.push(answered(caller, Ok(Answer::Settled(Vec::new()))));
            }
            let answers = list.iter().map(|_| None).collect();
            self.batches.insert(caller, Batch { answers, left: list.len() });
        }
        self.settles.reserve(list.len());
        for (at, (claim, id, verdict)) in list.into_iter().enumerate() {
            let to = caller.map(|caller| (caller, at));
            self.settles.push_back(Settle { claim, id, token: None, is_void: false, verdict, policy, to });
        }
        if self.session.is_none() {
            for settle in std::mem::take(&mut self.settles) {
                self.settled(settle, Ok(Outcomes::Stale), out);
            }
        }
    }

    /// Claims that took too long are given back, and their holders are told first.
    pub(super) fn overdue(&mut self, now: Instant, out: &mut Outputs) {
        if self.first_deadline.is_none_or(|first| now < first) {
            return;
        }
        let is_due = |held: &Held| held.deadline.is_some_and(|deadline| deadline <= now);
        let due: Vec<_> =
            self.held.iter().filter(|(_, held)| is_due(held)).map(|(claim, _)| *claim).collect();
        for claim in due {
            let Some(held) = self.held.get_mut(&claim) else { continue };
            held.deadline = None;
            let (id, verdict, policy) = (held.id.clone(), Verdict::Overdue, self.policy);
            if !planted(Bug::OverdueUntold) {
                out.push(Output::Deliver(Delivery::Lost { claim, reason: LossReason::Overdue }));
            }
            self.settles.push_back(Settle {
                claim,
                id,
                token: None,
                is_void: false,
                verdict,
                policy,
                to: None,
            });
        }
        self.first_deadline = self.held.values().filter_map(|held| held.deadline).min();
    }

    /// Something is due at that time.
    pub(super) fn due_by(&mut self, deadline: Option<Instant>) {
        self.first_deadline = [self.first_deadline, deadline].into_iter().flatten().min();
    }

    /// Ends what fits of what is to end.
    pub(super) fn send_settles(&mut self, context: &Context<'_>, out: &mut Outputs) -> bool {
        if self.settles.is_empty() {
            return false;
        }
        let Some(me) = &self.me else { return self.autopsy(out) };
        let mut draft = Draft::new(&self.keys, me, self.limits, context);
        let count = self.settles.len().min(self.limits.reads);
        let (mut settles, mut unknown, mut rest) =
            (Vec::with_capacity(count), VecDeque::new(), VecDeque::new());
        let mut ending: BTreeMap<Name, usize> = BTreeMap::new();
        let mut sent_claims = BTreeSet::new();
        draft.reserve(count);
        for mut settle in std::mem::take(&mut self.settles) {
            let Some(held) = self.held.get(&settle.claim) else {
                unknown.push_back(settle);
                continue;
            };
            let record =
                settle.verdict.apply(&held.record, held.stamp.modified().as_u64(), &settle, millis(context));
            let is_full = settles.len() >= self.limits.reads || !draft.fits(&record, ending.len() + 1);
            // A second verdict waits for the first.
            if is_full || !sent_claims.insert(settle.claim) {
                rest.push_back(settle);
                continue;
            }
            settle.token = Some(held.stamp.modified().as_u64());
            if planted(Bug::ForgottenAtCompletion) && matches!(record.stage, Stage::Done { .. }) {
                draft.delete(&held.stamp, &held.record);
            } else {
                draft.update(held.stamp.clone(), &held.record, &record);
            }
            match ending.get_mut(&held.list) {
                Some(ended) => *ended += 1,
                None => drop(ending.insert(held.list.clone(), 1)),
            }
            settles.push(settle);
        }
        unknown.append(&mut rest);
        self.settles = unknown;
        if settles.is_empty() {
            return self.autopsy(out);
        }
        for (name, ended) in ending {
            let is_last = |list: &&OwnList| list.left.is_some_and(|left| left <= ended);
            if let Some(list) = self.lists.get(&name).filter(is_last) {
                draft.remove(&list.stamp);
            }
        }
        let (txn, sent) = draft.finish();
        self.ask(Asked::Settle(Sending { sent, settles }), txn, out);
        true
    }

    /// Looks what has become of claims that this process does not have any more.
    fn autopsy(&mut self, out: &mut Outputs) -> bool {
        let (gone, rest) = std::mem::take(&mut self.settles)
            .into_iter()
            .partition(|settle| !self.held.contains_key(&settle.claim));
        self.settles = rest;
        let mut gone: VecDeque<Settle> = gone;
        // Nobody wants to know.
        gone.retain(|settle| settle.to.is_some());
        if gone.is_empty() {
            return false;
        }
        let later = gone.split_off(gone.len().min(self.limits.reads));
        self.settles.extend(later);
        let ids: Vec<_> = gone.iter().map(|settle| settle.id.clone()).collect();
        let txn = self.read_items(&ids);
        self.ask(Asked::Autopsy(gone.into()), txn, out);
        true
    }

    /// Nobody could look. What was sent, and whose answer is void, may have been applied: that is looked for until it is known.
    pub(super) fn autopsy_failed(&mut self, settles: Vec<Settle>, error: &Error, out: &mut Outputs) {
        for settle in settles {
            match settle.is_void {
                true => self.settles.push_back(settle),
                false => self.settled(settle, Err(error.duplicate()), out),
            }
        }
    }

    pub(super) fn autopsied(&mut self, settles: Vec<Settle>, committed: Committed, out: &mut Outputs) {
        let found = found(committed);
        for settle in settles {
            if planted(Bug::CompletedUntokened)
                && matches!(settle.verdict, Verdict::Complete(_))
                && let Some((stamp, record)) = found.get(&settle.id).cloned()
            {
                let (id, list) = (settle.id.clone(), Name::internal("unknown"));
                let held = Held { id, stamp, record, list, deadline: None };
                self.held.insert(settle.claim, Box::new(held));
                self.settles.push_back(settle);
                continue;
            }
            let outcome = match found.get(&settle.id).map(|(_, record)| (&record.stage, record)) {
                Some((Stage::Done { token, .. }, _)) if Some(*token) == settle.token => Outcomes::Applied,
                Some((Stage::Done { .. }, record)) => Outcomes::AlreadyDone(record.payload.clone()),
                _ if planted(Bug::StaleIsApplied) => Outcomes::Applied,
                // It may have been applied, and whatever the item was after that is over: it was removed, and perhaps added again.
                _ if settle.is_void => {
                    let unknown = in_doubt(&settle.id);
                    self.settled(settle, Err(unknown), out);
                    continue;
                }
                _ => Outcomes::Stale,
            };
            self.settled(settle, Ok(outcome), out);
        }
    }

    pub(super) fn settle_done(
        &mut self,
        sending: Sending,
        committed: &Committed,
        context: &Context<'_>,
        out: &mut Outputs,
    ) {
        if let Some(me) = &mut self.me {
            me.sent(&sending.sent, committed);
        }
        self.sweep.count(sending.settles.len(), self.policy.retention.count);
        for settle in sending.settles {
            self.let_go(settle.claim);
            self.settled(settle, Ok(Outcomes::Applied), out);
        }
        self.sweep.begin_when_due(context.now);
    }

    /// Whoever claims an item had no valid claim of it before: it was removed and added again meanwhile. One claim of an item at most is known here, so that one request settles it once.
    pub(super) fn end_older(&mut self, items: &[(usize, Name, Record)], out: &mut Outputs) {
        if self.held.is_empty() {
            return;
        }
        let ids: BTreeSet<&Name> = items.iter().map(|(_, id, _)| id).collect();
        let older = self.held.iter().filter(|(_, held)| ids.contains(&held.id));
        let older: Vec<u64> = older.map(|(claim, _)| *claim).collect();
        for claim in older {
            self.taken_away(claim);
            out.push(Output::Deliver(Delivery::Lost { claim, reason: LossReason::Removed }));
        }
    }

    /// Forgets a claim that this process has ended.
    fn let_go(&mut self, claim: u64) {
        let Some(held) = self.held.remove(&claim) else { return };
        let Some(list) = self.lists.get_mut(&held.list) else { return };
        list.left = list.left.map(|left| left.saturating_sub(1));
        if list.left == Some(0) {
            self.lists.remove(&held.list);
        }
    }

    /// Forgets a claim that others have ended. The store may forget that, and then the claim is back with a process that does not know of it: so nobody deletes its list before
    /// it was looked at.
    fn taken_away(&mut self, claim: u64) {
        let Some(held) = self.held.remove(&claim) else { return };
        if let Some(list) = self.lists.get_mut(&held.list) {
            list.left = None;
            self.rescue.begin_own();
        }
    }

    pub(super) fn settle_conflicted(&mut self, sending: Sending, conflict: &Conflict) {
        for key in conflict.keys.iter().filter(|key| *key.collection() == self.keys.claims) {
            // Somebody changed or deleted the list: it is left to those who look for lists.
            self.lists.remove(key.name());
        }
        let items = self.keys.items.clone();
        for key in conflict.keys.iter().filter(|key| *key.collection() == items) {
            let gone = sending.settles.iter().find(|settle| settle.id == *key.name());
            gone.into_iter().for_each(|settle| self.taken_away(settle.claim));
        }
        self.requeue(sending.settles);
    }

    /// The answer belongs to a history that is over: the claims are looked at again.
    pub(super) fn settle_voided(&mut self, mut sending: Sending) {
        sending.settles.iter_mut().for_each(|settle| settle.is_void = true);
        self.requeue(sending.settles);
    }

    /// The session is over, and the claims with it. What was sent may have been applied.
    pub(super) fn settle_none(&mut self, lost: &Error, out: &mut Outputs) {
        for settle in std::mem::take(&mut self.settles) {
            let outcome = match settle.is_void {
                true => Err(lost.duplicate().on(&settle.id)),
                false => Ok(Outcomes::Stale),
            };
            self.settled(settle, outcome, out);
        }
    }

    pub(super) fn requeue(&mut self, settles: Vec<Settle>) {
        settles.into_iter().rev().for_each(|settle| self.settles.push_front(settle));
    }

    /// A completion is told that it was not made; whatever gives a claim back is repeated.
    pub(super) fn settle_failed(&mut self, sending: Sending, error: &Error, out: &mut Outputs) {
        for settle in sending.settles {
            match settle.verdict {
                Verdict::Complete(_) => self.settled(settle, Err(error.duplicate()), out),
                _ => self.settles.push_back(settle),
            }
        }
    }

    pub(super) fn settled(&mut self, settle: Settle, outcome: Result<Outcomes, Error>, out: &mut Outputs) {
        let Some((caller, at)) = settle.to else { return };
        let Some(batch) = self.batches.get_mut(&caller) else { return };
        if batch.answers[at].replace(outcome).is_none() {
            batch.left -= 1;
        }
        if batch.left == 0
            && let Some(batch) = self.batches.remove(&caller)
        {
            let mut answers = Vec::with_capacity(batch.answers.len());
            answers.extend(batch.answers.into_iter().flatten());
            out.push(answered(caller, Ok(Answer::Settled(answers))));
        }
    }

    /// Asks whether claims are still there that are to have more time.
    pub(super) fn check(&mut self, out: &mut Outputs) -> bool {
        let Some(Extend { caller, claims, span }) = self.extends.pop_front() else { return false };
        let held: Vec<_> = claims.iter().filter_map(|(claim, _)| self.held.get(claim)).collect();
        if held.is_empty() {
            let stale = claims.iter().map(|_| Ok(Outcomes::Stale)).collect();
            out.push(answered(caller, Ok(Answer::Settled(stale))));
            return false;
        }
        let txn = held.into_iter().fold(Txn::new(), |txn, held| txn.unchanged(held.stamp.clone()));
        self.ask(Asked::Check(Extend { caller, claims, span }), txn, out);
        true
    }

    pub(super) fn extended(&mut self, extend: &Extend, now: Instant, out: &mut Outputs) {
        let until = now + extend.span;
        self.due_by(Some(until));
        let mut answers = Vec::new();
        for (claim, _) in &extend.claims {
            let is_ending = self.settles.iter().any(|settle| settle.claim == *claim);
            answers.push(Ok(match self.held.get_mut(claim).filter(|_| !is_ending) {
                Some(held) => {
                    held.deadline = Some(until);
                    Outcomes::Applied
                }
                None => Outcomes::Stale,
            }));
        }
        out.push(answered(extend.caller, Ok(Answer::Settled(answers))));
    }

    /// Some are not there any more: their holders are told, and the others are looked at again.
    pub(super) fn check_failed(&mut self, extend: Extend, conflict: &Conflict, out: &mut Outputs) {
        for (claim, id) in &extend.claims {
            if conflict.keys.iter().any(|key| key.name() == id) && self.held.contains_key(claim) {
                self.taken_away(*claim);
                out.push(Output::Deliver(Delivery::Lost { claim: *claim, reason: LossReason::Removed }));
            }
        }
        self.extends.push_front(extend);
    }
}

/// Nobody knows whether a settlement was applied.
fn in_doubt(id: &Name) -> Error {
    Error::new(ErrorKind::Recovering, "settle claim").on(id).with_effect(Effect::Unknown).because(
        "the store went back while the answer was on its way, and the item has changed since; ask the work-set what became of it",
    )
}
