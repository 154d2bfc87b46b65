//! A stand-in for an operating-system process: the tasks of one node, which can be stopped, continued and killed.
//!
//! For nodes that live in one process, on one thread. What they lose in a real deployment, their process, they lose here through
//! this type: it is the [`Runtime`] that a node's coordinator runs on, and the node's own tasks run on it as well.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ha_core::runtime::{BoxFuture, Instant, Runtime};

/// The tasks of one node.
#[derive(Clone)]
pub struct StandIn {
    runtime: Arc<dyn Runtime>,
    state: Arc<Mutex<State>>,
}

enum State {
    Running,
    /// Stopped; these tasks were woken meanwhile.
    Frozen(Vec<Waker>),
    Dead,
}

impl StandIn {
    /// A process whose tasks run on `runtime`.
    pub fn start(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, state: Arc::new(Mutex::new(State::Running)) }
    }

    /// Stops every task where it is, like SIGSTOP.
    pub fn freeze(&self) {
        let mut state = lock(&self.state);
        if let State::Running = *state {
            *state = State::Frozen(Vec::new());
        }
    }

    /// Lets the tasks go on, like SIGCONT. They are not told that they were stopped.
    pub fn resume(&self) {
        let mut state = lock(&self.state);
        if let State::Frozen(woken) = &mut *state {
            let woken = std::mem::take(woken);
            *state = State::Running;
            drop(state);
            woken.into_iter().for_each(Waker::wake);
        }
    }

    /// Ends every task where it is, like SIGKILL: nothing of it runs any more, no destructor either.
    pub fn kill(&self) {
        *lock(&self.state) = State::Dead;
    }
}

impl Runtime for StandIn {
    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn wall_clock(&self) -> Duration {
        self.runtime.wall_clock()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        self.runtime.sleep_until(deadline)
    }

    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.runtime.spawn(name, Box::pin(Task { work: Some(task), state: Arc::clone(&self.state) }));
    }

    fn random(&self) -> u64 {
        self.runtime.random()
    }
}

impl fmt::Debug for StandIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandIn").field("state", &*lock(&self.state)).finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Frozen(_) => "frozen",
            Self::Dead => "dead",
        })
    }
}

/// A task that runs while its process does.
struct Task {
    work: Option<BoxFuture<'static, ()>>,
    state: Arc<Mutex<State>>,
}

impl Task {
    /// A dead process has no chance to say good-bye, so what its tasks held is leaked instead of dropped.
    fn abandon(&mut self) {
        std::mem::forget(self.work.take());
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = &mut *self;
        match &mut *lock(&task.state) {
            State::Running => {}
            State::Frozen(woken) => {
                woken.push(cx.waker().clone());
                return Poll::Pending;
            }
            State::Dead => {
                std::mem::forget(task.work.take());
                return Poll::Ready(());
            }
        }
        task.work.as_mut().map_or(Poll::Ready(()), |work| work.as_mut().poll(cx))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let dead = matches!(*lock(&self.state), State::Dead);
        if dead {
            self.abandon();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::StandIn;
    use ha_core::runtime::{Runtime, TokioRuntime};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// Counts its steps, and its end.
    #[derive(Clone, Default)]
    struct Worker {
        steps: Arc<AtomicU64>,
        dropped: Arc<AtomicU64>,
    }

    struct OnDrop(Arc<AtomicU64>);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Worker {
        fn start(process: &StandIn) -> Self {
            let worker = Self::default();
            let (steps, end) = (Arc::clone(&worker.steps), OnDrop(Arc::clone(&worker.dropped)));
            let runtime = process.clone();
            let work = async move {
                let _end = end;
                loop {
                    runtime.sleep_until(runtime.now() + Duration::from_millis(1)).await;
                    steps.fetch_add(1, Ordering::SeqCst);
                }
            };
            process.spawn("worker", Box::pin(work));
            worker
        }

        fn steps(&self) -> u64 {
            self.steps.load(Ordering::SeqCst)
        }
    }

    async fn pause(process: &StandIn) {
        process.sleep_until(process.now() + Duration::from_millis(30)).await;
    }

    fn on_one_thread(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    fn process() -> StandIn {
        StandIn::start(Arc::new(TokioRuntime::current().unwrap()))
    }

    #[test]
    fn frozen_tasks_stand_still_and_go_on_where_they_were() {
        on_one_thread(async {
            let process = process();
            let worker = Worker::start(&process);
            pause(&process).await;
            let before = worker.steps();
            assert!(before > 0);
            process.freeze();
            pause(&process).await;
            assert_eq!(worker.steps(), before);
            process.resume();
            pause(&process).await;
            assert!(worker.steps() > before);
            assert_eq!(worker.dropped.load(Ordering::SeqCst), 0);
        });
    }

    #[test]
    fn killed_tasks_run_no_more_and_no_destructor_does() {
        let ended = std::cell::OnceCell::new();
        on_one_thread(async {
            let process = process();
            let worker = Worker::start(&process);
            pause(&process).await;
            process.kill();
            let before = worker.steps();
            let late = Worker::start(&process);
            pause(&process).await;
            assert_eq!((worker.steps(), late.steps()), (before, 0));
            process.resume();
            pause(&process).await;
            assert_eq!(worker.steps(), before, "death is final");
            drop(ended.set((worker, late)));
        });
        // The runtime is gone, and with it the tasks.
        let (worker, late) = ended.get().unwrap();
        assert_eq!(worker.dropped.load(Ordering::SeqCst) + late.dropped.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn other_processes_go_on() {
        on_one_thread(async {
            let (frozen, other) = (process(), process());
            frozen.freeze();
            let worker = Worker::start(&other);
            pause(&other).await;
            assert!(worker.steps() > 0);
        });
    }
}
