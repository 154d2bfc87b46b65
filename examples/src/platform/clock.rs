//! The one clock of a run: that of the machine, which all its processes read, so that the instants in its output files can be compared exactly.

use std::fmt;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use ha_core::runtime::{Instant, Runtime};
use serde::{Deserialize, Serialize};

/// An instant of the run: microseconds since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Moment(u64);

impl Moment {
    /// The instant `since_start` after the start of the run.
    pub(super) fn from_start(since_start: Duration) -> Self {
        Self(u64::try_from(since_start.as_micros()).unwrap_or(u64::MAX))
    }

    /// The time since the start of the run.
    pub(super) fn since_start(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// How long ago `earlier` was; zero if it came later.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self::from_start(self.since_start().saturating_add(duration))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.since_start().as_secs_f64())
    }
}

/// Reads the clock of the run and waits on it.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    runtime: Arc<dyn Runtime>,
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(super) fn start(runtime: Arc<dyn Runtime>) -> Self {
        let start = runtime.now();
        Self::started(runtime, start)
    }

    /// The clock that another process has started at `start`.
    pub(super) fn started(runtime: Arc<dyn Runtime>, start: Instant) -> Self {
        Self { runtime, start }
    }

    /// When it started.
    pub(super) fn beginning(&self) -> Instant {
        self.start
    }

    /// The present instant.
    pub(super) fn now(&self) -> Moment {
        Moment::from_start(self.runtime.now().saturating_since(self.start))
    }

    /// Waits for so long.
    pub(super) async fn sleep(&self, duration: Duration) {
        self.runtime.sleep_until(self.runtime.now() + duration).await;
    }

    /// Waits until then.
    pub(super) async fn sleep_until(&self, moment: Moment) {
        self.runtime.sleep_until(self.start + moment.since_start()).await;
    }
}
