//! Commits whose caller is gone before it was told anything.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ha_core::Error;
use ha_core::runtime::{BoxFuture, Instant, Runtime};
use ha_core::spi::{Operation, Outcome, Session, Stamp, Txn};

/// A commit that was sent, and whose caller has not been told yet.
///
/// Its first poll sends it. Before its answer is asked for it is dropped like any other: by the future of the backend, which undoes it. An answer that is here at once, because the
/// backend commits inline or the machine was busy, is undone by this.
pub(super) struct Sent {
    session: Arc<dyn Session>,
    runtime: Arc<dyn Runtime>,
    owned: Vec<bool>,
    state: State,
}

enum State {
    UnderWay(BoxFuture<'static, Result<Outcome, Error>>),
    Answered(Result<Outcome, Error>),
    Told,
}

impl Sent {
    /// Sends a commit.
    pub(super) async fn send(session: &Arc<dyn Session>, runtime: &Arc<dyn Runtime>, txn: Txn) -> Self {
        let is_owned = |operation: &Operation| matches!(operation, Operation::Create { owned: true, .. });
        let owned = txn.operations().iter().map(is_owned).collect();
        let for_commit = Arc::clone(session);
        let mut commit: BoxFuture<'static, _> = Box::pin(async move { for_commit.commit(txn).await });
        let begun = std::future::poll_fn(|cx| Poll::Ready(commit.as_mut().poll(cx))).await;
        let state = match begun {
            Poll::Ready(answer) => State::Answered(answer),
            Poll::Pending => State::UnderWay(commit),
        };
        Self { session: Arc::clone(session), runtime: Arc::clone(runtime), owned, state }
    }

    /// What became of it.
    pub(super) async fn answer(mut self) -> Result<Outcome, Error> {
        if let State::UnderWay(commit) = &mut self.state {
            return commit.await;
        }
        match std::mem::replace(&mut self.state, State::Told) {
            State::Answered(answer) => answer,
            State::UnderWay(_) | State::Told => unreachable!("it was answered, and is told once"),
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let State::Answered(Ok(outcome)) = std::mem::replace(&mut self.state, State::Told) else { return };
        let stamps = outcome.committed().map(|committed| committed.stamps).unwrap_or_default();
        let created = stamps.into_iter().zip(&self.owned).filter(|(_, owned)| **owned);
        let created: Vec<Stamp> = created.filter_map(|(stamp, _)| stamp).collect();
        if created.is_empty() {
            return;
        }
        let session = Arc::clone(&self.session);
        let undo = async move {
            for stamp in created {
                // What is gone needs no undoing, and a session that is over has nothing.
                drop(session.commit(Txn::new().delete(stamp)).await);
            }
        };
        self.runtime.spawn("undo a commit that nobody was told of", Box::pin(undo));
    }
}

/// A request that arrives late: also when nobody waits for it any more.
pub(super) struct Late {
    session: Arc<dyn Session>,
    runtime: Arc<dyn Runtime>,
    txn: Option<Txn>,
    arrival: Instant,
}

impl Late {
    /// Lets `txn` arrive so much later.
    pub(super) fn new(
        session: &Arc<dyn Session>,
        runtime: &Arc<dyn Runtime>,
        txn: Txn,
        delay: Duration,
    ) -> Self {
        let (session, runtime) = (Arc::clone(session), Arc::clone(runtime));
        let arrival = runtime.now() + delay;
        Self { session, runtime, txn: Some(txn), arrival }
    }

    /// Waits until it arrives.
    pub(super) async fn arrive(mut self) -> Option<Txn> {
        self.runtime.sleep_until(self.arrival).await;
        self.txn.take()
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        let Some(txn) = self.txn.take() else { return };
        let (session, runtime, arrival) =
            (Arc::clone(&self.session), Arc::clone(&self.runtime), self.arrival);
        let arrive = async move {
            runtime.sleep_until(arrival).await;
            drop(Sent::send(&session, &runtime, txn).await);
        };
        self.runtime.spawn("a request that arrives late", Box::pin(arrive));
    }
}
