//! The runtimes that services use: a thread of its own, or a tokio runtime that is there already.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::timer::Timer;
use super::{BoxFuture, Instant, Runtime, clock};
use crate::error::{Error, ErrorKind};

/// Time by the operating system, tasks on a tokio runtime.
#[derive(Debug, Clone)]
pub struct TokioRuntime {
    handle: tokio::runtime::Handle,
    timer: Arc<Timer>,
}

impl TokioRuntime {
    /// Uses the tokio runtime that the caller runs on.
    ///
    /// Renewals then share that runtime with the service: work that blocks it for the length of a ttl loses the
    /// session. Prefer the default, a thread of its own ([`IoThread`]).
    ///
    /// # Errors
    /// `InvalidInput` when the caller does not run on a tokio runtime.
    pub fn current() -> Result<Self, Error> {
        let handle = tokio::runtime::Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "use the current tokio runtime")
                .because(
                    "no tokio runtime runs on this thread; call it from one, or keep the default runtime",
                )
                .with_source(error)
        })?;
        Ok(Self::on(handle))
    }

    fn on(handle: tokio::runtime::Handle) -> Self {
        let timer = Timer::new();
        let task = timer.task();
        handle.spawn(async move {
            if let Err(error) = task.await {
                tracing::error!(%error, "the timer of the toolkit stopped: sleeps no longer end");
            }
        });
        Self { handle, timer }
    }
}

impl Runtime for TokioRuntime {
    fn now(&self) -> Instant {
        clock::now()
    }

    fn wall_clock(&self) -> Duration {
        clock::wall_clock()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(self.timer.sleep_until(deadline))
    }

    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        tracing::trace!(name, "task started");
        self.handle.spawn(task);
    }

    fn random(&self) -> u64 {
        clock::random()
    }
}

/// A thread with a small tokio runtime, on which all I/O, renewals and timers of a coordinator run.
///
/// The thread ends once [`stop`](Self::stop) was called or the value was dropped; tasks still on it are dropped then.
#[derive(Debug)]
pub struct IoThread {
    runtime: TokioRuntime,
    stop: CancellationToken,
}

impl IoThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// `Unavailable` when the operating system gives no thread or no descriptor.
    pub fn start() -> Result<Self, Error> {
        let fail = |error: std::io::Error| {
            Error::new(ErrorKind::Unavailable, "start the I/O thread")
                .because(format_args!("{error}; check the limits on threads and open files"))
                .with_source(error)
        };
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fail)?;
        let runtime = TokioRuntime::on(tokio.handle().clone());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name("ha-io".into())
            .spawn(move || tokio.block_on(stopped.cancelled()))
            .map_err(fail)?;
        Ok(Self { runtime, stop })
    }

    /// Ends the thread, without waiting for it.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The runtime of the thread; it works until the thread ends.
    #[must_use]
    pub fn runtime(&self) -> TokioRuntime {
        self.runtime.clone()
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::{IoThread, TokioRuntime};
    use crate::error::ErrorKind;
    use crate::runtime::Runtime;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn sleeps_end_in_the_order_of_their_deadlines_and_never_early() {
        let thread = IoThread::start().unwrap();
        let runtime = thread.runtime();
        let (done, results) = mpsc::channel();
        let start = runtime.now();
        for millis in [30_u64, 10, 20] {
            let (runtime, done) = (runtime.clone(), done.clone());
            let deadline = start + Duration::from_millis(millis);
            thread.runtime().spawn(
                "test",
                Box::pin(async move {
                    runtime.sleep_until(deadline).await;
                    assert!(runtime.now() >= deadline);
                    done.send(millis).unwrap();
                }),
            );
        }
        let order: Vec<u64> = (0..3).map(|_| results.recv_timeout(Duration::from_secs(5)).unwrap()).collect();
        assert_eq!(order, [10, 20, 30]);
    }

    #[test]
    fn the_timer_of_a_runtime_goes_with_whoever_can_sleep() {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let runtime = TokioRuntime::current().unwrap();
            let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            let sleep = runtime.sleep_until(runtime.now() + Duration::from_millis(20));
            drop(runtime);
            sleep.await;
            while tasks() > 0 {
                tokio::task::yield_now().await;
            }
        });
    }

    #[test]
    fn current_without_a_tokio_runtime_is_a_clear_error() {
        let error = TokioRuntime::current().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("no tokio runtime"));
    }
}
