//! What comes from outside, and what is done next.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::hunting::{Hunt, Want, is_put_off};
use super::rescue::Rescue;
use super::settling::Extend;
use super::sweeping::Sweep;
use super::{
    Answer, Asked, Delivery, Editing, Outcomes, Outputs, READY, Request, State, Verdict, WORKERS,
    adding::Add, answered,
};
use crate::coordinator::{Context, Input, LossReason, Machine, Output, closed};
use crate::error::{Effect, Error, ErrorKind};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Change, Naming, SessionId, Txn, WatchEvent, WatchTarget};
use crate::work_set::records::{Worker, worker_of};
use crate::zoo::{Bug, planted};

/// The kinds of things to be done, in turn, so that none of them is starved.
const JOBS: [fn(&mut State, &Context<'_>, &mut Outputs) -> bool; 7] = [
    |state, context, out| state.clear_letters(out) || state.send_settles(context, out),
    State::hunt,
    |state, _, out| state.check(out),
    State::rescue,
    |state, context, out| state.read_ids(out) || state.add(context, out),
    |state, _, out| state.edit(out),
    |state, _, out| state.sweep(out),
];

impl Machine for State {
    type Request = Request;
    type Delivery = Delivery;

    fn on_input(&mut self, input: Input<Request>, context: &Context<'_>, out: &mut Outputs) {
        match input {
            Input::SessionUp { session, hold_until } => self.session_up(session, hold_until),
            Input::SessionDown => self.session_down(out),
            Input::Committed { tag, outcome } => self.committed(tag, outcome, context, out),
            Input::Voided { tag } => self.voided(tag),
            Input::Watched { slot, event } => self.watched(slot, event, context, out),
            Input::Discontinuity { hold_until } => {
                self.hold_until = hold_until;
                if self.session.is_some() {
                    self.begin_reconcile(out);
                } else {
                    out.push(Output::Reconciled);
                }
            }
            Input::Tick | Input::Listed { .. } => {}
            Input::Closing => {
                self.closing = true;
                self.turn_away(out);
            }
            Input::Request(request) => self.request(request, context, out),
        }
        self.advance(context, out);
    }

    fn next_wake(&self) -> Option<Instant> {
        let waiting = if self.wants.is_empty() { None } else { self.hunt.next_wake() };
        [self.retry_at, self.hold_until, waiting, self.first_deadline].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        let has_work = self.held.is_empty() && self.settles.is_empty() && self.wants.is_empty();
        has_work
            && self.adds.is_empty()
            && self.edits.is_empty()
            && self.extends.is_empty()
            && self.asked.is_none()
    }
}

impl State {
    fn advance(&mut self, context: &Context<'_>, out: &mut Outputs) {
        let now = context.now;
        self.retry_at = self.retry_at.filter(|at| now < *at);
        self.hold_until = self.hold_until.filter(|until| now < *until);
        self.hunt.tick(now);
        self.overdue(now, out);
        if self.session.is_none() {
            return;
        }
        self.refuse_in_hold(out);
        self.watch_workers(out);
        self.watch_ready(out);
        if self.asked.is_some() || self.retry_at.is_some() || self.reconcile(out) {
            return;
        }
        if self.me.is_none() && self.needs_name() {
            if self.hold_until.is_none() {
                self.enlist(context, out);
            }
            // Some things need no name.
            if self.asked.is_some() {
                return;
            }
        }
        for _ in 0..JOBS.len() {
            self.turn = (self.turn + 1) % JOBS.len();
            if JOBS[self.turn](self, context, out) {
                break;
            }
        }
        self.watch_ready(out);
    }

    /// Whether there is something to be written.
    fn needs_name(&self) -> bool {
        let is_ending = self.settles.iter().any(|settle| self.held.contains_key(&settle.claim));
        is_ending || !(self.adds.is_empty() && self.wants.is_empty() && self.edits.is_empty())
    }

    /// Becomes one of the workers, under a name that is never used again.
    fn enlist(&mut self, context: &Context<'_>, out: &mut Outputs) {
        let Some(session) = &self.session else { return };
        let number = context.numbers.fetch_add(1, Ordering::Relaxed);
        let name = Name::internal(format!("{session}-{number:x}"));
        let record = Worker { claims: !self.wants.is_empty(), due: 0 };
        let key = self.keys.workers.key(name.clone());
        let txn = Txn::new().create_owned(key, record.encode(), Naming::Unique);
        self.ask(Asked::Enlist { name, record }, txn, out);
    }

    /// Watches the workers from the first claim on, to know whose claims are to be taken back, and who shares.
    fn watch_workers(&mut self, out: &mut Outputs) {
        if !self.watching && !self.wants.is_empty() {
            self.watching = true;
            out.push(Output::Watch {
                slot: WORKERS,
                target: WatchTarget::Collection(self.keys.workers.clone()),
            });
        }
    }

    fn session_up(&mut self, session: SessionId, hold_until: Option<Instant>) {
        self.session = Some(session);
        self.hold_until = hold_until;
        self.retry_at = None;
        if !planted(Bug::DeadWorkersKept) {
            self.rescue.begin();
        }
    }

    /// What was held is over with the session; what was asked is decided by now or undone, but nobody can say which.
    fn session_down(&mut self, out: &mut Outputs) {
        self.session = None;
        self.me = None;
        self.watching = false;
        self.workers.reset();
        self.hunt = Hunt::default();
        self.rescue = Rescue::default();
        self.sweep = Sweep::default();
        self.reconcile = None;
        self.letters.clear();
        let lost = |operation| {
            Error::new(ErrorKind::SessionLost, operation)
                .because("the session was lost while the answer was on its way; ask the work-set what became of it")
                .with_effect(Effect::Unknown)
        };
        match self.asked.take().map(|(_, asked)| asked) {
            Some(Asked::Add(sending)) => self.add_failed(&sending, &lost("add items"), out),
            Some(Asked::Settle(sending)) => {
                for settle in sending.settles {
                    let error = lost("settle claim").on(&settle.id);
                    self.settled(settle, Err(error), out);
                }
            }
            Some(Asked::Autopsy(settles)) => self.settles.extend(settles),
            Some(Asked::Check(Extend { caller, claims, .. })) => {
                let stale = claims.iter().map(|_| Ok(Outcomes::Stale)).collect();
                out.push(answered(caller, Ok(Answer::Settled(stale))));
            }
            Some(Asked::EditWrite(_)) => self.edit_failed(&lost("edit items"), out),
            _ => {}
        }
        self.held.clear();
        self.lists.clear();
        self.settle_none(&lost("settle claim"), out);
    }

    fn request(&mut self, request: Request, context: &Context<'_>, out: &mut Outputs) {
        match request {
            Request::Add { caller, items, policy } => {
                self.policy = policy;
                self.adds.push_back(Add::new(caller, items));
            }
            Request::Claim { caller, limit, waits, policy } => {
                self.policy = policy;
                self.wants.push_back(Want { caller, limit, waits });
                self.hunt.stir();
            }
            Request::Cancel { caller } => self.wants.retain(|want| want.caller != caller),
            Request::Undelivered { caller, limit, waits, claims } => {
                let release = claims.into_iter().map(|(claim, id)| (claim, id, Verdict::Release)).collect();
                self.settle(None, self.policy, release, out);
                self.wants.push_front(Want { caller, limit, waits });
                self.hunt.stir();
            }
            Request::Settle { caller, policy, list } => self.settle(caller, policy, list, out),
            Request::Extend { caller, claims, span } => {
                self.extends.push_back(Extend { caller, claims, span })
            }
            Request::Edit { caller, ids, edit } => self.edits.push_back(Editing::new(caller, ids, edit)),
        }
        if self.closing {
            self.turn_away(out);
        }
        self.overdue(context.now, out);
    }

    /// Nothing new is begun while the coordinator shuts down.
    fn turn_away(&mut self, out: &mut Outputs) {
        let name = self.name.clone();
        let callers = self.wants.drain(..).map(|want| (want.caller, "claim items"));
        let callers: Vec<_> =
            callers.chain(self.edits.drain(..).map(|edit| (edit.caller, "edit items"))).collect();
        let adds = std::mem::take(&mut self.adds);
        let adds = adds.into_iter().map(|add| (add.caller, "add items"));
        for (caller, operation) in callers.into_iter().chain(adds) {
            out.push(answered(caller, Err(closed(operation, name.as_str()))));
        }
    }

    fn watched(&mut self, slot: u8, event: WatchEvent, context: &Context<'_>, out: &mut Outputs) {
        if slot == READY {
            self.ready_changed(event, context.now);
            return;
        }
        if self.somebody_left(&event) {
            self.rescue.begin();
        }
        if is_put_off(&self.workers, &event) {
            self.hunt.stir();
        }
        self.workers.apply(event);
        self.look_for_names(out);
    }

    /// An administrator may delete the entry of a worker: whoever sees that may take what was claimed under it.
    fn look_for_names(&mut self, out: &mut Outputs) {
        if !self.workers.is_known() {
            return;
        }
        let revision = self.workers.revision();
        let is_there = |name: &Name| self.workers.get(&self.keys.workers.key(name.clone())).is_some();
        let me_gone =
            self.me.as_ref().is_some_and(|me| revision >= me.stamp.created() && !is_there(&me.name));
        let mut there: BTreeMap<Name, bool> = BTreeMap::new();
        let mut lost = Vec::new();
        for (claim, held) in self.held.iter().filter(|(_, held)| revision >= held.stamp.modified()) {
            let Some(worker) = worker_of(&held.list) else { continue };
            if !*there.entry(worker).or_insert_with_key(is_there) {
                lost.push(*claim);
            }
        }
        if me_gone {
            self.me = None;
        }
        for claim in lost {
            self.held.remove(&claim);
            out.push(Output::Deliver(Delivery::Lost { claim, reason: LossReason::Removed }));
        }
    }

    pub(super) fn lose_all(&mut self, reason: LossReason, out: &mut Outputs) {
        let claims = std::mem::take(&mut self.held);
        self.lists.clear();
        out.extend(claims.into_keys().map(|claim| Output::Deliver(Delivery::Lost { claim, reason })));
    }

    /// Whether a worker is gone, or may be.
    fn somebody_left(&self, event: &WatchEvent) -> bool {
        match event {
            _ if planted(Bug::DeadWorkersKept) => false,
            WatchEvent::Snapshot { .. } => true,
            WatchEvent::Changed { changes, .. } => {
                changes.iter().any(|change| matches!(change, Change::Removed(_)))
            }
            _ => false,
        }
    }
}
