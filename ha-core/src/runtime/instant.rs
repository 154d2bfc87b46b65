//! An instant on a clock that counts suspend.

use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant on the clock of a [`Runtime`](super::Runtime).
///
/// On Linux it is the time since boot, suspend included (`CLOCK_BOOTTIME`), so it is comparable between the processes
/// of one machine. Arithmetic saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// The instant `since_start` after the start of the clock.
    #[must_use]
    pub fn from_start(since_start: Duration) -> Self {
        Self(u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time since the start of the clock.
    #[must_use]
    pub fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// How long ago `earlier` was; zero if it is in the future.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The number of nanoseconds since the start of the clock.
    pub(crate) fn nanos(self) -> u64 {
        self.0
    }

    /// The instant `nanos` nanoseconds after the start of the clock.
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}
