//! Waiting, for backends: up to a limit, and between attempts.

use std::future::Future;
use std::time::Duration;

use super::Runtime;

/// The result of `future` if it is there within `limit`, by the clock of `runtime`, which goes on while the machine is suspended.
///
/// # Cancel safety
/// That of `future`, which is dropped at the limit.
pub async fn within<T>(runtime: &dyn Runtime, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let late = runtime.sleep_until(runtime.now() + limit);
    tokio::select! {
        biased;
        value = future => Some(value),
        () = late => None,
    }
}

/// Pauses between attempts: longer and longer, and not the same in every process.
///
/// ```
/// # use std::time::Duration;
/// # use ha_core::runtime::Backoff;
/// let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
/// let (first, second) = (backoff.pause(17), backoff.pause(4));
/// assert!(first >= Duration::from_millis(75) && second >= Duration::from_millis(150));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// The first pause is about `shortest`; each is about twice the one before, up to `longest`.
    #[must_use]
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        Self { next: shortest, longest }
    }

    /// Between attempts that somebody waits for: from 20 ms up to half a second.
    #[must_use]
    pub fn urgent() -> Self {
        Self::new(Duration::from_millis(20), Duration::from_millis(500))
    }

    /// Between attempts in the background: from 50 ms up to five seconds.
    #[must_use]
    pub fn patient() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(5))
    }

    /// The next pause, from three quarters of it up to five quarters, chosen by `random`.
    pub fn pause(&mut self, random: u64) -> Duration {
        let base = self.next;
        self.next = (base * 2).min(self.longest);
        let half = u64::try_from(base.as_micros() / 2).unwrap_or(0).max(1);
        base * 3 / 4 + Duration::from_micros(random % half)
    }

    /// Waits for the next pause.
    ///
    /// # Cancel safety
    /// The pause counts as taken.
    pub async fn wait(&mut self, runtime: &dyn Runtime) {
        let pause = self.pause(runtime.random());
        runtime.sleep_until(runtime.now() + pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn pauses_double_up_to_the_longest_and_vary_by_half() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        for (random, expected) in [(0, 75), (49_999, 199), (0, 300), (0, 300)] {
            assert_eq!(backoff.pause(random).as_millis(), expected);
        }
    }
}
