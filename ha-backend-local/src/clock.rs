//! The clock that all processes of the machine agree on.

use std::fs;
use std::io;
use std::ops::Add;
use std::time::Duration;

use ha_core::runtime::Instant;
use ha_core::{Error, ErrorKind};
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine was booted, suspend included, as the initial time namespace counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Moment {
    /// How long it is until then; zero if it has passed.
    pub(crate) fn until(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0))
    }
}

/// Reads CLOCK_BOOTTIME and takes out what the time namespace of this process adds to it: processes in different containers have to
/// compare deadlines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineClock {
    /// How much later it is in our time namespace.
    offset: i64,
}

impl MachineClock {
    /// Finds out which time namespace this process is in.
    pub(crate) fn find() -> Result<Self, Error> {
        let refuse = |reason: &str| {
            Error::new(ErrorKind::Unsupported, "use a local store").because(format_args!(
                "{reason}, so deadlines could not be compared with those of other processes"
            ))
        };
        let own = fs::read_link("/proc/self/ns/time");
        // The offsets that can be read are those of children. They are ours too, unless this process asked for a new namespace and stayed outside.
        if own.is_ok() && fs::read_link("/proc/self/ns/time_for_children").ok() != own.ok() {
            return Err(refuse(
                "this process is not in the time namespace of its children; start it in that namespace",
            ));
        }
        match fs::read_to_string("/proc/self/timens_offsets") {
            Ok(text) => Self::parse(&text).ok_or_else(|| refuse("/proc/self/timens_offsets makes no sense")),
            // A kernel without time namespaces has one clock for all.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && fs::exists("/proc/self/stat").unwrap_or(false) =>
            {
                Ok(Self { offset: 0 })
            }
            Err(error) => {
                Err(refuse("the time namespace of this process cannot be read from /proc").with_source(error))
            }
        }
    }

    /// Parses lines such as `boottime 86400 0`: seconds, which can be negative, and nanoseconds.
    fn parse(offsets: &str) -> Option<Self> {
        let mut fields =
            offsets.lines().find_map(|line| line.trim_start().strip_prefix("boottime"))?.split_whitespace();
        let seconds: i64 = fields.next()?.parse().ok()?;
        let nanos: i64 = fields.next()?.parse().ok()?;
        Some(Self { offset: seconds.checked_mul(1_000_000_000)?.checked_add(nanos)? })
    }

    /// The present moment.
    pub(crate) fn now(self) -> Moment {
        let time = clock_gettime(ClockId::Boottime);
        let nanos = u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000);
        let own = nanos.saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0));
        Moment(own.saturating_add_signed(self.offset.saturating_neg()))
    }

    /// The same moment on the clock of the runtime of a session.
    pub(crate) fn instant(self, moment: Moment) -> Instant {
        Instant::from_start(Duration::from_nanos(moment.0.saturating_add_signed(self.offset)))
    }
}

/// Nanoseconds since 1970. They may jump, and decide no ownership: a store that is created begins above those before it.
pub(crate) fn wall_nanos() -> u64 {
    let time = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{MachineClock, Moment};
    use std::time::Duration;

    #[test]
    fn processes_in_different_time_namespaces_read_one_clock() {
        let ours = MachineClock::parse("monotonic           0         0\nboottime            0         0\n")
            .unwrap();
        let later = MachineClock::parse("monotonic  86400  0\nboottime   86400  500\n").unwrap();
        let earlier = MachineClock::parse("monotonic  -7 0\nboottime  -7 0\n").unwrap();
        assert_eq!((ours.offset, later.offset, earlier.offset), (0, 86_400_000_000_500, -7_000_000_000));
        let moment = Moment(90_000_000_000_000);
        assert_eq!(
            later.instant(moment).since_start(),
            Duration::from_nanos(90_000_000_000_000 + 86_400_000_000_500)
        );
        assert!(MachineClock::parse("boottime one 0").is_none() && MachineClock::parse("").is_none());
    }

    #[test]
    fn the_clock_of_this_process_is_found_and_goes_on() {
        let clock = MachineClock::find().unwrap();
        let first = clock.now();
        assert!(clock.now() >= first && first > Moment(0));
    }
}
