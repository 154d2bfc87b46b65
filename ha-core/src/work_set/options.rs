//! What handles of a work-set can be told: how often an item is tried, and how long it is remembered.

use std::time::Duration;

/// How often an item is tried, and when again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// After so many failures an item is a dead letter. At least 1.
    pub max_failures: u32,
    /// After so many claims that nobody settled, because a worker died or took too long, an item is a dead letter: it may be what they die of. At least 1.
    pub max_abandons: u32,
    /// How long an item waits after its first failure. Doubles with each failure, and varies by a quarter from item to item, so that what failed together does not come back together.
    pub backoff: Duration,
    /// The longest such wait.
    pub backoff_max: Duration,
}

impl Default for Retry {
    /// 10 failures or 5 abandoned claims, back-off from 1 second to 10 minutes: an outage of an hour is survived, a hopeless item is out of the way within two.
    fn default() -> Self {
        Self {
            max_failures: 10,
            max_abandons: 5,
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(600),
        }
    }
}

impl Retry {
    /// With another [`max_failures`](Self::max_failures).
    #[must_use]
    pub fn max_failures(mut self, most: u32) -> Self {
        self.max_failures = most;
        self
    }

    /// With another [`max_abandons`](Self::max_abandons).
    #[must_use]
    pub fn max_abandons(mut self, most: u32) -> Self {
        self.max_abandons = most;
        self
    }

    /// With a [`backoff`](Self::backoff) that begins with `first`.
    #[must_use]
    pub fn backoff(mut self, first: Duration) -> Self {
        self.backoff = first;
        self
    }

    /// With another [`backoff_max`](Self::backoff_max).
    #[must_use]
    pub fn backoff_max(mut self, longest: Duration) -> Self {
        self.backoff_max = longest;
        self
    }

    /// How long the item `id` waits after so many failures.
    pub(super) fn wait(&self, id: &str, failures: u32) -> Duration {
        let doubled = 2_u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = self.backoff.saturating_mul(doubled).min(self.backoff_max);
        // The same for each process that computes it, different for each item and try.
        let spread = u32::try_from(hash(id.as_bytes(), u64::from(failures)) % 512).unwrap_or(0);
        wait.saturating_sub(wait / 4).saturating_add((wait / 1_024).saturating_mul(spread))
    }
}

/// How long it is remembered that an item is done, so that adding it again does not do it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// For so long after the completion.
    pub time: Duration,
    /// For about so many items, the latest ones. Whichever ends first counts.
    pub count: u64,
}

impl Default for Retention {
    /// A day and a million items.
    fn default() -> Self {
        Self { time: Duration::from_secs(24 * 60 * 60), count: 1_000_000 }
    }
}

impl Retention {
    /// With another [`time`](Self::time).
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// With another [`count`](Self::count).
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }
}

/// What a handle wants of the work-set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) retry: Retry,
    pub(super) retention: Retention,
    /// How long a claim may take, unless it is extended.
    pub(super) deadline: Option<Duration>,
}

/// FNV-1a: the same in every process and release.
pub(super) fn hash(bytes: &[u8], seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed;
    let mixed =
        bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    mixed ^ mixed >> 29
}

#[cfg(test)]
mod tests {
    use super::{Retention, Retry};
    use std::time::Duration;

    #[test]
    fn each_option_is_set_by_its_own_name_and_leaves_the_others() {
        let (short, long) = (Duration::from_millis(1), Duration::from_millis(2));
        let retry = Retry::default().max_failures(3).max_abandons(4).backoff(short).backoff_max(long);
        assert_eq!(retry, Retry { max_failures: 3, max_abandons: 4, backoff: short, backoff_max: long });
        assert_eq!(Retention::default().time(long).count(7), Retention { time: long, count: 7 });
    }

    #[test]
    fn the_longest_wait_is_no_overflow() {
        let retry = Retry { backoff: Duration::MAX, backoff_max: Duration::MAX, ..Retry::default() };
        for id in 0..50 {
            assert!(retry.wait(&format!("item-{id}"), 1) >= Duration::MAX / 4 * 3);
        }
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_differs_among_items() {
        let retry = Retry {
            backoff: Duration::from_secs(8),
            backoff_max: Duration::from_secs(60),
            ..Retry::default()
        };
        for (failures, whole) in [(1, 8), (2, 16), (3, 32), (4, 60), (40, 60), (u32::MAX, 60)] {
            let (low, high) = (Duration::from_secs(whole) * 3 / 4, Duration::from_secs(whole) * 5 / 4);
            let waits: Vec<_> = (0..50).map(|id| retry.wait(&format!("item-{id}"), failures)).collect();
            assert!(waits.iter().all(|wait| (low..=high).contains(wait)), "{failures}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait < low + (high - low) / 4));
            assert!(waits.iter().any(|wait| *wait > high - (high - low) / 4));
        }
    }
}
