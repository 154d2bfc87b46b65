//! Turning a hung service into a prompt resignation.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind};
use crate::runtime::{Instant, Runtime};

/// A sign of life that a service has to give, or else it loses what it holds.
///
/// Renewals run on a thread of their own, so a service that hangs would stay leader for ever. With a heartbeat, given to a
/// coordinator or to one election, it has to call [`feed`](Self::feed) from the work that matters, more often than the
/// limit. Once the limit has passed since the last call, leadership is given up; feeding again makes the node a candidate again.
#[derive(Clone)]
pub struct Heartbeat(Arc<Beat>);

struct Beat {
    limit: Duration,
    last: AtomicU64,
    runtime: OnceLock<Arc<dyn Runtime>>,
    fed: Notify,
}

impl Heartbeat {
    /// A heartbeat that has to be fed at least every `limit`. The time runs from when it is given to a coordinator or a recipe.
    ///
    /// # Errors
    /// `InvalidInput` for a limit below a millisecond or above a day.
    pub fn new(limit: Duration) -> Result<Self, Error> {
        if limit < Duration::from_millis(1) || limit > Duration::from_secs(24 * 60 * 60) {
            return Err(Error::new(ErrorKind::InvalidInput, "make a heartbeat")
                .on(format_args!("{limit:?}"))
                .because("the limit is between a millisecond and a day"));
        }
        Ok(Self(Arc::new(Beat {
            limit,
            last: AtomicU64::new(0),
            runtime: OnceLock::new(),
            fed: Notify::new(),
        })))
    }

    /// A heartbeat that is fed whenever `check` returns true. A thread of its own calls it every third of the limit; a check that
    /// hangs or keeps returning false lets the limit pass. The thread ends when the heartbeat is no longer used.
    ///
    /// # Errors
    /// As [`new`](Self::new); `Unavailable` when the operating system gives no thread.
    pub fn checked(limit: Duration, mut check: impl FnMut() -> bool + Send + 'static) -> Result<Self, Error> {
        let heartbeat = Self::new(limit)?;
        let beat: Weak<Beat> = Arc::downgrade(&heartbeat.0);
        let pause = limit / 3;
        std::thread::Builder::new()
            .name("ha-health".into())
            .spawn(move || {
                while let Some(beat) = beat.upgrade().map(Self) {
                    if check() {
                        beat.feed();
                    }
                    drop(beat);
                    std::thread::park_timeout(pause);
                }
            })
            .map_err(|error| {
                Error::new(ErrorKind::Unavailable, "start the health check thread").with_source(error)
            })?;
        Ok(heartbeat)
    }

    /// Gives the sign of life. Cheap; from any thread.
    pub fn feed(&self) {
        if let Some(runtime) = self.0.runtime.get() {
            self.0.last.fetch_max(runtime.now().nanos(), Ordering::AcqRel);
            self.0.fed.notify_waiters();
        }
    }

    fn deadline(&self) -> Instant {
        Instant::from_nanos(self.0.last.load(Ordering::Acquire)) + self.0.limit
    }

    async fn until_fed(&self, clock: &Arc<dyn Runtime>) {
        loop {
            let fed = self.0.fed.notified();
            tokio::pin!(fed);
            fed.as_mut().enable();
            if clock.now() < self.deadline() {
                return;
            }
            fed.await;
        }
    }

    /// Reports, on `runtime`, each time the heartbeat stops or starts being fed, until `report` returns false or `stop` fires.
    pub(crate) fn monitor(
        &self,
        runtime: &Arc<dyn Runtime>,
        stop: CancellationToken,
        mut report: impl FnMut(bool) -> bool + Send + 'static,
    ) {
        let clock = Arc::clone(self.0.runtime.get_or_init(|| Arc::clone(runtime)));
        self.0.last.fetch_max(clock.now().nanos(), Ordering::AcqRel);
        let heartbeat = self.clone();
        let watch = async move {
            loop {
                while clock.now() < heartbeat.deadline() {
                    clock.sleep_until(heartbeat.deadline()).await;
                }
                if !report(false) {
                    return;
                }
                heartbeat.until_fed(&clock).await;
                if !report(true) {
                    return;
                }
            }
        };
        let task = async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = watch => {}
            }
        };
        runtime.spawn("health", Box::pin(task));
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heartbeat").field("limit", &self.0.limit).finish_non_exhaustive()
    }
}
