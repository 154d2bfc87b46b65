//! The clocks of the operating system.

use std::time::Duration;

use super::Instant;

/// The time since boot, suspend included.
#[cfg(target_os = "linux")]
pub(super) fn now() -> Instant {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_start(Duration::new(seconds, nanos))
}

/// Elsewhere the monotonic clock of the standard library, which may stop in suspend: good for development.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "this is where time is read")]
pub(super) fn now() -> Instant {
    use std::sync::OnceLock;
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    Instant::from_start(START.get_or_init(std::time::Instant::now).elapsed())
}

/// The wall clock, since 1970.
#[expect(clippy::disallowed_methods, reason = "this is where time is read")]
pub(super) fn wall_clock() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// A random number from the seed that the standard library draws for each `RandomState`.
pub(super) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_does_not_go_back_and_random_numbers_differ() {
        let first = super::now();
        assert!(super::now() >= first);
        assert_ne!(super::random(), super::random());
    }
}
