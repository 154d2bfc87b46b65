//! Sleeping on the clock that counts suspend.
//!
//! One timerfd per runtime, armed for the earliest deadline: tokio's own timers run on a clock that stops while the
//! machine is suspended, so a grant that ran out meanwhile would be noticed late by the length of the suspend.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use super::{Instant, clock};
use crate::sync::lock;

/// The sleepers of one runtime, and the task that wakes them.
#[derive(Debug)]
pub(super) struct Timer {
    sleepers: Mutex<Sleepers>,
    /// Wakes the task: there is an earlier deadline, or nobody left who could sleep.
    earlier: Arc<Notify>,
}

impl Drop for Timer {
    /// Lets the task end.
    fn drop(&mut self) {
        self.earlier.notify_one();
    }
}

#[derive(Debug, Default)]
struct Sleepers {
    next_id: u64,
    waiting: BTreeMap<(Instant, u64), Waker>,
    /// When the alarm goes off. It may be early, since who slept until then may be gone: most sleeps are timeouts that are not
    /// needed, and arming the alarm anew for each of them would cost more than looking in vain.
    armed: Option<Instant>,
}

impl Timer {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { sleepers: Mutex::default(), earlier: Arc::default() })
    }

    /// A future that ends at `deadline`.
    pub(super) fn sleep_until(self: &Arc<Self>, deadline: Instant) -> Sleep {
        Sleep { timer: Arc::clone(self), deadline, id: None }
    }

    /// When the alarm is to go off now: at the earliest deadline.
    fn arm(&self) -> Option<Instant> {
        let mut sleepers = lock(&self.sleepers);
        sleepers.armed = sleepers.waiting.keys().next().map(|(deadline, _)| *deadline);
        sleepers.armed
    }

    /// Wakes who has slept long enough. Tells when to do so again.
    fn wake_due(&self) -> Option<Instant> {
        let now = clock::now();
        let mut due = Vec::new();
        {
            let mut sleepers = lock(&self.sleepers);
            while let Some(entry) = sleepers.waiting.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                due.push(entry.remove());
            }
        }
        due.into_iter().for_each(Waker::wake);
        self.arm()
    }

    /// The task that wakes sleepers, until there can be none any more. Runs on the runtime that owns the timer.
    #[cfg(target_os = "linux")]
    pub(super) fn task(self: &Arc<Self>) -> impl Future<Output = std::io::Result<()>> + Send + use<> {
        let (timer, earlier) = (Arc::downgrade(self), Arc::clone(&self.earlier));
        async move {
            let alarm = alarm::Alarm::new()?;
            while let Some(next) = timer.upgrade().map(|timer| timer.wake_due()) {
                alarm.set(next)?;
                tokio::select! {
                    biased;
                    () = earlier.notified() => {}
                    fired = alarm.fired() => fired?,
                }
            }
            Ok(())
        }
    }

    /// The task that wakes sleepers, until there can be none any more, by tokio's clock: timerfd is Linux's.
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::disallowed_methods, reason = "this is where time is waited for")]
    pub(super) fn task(self: &Arc<Self>) -> impl Future<Output = std::io::Result<()>> + Send + use<> {
        let (timer, earlier) = (Arc::downgrade(self), Arc::clone(&self.earlier));
        async move {
            while let Some(next) = timer.upgrade().map(|timer| timer.wake_due()) {
                let wait = match next {
                    Some(earliest) => earliest.saturating_since(clock::now()),
                    None => std::time::Duration::from_secs(3600),
                };
                tokio::select! {
                    biased;
                    () = earlier.notified() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
            Ok(())
        }
    }
}

/// A sleep; see [`Timer::sleep_until`].
#[derive(Debug)]
pub(super) struct Sleep {
    timer: Arc<Timer>,
    deadline: Instant,
    id: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if clock::now() >= self.deadline {
            return Poll::Ready(());
        }
        let timer = Arc::clone(&self.timer);
        let mut sleepers = lock(&timer.sleepers);
        let id = *self.id.get_or_insert_with(|| {
            sleepers.next_id += 1;
            sleepers.next_id
        });
        sleepers.waiting.insert((self.deadline, id), cx.waker().clone());
        let is_too_late = sleepers.armed.is_none_or(|armed| self.deadline < armed);
        drop(sleepers);
        if is_too_late {
            timer.earlier.notify_one();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            lock(&self.timer.sleepers).waiting.remove(&(self.deadline, id));
        }
    }
}

#[cfg(target_os = "linux")]
mod alarm {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    use super::Instant;

    /// A timerfd on the clock that counts suspend.
    pub(super) struct Alarm(AsyncFd<OwnedFd>);

    impl Alarm {
        #[expect(
            deprecated,
            reason = "its replacement is unsafe; a descriptor that we own and do not close is I/O safe"
        )]
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            Ok(Self(AsyncFd::new(timerfd_create(TimerfdClockId::Boottime, flags)?)?))
        }

        /// Arms the alarm for `deadline`, or disarms it.
        pub(super) fn set(&self, deadline: Option<Instant>) -> io::Result<()> {
            // A timerfd set to zero is disarmed, so the earliest possible deadline is one nanosecond after boot.
            let since_boot =
                deadline.map(|deadline| deadline.since_start().max(std::time::Duration::from_nanos(1)));
            let value = since_boot.unwrap_or_default();
            let time = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec {
                    tv_sec: i64::try_from(value.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: value.subsec_nanos().into(),
                },
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::ABSTIME, &time)?;
            Ok(())
        }

        /// Waits until the alarm goes off.
        pub(super) async fn fired(&self) -> io::Result<()> {
            let mut ready = self.0.readable().await?;
            let mut count = [0_u8; 8];
            match rustix::io::read(self.0.get_ref(), &mut count) {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::Timer;
    use crate::runtime::clock;

    #[test]
    fn the_alarm_is_armed_anew_for_earlier_deadlines_only() {
        let (timer, now) = (Timer::new(), clock::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        let sleeping = |seconds| {
            let mut sleep = Box::pin(timer.sleep_until(at(seconds)));
            assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            sleep
        };
        let is_asked_for = || {
            let asked =
                pin!(timer.earlier.notified()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
            asked.then(|| timer.arm()).is_some()
        };
        let _first = sleeping(100);
        assert!(is_asked_for(), "nothing was armed");
        let _later = sleeping(200);
        assert!(!is_asked_for());
        let earlier = sleeping(50);
        assert!(is_asked_for());
        drop(earlier);
        let _next = sleeping(70);
        assert!(!is_asked_for(), "it goes off before, which is enough");
        assert_eq!(timer.arm(), Some(at(70)), "and is armed anew then");
    }
}
