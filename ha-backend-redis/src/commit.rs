//! A commit: sent, resolved where its answer is lost, and finished also when nobody waits for it any more.
//!
//! There is at most one copy of a transaction that can be done. Its answer decides. Without an answer the copy is killed first: the epoch of the session, which
//! guards it, is raised. Then the slot of the operation shows whether it was done before that; if not it is sent again. A server that was stopped does what
//! it finds in a connection that was closed long ago, so that to read and to conclude would be wrong.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use ha_core::runtime::{Backoff, BoxFuture};
use ha_core::spi::{Committed, Conflict, Outcome, Revision, Stamp, Txn};
use ha_core::{Effect, Error, ErrorKind};

use crate::answer::{Answer, Status};
use crate::failure::{Failure, FailureKind};
use crate::link::{Ended, Link};
use crate::over::Why;
use crate::plan::{Decided, Plan};
use crate::scripts::{Call, Script};

const OPERATION: &str = "commit";

impl Link {
    /// Commits `txn`. Dropped before its end, it is finished in the background and what it created is deleted.
    pub(crate) fn commit(self: &Arc<Self>, txn: Txn) -> Result<Finish, Error> {
        let plan = Plan::new(txn, self.next_operation())?;
        let owned = plan.owned();
        let link = Arc::clone(self);
        let work: BoxFuture<'static, _> = Box::pin(async move { link.carry_out(&plan).await });
        Ok(Finish { link: Arc::clone(self), work: Some(work), owned })
    }

    async fn carry_out(self: &Arc<Self>, plan: &Plan) -> Result<Outcome, Error> {
        let slot = self.slots.take();
        let give_up = self.give_up_at();
        let mut backoff = Backoff::urgent();
        loop {
            // Nothing of it is under way here.
            self.over.check(OPERATION)?;
            self.lineage().admit(plan.txn())?;
            let epoch = self.epoch.load(Ordering::Acquire);
            let call = plan.call(&self.id, epoch, slot.number);
            let decided = match self.call(&self.requests, &call).await {
                Ok(answer) => plan.decided(answer),
                Err(failure) => Err(failure),
            };
            let failure = match decided {
                Ok(Decided::Done(answer)) => return self.committed(plan, &answer).await,
                Ok(Decided::Refused(keys)) => {
                    return Ok(Outcome::Conflict(Conflict::new(keys, self.lineage())));
                }
                Ok(Decided::Fenced(current)) => {
                    self.learn_epoch(epoch, current).await?;
                    continue;
                }
                Ok(Decided::Held) => return Err(self.held()),
                Ok(Decided::Outdated) => continue,
                Ok(Decided::Over) => return Err(lost(self.end(Why::Lost))),
                Err(failure) => failure,
            };
            let failure = match self.after(plan, slot.number, epoch, failure).await? {
                Ok(revision) => return self.committed_late(plan, revision).await,
                Err(failure) => failure,
            };
            if !failure.is_transient() || self.now() >= give_up {
                return Err(failure.into_error(OPERATION));
            }
            backoff.wait(&**self.runtime()).await;
        }
    }

    fn held(&self) -> Error {
        let error = Error::new(ErrorKind::Recovering, OPERATION)
            .because("the server may have forgotten grants, or is used for the first time; new ones are held back, try again later");
        match self.lineage().hold_until() {
            Some(until) => error.with_until(until),
            None => error.with_until(self.now()),
        }
    }

    /// Another epoch than the one sent is in force. An older one is what a server has that has forgotten the latest.
    async fn learn_epoch(&self, sent: u64, current: u64) -> Result<(), Error> {
        if current > sent {
            self.epoch.fetch_max(current, Ordering::AcqRel);
        } else {
            self.kill(sent).await.map_err(lost)?;
        }
        Ok(())
    }

    /// Finds out what a failure leaves: `Ok` for a commit at that revision, or the failure if nothing was or will be done.
    async fn after(
        &self,
        plan: &Plan,
        slot: u32,
        epoch: u64,
        failure: Failure,
    ) -> Result<Result<u64, Failure>, Error> {
        if !plan.changes_something() || failure.is_not_applied() {
            return Ok(Err(failure));
        }
        let looked = match self.kill(epoch).await {
            Ok(_) => self.look(plan, slot).await,
            Err(ended) => Err(ended),
        };
        match looked {
            Ok(done) => {
                self.doubts.fetch_add(1, Ordering::Relaxed);
                Ok(done.ok_or(failure))
            }
            Err(Ended(why)) => {
                let error = Error::new(ErrorKind::SessionLost, OPERATION).with_effect(effect_of(plan.txn()));
                Err(error.because(format_args!("{}; its answer was lost before: {failure}", why.reason())))
            }
        }
    }

    /// At which revision the operation was done, if it was. Every copy of it is dead.
    async fn look(&self, plan: &Plan, slot: u32) -> Result<Option<u64>, Ended> {
        let call = Call::new(Script::Trace).of(self.session()).with(format!("{slot:04}"));
        let mut backoff = Backoff::urgent();
        loop {
            if let Some(why) = self.over.why() {
                return Err(Ended(why));
            }
            match self.call(&self.requests, &call).await {
                // What the session had is gone with it, and the slot too.
                Ok(answer) if answer.status == Status::Lost => return Err(self.end(Why::Lost)),
                Ok(answer) => match answer.trace() {
                    Ok(trace) => return Ok(plan.traced(trace)),
                    Err(failure) => tracing::error!(session = %self.id, %failure, "cannot resolve a commit"),
                },
                Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot look yet"),
            }
            backoff.wait(&**self.runtime()).await;
        }
    }

    async fn committed(&self, plan: &Plan, answer: &Answer) -> Result<Outcome, Error> {
        let lineage = self.lineage();
        let Ok(reads) = plan.listings(answer, lineage) else {
            return self.committed_late(plan, answer.revision).await;
        };
        let stamps = plan.stamps(answer.revision);
        Ok(Outcome::Committed(Committed::new(Revision::new(answer.revision), stamps, reads, lineage)))
    }

    /// The commit is done and its read-backs are not: they are read now, however long that takes.
    async fn committed_late(&self, plan: &Plan, revision: u64) -> Result<Outcome, Error> {
        let mut reads = Vec::with_capacity(plan.reads().len());
        let mut backoff = Backoff::urgent();
        for read in plan.reads() {
            let listing = loop {
                if let Some(why) = self.over.why() {
                    // What was created is gone; of what was persistent only the effect is known.
                    return Err(why.error(OPERATION).with_effect(effect_of(plan.txn())));
                }
                match self.page(&read.collection, &read.page, Some(revision)).await {
                    Ok(Ok(listing)) => break listing,
                    Ok(Err(_ended)) => continue,
                    Err(failure) if failure.kind == FailureKind::Corrupt => {
                        return Err(failure.into_error(OPERATION).with_effect(Effect::Unknown));
                    }
                    Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot read back yet"),
                }
                backoff.wait(&**self.runtime()).await;
            };
            reads.push(listing);
        }
        let stamps = plan.stamps(revision);
        Ok(Outcome::Committed(Committed::new(Revision::new(revision), stamps, reads, self.lineage())))
    }

    /// Deletes incarnations that this session created and nobody was told of. A revision of creation never comes again, so that repeating is safe.
    async fn undo(&self, created: &[Stamp]) {
        let call = Call::undo(&self.id, created);
        let mut backoff = Backoff::urgent();
        while !created.is_empty() && self.over.why().is_none() {
            match self.call(&self.requests, &call).await {
                Ok(_) => return,
                Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot undo yet"),
            }
            backoff.wait(&**self.runtime()).await;
        }
    }
}

fn lost(Ended(why): Ended) -> Error {
    why.error(OPERATION)
}

/// What is left of a transaction of which only is known that its session is over.
fn effect_of(txn: &Txn) -> Effect {
    if txn.writes_persistent() { Effect::Unknown } else { Effect::NotApplied }
}

/// A commit under way. It does not end because nobody waits for it any more.
pub(crate) struct Finish {
    link: Arc<Link>,
    work: Option<BoxFuture<'static, Result<Outcome, Error>>>,
    /// For each operation whether it creates what vanishes with the session.
    owned: Vec<bool>,
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
        let (link, owned) = (Arc::clone(&self.link), std::mem::take(&mut self.owned));
        self.link.spawn("redis-abandoned", async move {
            let Ok(Outcome::Committed(Committed { stamps, .. })) = work.await else { return };
            let created = stamps.into_iter().zip(owned).filter(|(_, owned)| *owned);
            let created: Vec<Stamp> = created.filter_map(|(stamp, _)| stamp).collect();
            link.undo(&created).await;
        });
    }
}
