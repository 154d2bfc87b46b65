//! Waiting on the clock that counts suspend.

use std::future::Future;
use std::time::Duration;

use ha_core::runtime::Runtime;

/// The result of `future` if it is there within `limit`.
pub(crate) async fn within<T>(
    runtime: &dyn Runtime,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let late = runtime.sleep_until(runtime.now() + limit);
    tokio::select! {
        biased;
        value = future => Some(value),
        () = late => None,
    }
}

/// As many microseconds as last for `ttl`, and not a part of one less.
pub(crate) fn micros(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// Pauses between attempts: longer and longer, and not the same in every process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// The first pause is `shortest`; each is twice the one before, up to `longest`.
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { next: shortest, longest }
    }

    /// Between attempts that somebody waits for.
    pub(crate) fn urgent() -> Self {
        Self::new(Duration::from_millis(20), Duration::from_millis(500))
    }

    /// Between attempts in the background.
    pub(crate) fn patient() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(5))
    }

    /// The next pause: three quarters of it, and up to as much again by chance.
    pub(crate) fn pause(&mut self, random: u64) -> Duration {
        let base = self.next;
        self.next = (base * 2).min(self.longest);
        let half = u64::try_from(base.as_micros() / 2).unwrap_or(0).max(1);
        base * 3 / 4 + Duration::from_micros(random % half)
    }

    /// Waits for the next pause.
    pub(crate) async fn wait(&mut self, runtime: &dyn Runtime) {
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
