//! A runtime that a test turns by hand.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::runtime::{BoxFuture, Instant, Runtime};
use crate::sync::lock;

/// Its clock stands still until a test moves it, and its tasks until a test runs them.
#[derive(Clone, Default)]
pub(crate) struct Manual(Arc<Inner>);

#[derive(Default)]
struct Inner {
    nanos: AtomicU64,
    tasks: Mutex<Vec<(&'static str, BoxFuture<'static, ()>)>>,
}

impl Manual {
    /// Polls every task until polling ends none of them, twice in a row.
    pub(crate) fn run(&self) {
        let mut quiet = 0;
        while quiet < 2 {
            let tasks = std::mem::take(&mut *lock(&self.0.tasks));
            let count = tasks.len();
            let mut context = Context::from_waker(Waker::noop());
            let mut rest: Vec<_> = tasks
                .into_iter()
                .filter_map(|(name, mut task)| {
                    task.as_mut().poll(&mut context).is_pending().then_some((name, task))
                })
                .collect();
            let mut tasks = lock(&self.0.tasks);
            quiet = if rest.len() == count && tasks.is_empty() { quiet + 1 } else { 0 };
            rest.append(&mut tasks);
            *tasks = rest;
        }
    }

    /// Moves the clock in small steps, and runs the tasks after each.
    pub(crate) fn advance(&self, by: Duration) {
        let until = self.now() + by;
        while self.now() < until {
            let next = until.min(self.now() + Duration::from_millis(10));
            self.0.nanos.store(next.nanos(), Ordering::SeqCst);
            self.run();
        }
    }

    /// Runs the tasks until `future` ends. Panics if it never does.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        for _ in 0..10 {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return value;
            }
            self.run();
        }
        panic!("nothing that is under way ends this future");
    }

    /// Drops every task, as the end of a process does.
    pub(crate) fn tear_down(&self) {
        let tasks = std::mem::take(&mut *lock(&self.0.tasks));
        drop(tasks);
    }

    /// How many tasks of this name have not ended.
    pub(crate) fn tasks(&self, name: &str) -> usize {
        lock(&self.0.tasks).iter().filter(|(other, _)| *other == name).count()
    }
}

impl Runtime for Manual {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.nanos.load(Ordering::SeqCst))
    }

    fn wall_clock(&self) -> Duration {
        self.now().since_start()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        let runtime = self.clone();
        Box::pin(poll_fn(move |_| if runtime.now() >= deadline { Poll::Ready(()) } else { Poll::Pending }))
    }

    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        lock(&self.0.tasks).push((name, task));
    }

    fn random(&self) -> u64 {
        4
    }
}

impl fmt::Debug for Manual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manual").field("now", &self.now()).finish_non_exhaustive()
    }
}
