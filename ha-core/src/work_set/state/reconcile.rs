//! After the store may have forgotten commits: which claims are still there.

use super::adding::found;
use super::{Asked, Outputs, State, WORKERS};
use crate::coordinator::{LossReason, Output};
use crate::names::Name;
use crate::spi::{Committed, Page, Txn, WatchTarget};
use crate::work_set::records::{Tally, Worker};
use crate::work_set::state::Delivery;
use crate::zoo::{Bug, planted};

/// Which claims have been looked at.
#[derive(Debug, Default)]
pub(super) struct Progress {
    after: u64,
    seen_worker: bool,
}

#[derive(Debug)]
pub(super) enum Step {
    Worker,
    Claims(Vec<(u64, Name)>),
}

impl State {
    /// Everything that was looked up may have been forgotten.
    pub(super) fn begin_reconcile(&mut self, out: &mut Outputs) {
        self.hunt.forget();
        if self.watching {
            self.workers.reset();
            // A new watch shows the new history, whatever the old one is about to say.
            out.push(Output::Watch {
                slot: WORKERS,
                target: WatchTarget::Collection(self.keys.workers.clone()),
            });
        }
        // What had ended may be back.
        self.doubt_lists();
        self.look_again();
    }

    /// Begins to look from the beginning.
    pub(super) fn look_again(&mut self) {
        self.reconcile = Some(Progress::default());
    }

    /// Looks at the next claims, or is ready.
    pub(super) fn reconcile(&mut self, out: &mut Outputs) -> bool {
        let Some(progress) = &self.reconcile else { return false };
        if !progress.seen_worker {
            let Some(me) = &self.me else {
                // Claims may be left of another name of this process: they are looked at as they are.
                self.reconcile = Some(Progress { after: 0, seen_worker: true });
                return self.reconcile(out);
            };
            let txn = Txn::new()
                .read_back(self.keys.workers.clone(), Page::only(me.name.clone()))
                .read_back(self.keys.tallies.clone(), Page::only(me.name.clone()));
            self.ask(Asked::Reconcile(Step::Worker), txn, out);
            return true;
        }
        let next = self.held.range(progress.after..).take(self.limits.reads);
        let claims: Vec<_> = next.map(|(claim, held)| (*claim, held.id.clone())).collect();
        if claims.is_empty() {
            self.reconcile = None;
            out.push(Output::Reconciled);
            return false;
        }
        let ids: Vec<_> = claims.iter().map(|(_, id)| id.clone()).collect();
        let txn = self.read_items(&ids);
        self.ask(Asked::Reconcile(Step::Claims(claims)), txn, out);
        true
    }

    pub(super) fn reconciled(&mut self, step: Step, committed: Committed, out: &mut Outputs) {
        match step {
            Step::Worker => self.worker_reconciled(&committed, out),
            Step::Claims(claims) => self.claims_reconciled(&claims, committed, out),
        }
    }

    fn worker_reconciled(&mut self, committed: &Committed, out: &mut Outputs) {
        let mut entries = committed.reads.iter().map(|listing| listing.entries().first());
        let (worker, tally) = (entries.next().flatten(), entries.next().flatten());
        let Some(me) = &mut self.me else { return };
        let worker = worker.filter(|entry| entry.stamp().is_same_incarnation(&me.stamp));
        if let Some(worker) = worker {
            // Only this process writes these: what is there is what counts from now on.
            me.stamp = worker.stamp().clone();
            me.record = Worker::decode(worker.value()).unwrap_or_default();
            let own = tally.filter(|entry| *entry.key().name() == me.name);
            me.tally = own.and_then(|entry| Tally::decode(entry.value())).unwrap_or_default();
            me.tally_stamp = own.map(|entry| entry.stamp().clone());
        } else {
            // Whoever sees that it is not there may take what was claimed under it.
            self.me = None;
            self.lose_all(LossReason::Forgotten, out);
        }
        self.reconcile = Some(Progress { after: 0, seen_worker: true });
    }

    fn claims_reconciled(&mut self, claims: &[(u64, Name)], committed: Committed, out: &mut Outputs) {
        let found = found(committed);
        for (claim, id) in claims {
            let is_there = |stamp| found.get(id).is_some_and(|(other, _)| other == stamp);
            let is_gone = self.held.get(claim).is_some_and(|held| !is_there(&held.stamp));
            if is_gone && !planted(Bug::ForgottenClaimsKept) {
                self.held.remove(claim);
                out.push(Output::Deliver(Delivery::Lost { claim: *claim, reason: LossReason::Forgotten }));
            }
        }
        if let Some(progress) = &mut self.reconcile {
            progress.after = claims.last().map_or(u64::MAX, |(claim, _)| claim + 1);
        }
    }
}
