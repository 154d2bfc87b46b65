//! One way, and what happens on it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ha_core::runtime::Runtime;
use ha_core::{Error, ErrorKind};
use tokio::sync::watch;

use crate::faults::CommitFault;

/// How often a commit of a node that takes turns is pending before it is sent, and again before its answer is asked for.
const TURNS: usize = 4;

/// What happens on the way of a node, until that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Conduct {
    pub(super) requests_stop: bool,
    pub(super) replies_stop: bool,
    pub(super) renewals_fail: bool,
    pub(super) takes_turns: bool,
    pub(super) delay: Duration,
    /// How often the connections of watches were broken.
    pub(super) breaks: u64,
}

impl Conduct {
    pub(super) fn cut(&mut self) {
        (self.requests_stop, self.replies_stop) = (true, true);
    }

    pub(super) fn heal(&mut self) {
        (self.requests_stop, self.replies_stop, self.renewals_fail) = (false, false, false);
        self.delay = Duration::ZERO;
    }
}

/// The way of one node.
#[derive(Debug)]
pub(super) struct Way {
    patience: Duration,
    conduct: watch::Sender<Conduct>,
    commits: Mutex<VecDeque<CommitFault>>,
}

impl Way {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, conduct: watch::Sender::default(), commits: Mutex::default() }
    }

    /// Changes what happens on it, also to what is under way.
    pub(super) fn change(&self, change: impl FnOnce(&mut Conduct)) {
        self.conduct.send_modify(change);
    }

    /// What happens to the next commits, one each.
    pub(super) fn script(&self, commits: Vec<CommitFault>) {
        *self.commits.lock().unwrap_or_else(PoisonError::into_inner) = commits.into();
    }

    /// What happens to this commit.
    pub(super) fn next_commit(&self) -> CommitFault {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.pop_front().unwrap_or(CommitFault::Pass)
    }

    /// What happens on it now.
    pub(super) fn now(&self) -> Conduct {
        *self.conduct.borrow()
    }

    /// How long something that does not get through is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Waits, however long it takes, until what happens on it is `wanted`.
    pub(super) async fn until(&self, mut wanted: impl FnMut(&Conduct) -> bool) {
        // It cannot be gone: we have it.
        self.conduct.subscribe().wait_for(|conduct| wanted(conduct)).await.map(drop).ok();
    }

    /// Sends a request that only asks, and waits for its answer. Without one, nobody knows whether it has arrived.
    pub(super) async fn ask<T>(
        &self,
        runtime: &dyn Runtime,
        operation: &'static str,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.depart(runtime, operation).await?;
        let answer = request.await;
        let heard = self.until(|conduct| !conduct.replies_stop);
        within(runtime, self.patience, heard).await.ok_or_else(|| silence(operation))?;
        self.take_time(runtime).await;
        answer
    }

    /// Waits until a request gets through: the error says that it was never sent.
    pub(super) async fn depart(&self, runtime: &dyn Runtime, operation: &'static str) -> Result<(), Error> {
        let open = self.until(|conduct| !conduct.requests_stop);
        within(runtime, self.patience, open).await.ok_or_else(|| silence(operation))?;
        self.take_time(runtime).await;
        Ok(())
    }

    /// Waits for an answer to get through.
    pub(super) async fn hear(&self, runtime: &dyn Runtime) {
        self.until(|conduct| !conduct.replies_stop).await;
        self.take_time(runtime).await;
    }

    /// Waits as long as everything takes on this way.
    pub(super) async fn take_time(&self, runtime: &dyn Runtime) {
        let delay = self.now().delay;
        if delay > Duration::ZERO {
            runtime.sleep_until(runtime.now() + delay).await;
        }
    }

    /// Lets others run, if the node takes turns with them.
    pub(super) async fn take_turns(&self) {
        if self.now().takes_turns {
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// The error of a request on which nothing was heard.
pub(super) fn silence(operation: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, operation).because("the node is cut off from the store")
}

/// The result of `future`, if it is there after at most `patience`.
pub(super) async fn within<T>(
    runtime: &dyn Runtime,
    patience: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let alarm = runtime.sleep_until(runtime.now() + patience);
    tokio::select! {
        biased;
        result = future => Some(result),
        () = alarm => None,
    }
}
