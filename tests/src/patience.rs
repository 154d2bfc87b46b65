//! More time for everything, on a machine that is slow or stands still now and then.

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Harness, Missing, Store};

/// In the environment: how many times as long everything may take, from 1 to [`TIMES_MAX`]. With more than two some cases wait for an answer longer than a backend that gives up after a second.
const PATIENCE: &str = "HA_TEST_PATIENCE";

/// A case of hours helps nobody.
const TIMES_MAX: u32 = 10;

/// What `harness` brings, with sessions that live longer and cases that may take longer.
#[derive(Debug)]
struct Patient {
    harness: Arc<dyn Harness>,
    times: u32,
}

/// The harness, as patient as the environment wants it.
pub(crate) fn patient(harness: Arc<dyn Harness>) -> Arc<dyn Harness> {
    let Some(wanted) = std::env::var_os(PATIENCE) else { return harness };
    match times(&wanted.to_string_lossy()) {
        Some(times) => Arc::new(Patient { harness, times }),
        None => {
            eprintln!("{PATIENCE} has to be a number from 1 to {TIMES_MAX}; {wanted:?} is ignored");
            harness
        }
    }
}

fn times(text: &str) -> Option<u32> {
    text.parse().ok().filter(|times| (1..=TIMES_MAX).contains(times))
}

impl Harness for Patient {
    fn name(&self) -> &str {
        self.harness.name()
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        self.harness.store()
    }

    fn ttl(&self) -> Duration {
        self.harness.ttl() * self.times
    }

    fn margin(&self) -> Duration {
        self.harness.margin() * self.times
    }

    fn bound(&self) -> Duration {
        self.harness.bound() * self.times
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Patient, times};
    use crate::harness::Harness;
    use crate::memory::MemoryHarness;

    #[test]
    fn everything_takes_so_many_times_as_long() {
        let harness = MemoryHarness::new();
        let (ttl, margin, bound) = (harness.ttl(), harness.margin(), harness.bound());
        let patient = Patient { harness: Arc::new(harness), times: 3 };
        assert_eq!((patient.ttl(), patient.margin(), patient.bound()), (ttl * 3, margin * 3, bound * 3));
    }

    #[test]
    fn the_environment_says_how_many_times() {
        assert_eq!(["1", "3", "10"].map(times), [Some(1), Some(3), Some(10)]);
        assert_eq!(["", "0", "11", "-1", "many"].map(times), [None; 5]);
    }
}
