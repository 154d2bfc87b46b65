//! A commit: sent, resolved where its answer is lost, and finished also when nobody waits for it any more.
//!
//! There is at most one copy of a transaction that can be done. Its answer decides. Without an answer the copy is killed first:
//! the record of the session, which guards it, is modified. Then a look at what it would have left shows whether it was done before
//! that; if not it is sent again. "Time out, read, conclude" would be wrong: what is absent now can appear later.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use ha_core::runtime::{Backoff, BoxFuture, Runtime};
use ha_core::spi::{Committed, Conflict, Outcome, Revision, Stamp, Txn};
use ha_core::{Effect, Error, ErrorKind};

use crate::client::{Compare, Failure, FailureKind, Found, Is, Step, TxnRequest};
use crate::link::{Ended, Link};
use crate::over::Why;
use crate::page::Detail;
use crate::plan::{Decided, Evidence, Plan};

const OPERATION: &str = "commit";

/// What is known once no copy of a request can be done any more.
enum Looked {
    /// It was done, at this revision.
    Done(u64),
    NotDone,
}

impl Link {
    /// Commits `txn`. Dropped before its end, it is finished in the background and what it created is deleted.
    pub(crate) fn commit(self: &Arc<Self>, txn: Txn) -> Result<Finish, Error> {
        self.check(OPERATION)?;
        let grant = self.require_lease(OPERATION)?;
        self.refuse_grants(&txn)?;
        let plan = Plan::new(txn, self.next_operation(), grant.lease, &self.layout)?;
        let link = Arc::clone(self);
        let work: BoxFuture<'static, _> = Box::pin(async move { link.carry_out(&plan).await });
        Ok(Finish { link: Arc::clone(self), work: Some(work) })
    }

    fn refuse_grants(&self, txn: &Txn) -> Result<(), Error> {
        match self.caller.continuity.hold(self.caller.now()) {
            Some(until) if txn.is_granting() => Err(Error::new(ErrorKind::Recovering, OPERATION)
                .because(
                    "the store went back to an older state and new grants are held back; \
                     raise the base of the tokens and restart, or try again later",
                )
                .with_until(until)),
            _ => Ok(()),
        }
    }

    async fn carry_out(self: &Arc<Self>, plan: &Plan) -> Result<Outcome, Error> {
        let slot = (plan.evidence == Evidence::Slot).then(|| self.slots.take());
        let number = slot.as_ref().map(|slot| slot.number);
        let give_up = self.caller.give_up_at();
        let mut backoff = Backoff::urgent();
        loop {
            // Nothing of it is under way here.
            self.check(OPERATION)?;
            self.lineage().admit(plan.txn())?;
            let fence = self.fence.load(Ordering::Acquire);
            let request = plan.request(&self.layout, &self.record, fence, number);
            let failure = match self.caller.txn(request).await {
                Ok(answer) => match plan.decided(&self.record, fence, answer) {
                    Decided::Done { revision, found } => return self.committed(plan, revision, found).await,
                    Decided::Refused(keys) if keys.is_empty() => continue,
                    Decided::Refused(keys) => {
                        return Ok(Outcome::Conflict(Conflict::new(keys, self.lineage())));
                    }
                    Decided::Fenced(current) => {
                        self.learn_fence(fence, current).await;
                        continue;
                    }
                    Decided::Over => return Err(self.end(Why::Lost).0.error(OPERATION)),
                },
                Err(failure) => failure,
            };
            let failure = match self.after(plan, number, fence, failure).await? {
                Ok(revision) => return self.committed_late(plan, revision).await,
                Err(failure) => failure,
            };
            if !failure.is_transient() || self.caller.now() >= give_up {
                return Err(failure.into_error(OPERATION));
            }
            backoff.wait(&**self.runtime()).await;
        }
    }

    /// Finds out what a failure leaves: `Ok` for a commit at that revision, or the failure if nothing was or will be done.
    async fn after(
        self: &Arc<Self>,
        plan: &Plan,
        slot: Option<u32>,
        fence: u64,
        failure: Failure,
    ) -> Result<Result<u64, Failure>, Error> {
        if failure.kind == FailureKind::LeaseNotFound {
            return Err(self.end(Why::Lost).0.error(OPERATION));
        }
        if plan.evidence == Evidence::None || failure.is_not_applied() {
            return Ok(Err(failure));
        }
        let killed = match failure.kind {
            // The server answered, so that nothing is under way; but full servers are known to do what they refuse.
            FailureKind::NoSpace => Ok(fence),
            _ => self.kill(fence).await,
        };
        let looked = match killed {
            Ok(killed) => self.look(plan, slot, killed).await,
            Err(ended) => Err(ended),
        };
        self.doubts.fetch_add(u64::from(looked.is_ok()), Ordering::Relaxed);
        match looked {
            Ok(Looked::Done(revision)) => Ok(Ok(revision)),
            Ok(Looked::NotDone) => Ok(Err(failure)),
            Err(Ended(why)) => {
                let error = Error::new(ErrorKind::SessionLost, OPERATION).with_effect(effect_of(plan.txn()));
                Err(error.because(format_args!("{}; its answer was lost before: {failure}", why.reason())))
            }
        }
    }

    /// Looks for what the request left. Every copy of it is dead.
    async fn look(self: &Arc<Self>, plan: &Plan, slot: Option<u32>, killed: u64) -> Result<Looked, Ended> {
        let mut backoff = Backoff::patient();
        loop {
            if let Some(why) = self.over.why() {
                return Err(Ended(why));
            }
            let keys = plan.traces(&self.layout, slot);
            let reads = keys.into_iter().map(|key| Step::Read(crate::client::Read::key(key))).collect();
            let alive = Compare { key: self.record.clone(), is: Is::Present };
            let request = TxnRequest { when: vec![alive], then: reads, otherwise: Vec::new() };
            match self.caller.txn(request).await {
                Ok(answer) if answer.succeeded => {
                    return Ok(plan.trace(&answer.found, killed).map_or(Looked::NotDone, Looked::Done));
                }
                // What the session had is gone with it, and the traces too.
                Ok(_) => return Err(self.end(Why::Lost)),
                Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot look yet"),
            }
            backoff.wait(&**self.runtime()).await;
        }
    }

    /// Another fence than the one sent is in force. One from before it is a sign that the store went back.
    async fn learn_fence(self: &Arc<Self>, sent: u64, current: u64) {
        if current > sent {
            self.fence.fetch_max(current, Ordering::AcqRel);
        } else {
            self.suspect_history().await;
        }
    }

    async fn committed(
        self: &Arc<Self>,
        plan: &Plan,
        revision: u64,
        found: Vec<Found>,
    ) -> Result<Outcome, Error> {
        let mut found = found.into_iter();
        let mut reads = Vec::with_capacity(plan.reads.len());
        for page in &plan.reads {
            if !page.is_possible() {
                reads.push(page.nothing(revision, self.lineage()));
                continue;
            }
            let shown = self.shown(page, found.next().unwrap_or_default(), revision).await;
            match shown {
                Ok(listing) => reads.push(listing),
                Err(_) => return self.committed_late(plan, revision).await,
            }
        }
        let stamps = plan.stamps(revision);
        Ok(Outcome::Committed(Committed::new(Revision::new(revision), stamps, reads, self.lineage())))
    }

    /// The commit is done and its read-backs are not: they are read now, however long that takes.
    async fn committed_late(self: &Arc<Self>, plan: &Plan, revision: u64) -> Result<Outcome, Error> {
        let mut reads = Vec::with_capacity(plan.reads.len());
        let mut backoff = Backoff::patient();
        for page in &plan.reads {
            let page = page.at_commit(revision);
            let listing = loop {
                if let Some(why) = self.over.why() {
                    // What was created is gone; of what was persistent only the effect is known.
                    return Err(why.error(OPERATION).with_effect(effect_of(plan.txn())));
                }
                match self.page(&page).await {
                    Ok(listing) => break listing,
                    Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot read back yet"),
                }
                backoff.wait(&**self.runtime()).await;
            };
            reads.push(listing);
        }
        let stamps = plan.stamps(revision);
        Ok(Outcome::Committed(Committed::new(Revision::new(revision), stamps, reads, self.lineage())))
    }

    /// Deletes incarnations that this session created and nobody was told of. The guards make repeating safe: a revision of
    /// creation never comes again.
    async fn undo(self: &Arc<Self>, created: Vec<Stamp>) {
        for stamp in created {
            let key = self.layout.entry(stamp.key());
            let is = Is::CreatedAt(stamp.created().as_u64());
            let mut backoff = Backoff::patient();
            while self.over.why().is_none() {
                let when = vec![Compare { key: key.clone(), is }];
                let then = vec![Step::Delete(key.clone())];
                match self.caller.txn(TxnRequest { when, then, otherwise: Vec::new() }).await {
                    Ok(_) => break,
                    Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot undo yet"),
                }
                backoff.wait(&**self.runtime()).await;
            }
        }
    }
}

/// What is left of a transaction of which only is known that its session is over.
fn effect_of(txn: &Txn) -> Effect {
    if txn.writes_persistent() { Effect::Unknown } else { Effect::NotApplied }
}

/// What a commit created that vanishes with the session: an update keeps the revision of creation, a persistent entry has no lease.
fn created_owned(committed: Committed) -> Vec<Stamp> {
    let revision = committed.revision;
    let is_own = |stamp: &Stamp| stamp.created() == revision && Detail::of(stamp).lease != 0;
    committed.stamps.into_iter().flatten().filter(is_own).collect()
}

/// A commit under way. It does not end because nobody waits for it any more.
pub(crate) struct Finish {
    link: Arc<Link>,
    work: Option<BoxFuture<'static, Result<Outcome, Error>>>,
}

impl Future for Finish {
    type Output = Result<Outcome, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let outcome = ready!(work.as_mut().poll(cx));
        self.work = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let link = Arc::clone(&self.link);
        let runtime: Arc<dyn Runtime> = Arc::clone(self.link.runtime());
        let rest = async move {
            if let Ok(Outcome::Committed(committed)) = work.await {
                link.undo(created_owned(committed)).await;
            }
        };
        runtime.spawn("etcd-abandoned", Box::pin(rest));
    }
}
