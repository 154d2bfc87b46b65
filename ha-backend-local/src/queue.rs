//! What waits for the write lock of the database, and those who wait for it to be done.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ha_core::runtime::{BoxFuture, Runtime};
use ha_core::{Error, ErrorKind};
use tokio::sync::oneshot;

use crate::awake::awake;
use crate::clock::MachineClock;
use crate::error::Failure;
use crate::step::Step;
use crate::sync::lock;

/// A step that waits to be done, or was done and waits for the commit of its batch.
pub(crate) trait Job: Send {
    /// Does it. Can be done again after a rollback.
    fn run(&mut self, step: &mut Step<'_>) -> Result<(), rusqlite::Error>;

    /// Tells whoever waits what became of it; `failed` if its batch was rolled back.
    fn answer(self: Box<Self>, failed: Option<Error>);
}

/// Why nothing is taken any more.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) reason: String,
}

impl Refusal {
    /// What `error` says, for all who come after it.
    pub(crate) fn of(error: &Error) -> Self {
        Self { kind: error.kind(), reason: error.to_string() }
    }

    /// The error for `operation`.
    pub(crate) fn error(&self, operation: &'static str) -> Error {
        Error::new(self.kind, operation).because(&self.reason)
    }
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(u64, Box<dyn Job>)>,
    next: u64,
    refusal: Option<Refusal>,
    stopped: bool,
}

/// The jobs of one process for one store.
pub(crate) struct Queue {
    clock: MachineClock,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("jobs", &lock(&self.waiting).jobs.len()).finish_non_exhaustive()
    }
}

impl Queue {
    pub(crate) fn new(clock: MachineClock) -> Self {
        Self { clock, waiting: Mutex::default(), arrived: Condvar::new() }
    }

    /// Adds a job that answers with what `run` returns. What `unwanted` gets is the result that nobody waited for to the end.
    pub(crate) fn submit<T: Send + 'static>(
        self: &Arc<Self>,
        operation: &'static str,
        run: impl FnMut(&mut Step<'_>) -> Result<T, Failure> + Send + 'static,
        unwanted: Option<Unwanted<T>>,
    ) -> Result<Answer<T>, Error> {
        let (answer, receiver) = oneshot::channel();
        let job = Typed { run, done: None, answer, operation, unwanted: unwanted.clone() };
        let mut waiting = lock(&self.waiting);
        if let Some(refusal) = &waiting.refusal {
            return Err(refusal.error(operation));
        }
        waiting.next += 1;
        let id = waiting.next;
        waiting.jobs.push_back((id, Box::new(job)));
        drop(waiting);
        self.arrived.notify_one();
        Ok(Answer { queue: Arc::clone(self), id, operation, receiver, unwanted })
    }

    /// Waits until there is something to do. False once there is nothing and never will be: nobody can ask any more, or everybody is refused.
    pub(crate) fn wait(&self) -> bool {
        let has_come = || (!lock(&self.waiting).jobs.is_empty()).then_some(());
        if awake(self.clock, has_come).is_some() {
            return true;
        }
        let mut waiting = lock(&self.waiting);
        while waiting.jobs.is_empty() {
            if waiting.stopped || waiting.refusal.is_some() {
                return false;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// Takes the oldest jobs, at most so many.
    pub(crate) fn take(&self, limit: usize) -> Vec<Box<dyn Job>> {
        let mut waiting = lock(&self.waiting);
        let count = waiting.jobs.len().min(limit);
        waiting.jobs.drain(..count).map(|(_, job)| job).collect()
    }

    /// Refuses everything that waits, and all that comes.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        let jobs = {
            let mut waiting = lock(&self.waiting);
            waiting.refusal.get_or_insert_with(|| refusal.clone());
            std::mem::take(&mut waiting.jobs)
        };
        // Whoever serves it would keep files open that are not the store any more.
        self.arrived.notify_one();
        for (_, job) in jobs {
            job.answer(Some(refusal.error("use the local store")));
        }
    }

    /// Lets the thread that serves it end once everything is done.
    pub(crate) fn stop(&self) {
        lock(&self.waiting).stopped = true;
        self.arrived.notify_one();
    }

    /// Takes a job back. False if it was begun.
    fn withdraw(&self, id: u64) -> bool {
        let mut waiting = lock(&self.waiting);
        let Ok(at) = waiting.jobs.binary_search_by_key(&id, |(id, _)| *id) else { return false };
        waiting.jobs.remove(at).is_some()
    }
}

/// What is done with a result that nobody waited for.
pub(crate) type Unwanted<T> = Arc<dyn Fn(T) + Send + Sync>;

struct Typed<T, F> {
    run: F,
    done: Option<Result<T, Error>>,
    answer: oneshot::Sender<Result<T, Error>>,
    operation: &'static str,
    unwanted: Option<Unwanted<T>>,
}

impl<T, F> Job for Typed<T, F>
where
    T: Send,
    F: FnMut(&mut Step<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, step: &mut Step<'_>) -> Result<(), rusqlite::Error> {
        self.done = Some(match (self.run)(step) {
            Ok(result) => Ok(result),
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Database(error)) => return Err(error),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, failed: Option<Error>) {
        let refused = || Error::new(ErrorKind::Unavailable, self.operation).because("it was not begun");
        let result = match failed {
            Some(error) => Err(error),
            None => self.done.unwrap_or_else(|| Err(refused())),
        };
        if let (Err(Ok(result)), Some(unwanted)) = (self.answer.send(result), &self.unwanted) {
            unwanted(result);
        }
    }
}

/// What a job is going to answer.
#[must_use = "a job is done all the same, but nobody hears of it"]
pub(crate) struct Answer<T> {
    queue: Arc<Queue>,
    id: u64,
    operation: &'static str,
    receiver: oneshot::Receiver<Result<T, Error>>,
    unwanted: Option<Unwanted<T>>,
}

impl<T> Answer<T> {
    /// Waits for the answer, and for the job to be begun at most `patience`: then it is taken back, and the error is what `explain` says.
    pub(crate) async fn within(
        mut self,
        runtime: &dyn Runtime,
        patience: Duration,
        explain: impl FnOnce() -> Error,
    ) -> Result<T, Error> {
        if let Some(answer) = awake(self.queue.clock, || self.receiver.try_recv().ok()) {
            return answer;
        }
        let mut alarm: Option<BoxFuture<'static, ()>> = Some(runtime.sleep_until(runtime.now() + patience));
        let answered = poll_fn(|cx| {
            if let Poll::Ready(answer) = Pin::new(&mut self.receiver).poll(cx) {
                return Poll::Ready(Some(answer));
            }
            if let Some(sleep) = &mut alarm
                && sleep.as_mut().poll(cx).is_ready()
            {
                alarm = None;
                if self.queue.withdraw(self.id) {
                    return Poll::Ready(None);
                }
            }
            Poll::Pending
        });
        match pin!(answered).await {
            Some(Ok(answer)) => answer,
            Some(Err(_gone)) => Err(Error::new(ErrorKind::Unavailable, self.operation)
                .because("the thread of the local store has ended; open a new session")),
            None => Err(explain()),
        }
    }

    /// Waits for the answer at most `patience`; the job is done all the same.
    pub(crate) async fn or_later(
        mut self,
        runtime: &dyn Runtime,
        patience: Duration,
        explain: impl FnOnce() -> Error,
    ) -> Result<T, Error> {
        let mut alarm = runtime.sleep_until(runtime.now() + patience);
        let answered = poll_fn(|cx| match Pin::new(&mut self.receiver).poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer.ok()),
            Poll::Pending => alarm.as_mut().poll(cx).map(|()| None),
        });
        pin!(answered).await.unwrap_or_else(|| Err(explain()))
    }
}

impl<T> Drop for Answer<T> {
    /// A result that is here already, and that nobody takes any more.
    fn drop(&mut self) {
        self.receiver.close();
        if let (Some(unwanted), Ok(Ok(result))) = (&self.unwanted, self.receiver.try_recv()) {
            unwanted(result);
        }
    }
}
