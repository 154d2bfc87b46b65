//! When to renew, when to worry, when to stop believing. Pure: no I/O, no clock.

use std::time::Duration;

use crate::runtime::Instant;
use crate::zoo::{Bug, planted};

/// How long after it was sent a renewal proves life, and how often to send one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    usable: Duration,
    margin: Duration,
    attempt: Duration,
}

impl Validity {
    /// From the granted ttl and the per mille of it for which the backend lets a renewal count.
    ///
    /// The margin covers the difference in rate between two clocks (2 %) and the time that a loaded machine takes to run the work that
    /// ends (100 ms, or a tenth of a ttl that is below a second).
    pub(crate) fn new(ttl: Duration, per_mille: u32) -> Self {
        let proven = ttl * per_mille.min(1_000) / 1_000;
        let margin = (ttl / 50).max((ttl / 10).min(Duration::from_millis(100)));
        let margin = if planted(Bug::NoMargin) { Duration::ZERO } else { margin };
        // A renewal that hangs is sent again, before it costs more than a fraction of what the session has left.
        let attempt = (ttl / 6).min(Duration::from_secs(1));
        Self { usable: proven.saturating_sub(margin), margin, attempt }
    }

    /// Until when grants are valid after a renewal that was sent at `sent`.
    pub(crate) fn until(&self, sent: Instant) -> Instant {
        sent + self.usable
    }

    /// What is kept back between our own deadline and the earliest expiry.
    pub(crate) fn margin(&self) -> Duration {
        self.margin
    }

    /// The time between renewals: three chances in each validity.
    pub(crate) fn period(&self) -> Duration {
        self.usable / 3
    }

    /// After how long an unanswered renewal is given up on.
    pub(crate) fn patience(&self) -> Duration {
        self.usable / 2
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send a renewal.
    Send,
    /// Nothing before this instant.
    Wait(Instant),
    /// The deadline has passed: the session is lost, whatever the backend says later.
    Lost,
}

/// The renewals of one session.
#[derive(Debug)]
pub(crate) struct Schedule {
    validity: Validity,
    deadline: Instant,
    next: Instant,
    waiting_since: Option<Instant>,
    suspect: bool,
}

impl Schedule {
    /// A session whose opening was sent at `sent`.
    pub(crate) fn new(validity: Validity, sent: Instant) -> Self {
        let deadline = validity.until(sent);
        Self { validity, deadline, next: sent + validity.period(), waiting_since: None, suspect: false }
    }

    /// Until when the session is valid as far as is known.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether a renewal is late or has failed since the last one that succeeded.
    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// What to do at `now`.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if now >= self.deadline {
            return Step::Lost;
        }
        if self.waiting_since.is_some_and(|since| now >= since + self.validity.attempt) {
            self.suspect = true;
            self.waiting_since = None;
            self.next = now;
        }
        if now >= self.next {
            return Step::Send;
        }
        let late = self.waiting_since.map_or(self.deadline, |since| since + self.validity.attempt);
        Step::Wait(self.next.min(late).min(self.deadline))
    }

    /// A renewal is sent at `now`.
    pub(crate) fn on_sent(&mut self, now: Instant) {
        self.waiting_since = Some(now);
        self.next = now + self.validity.period();
    }

    /// The renewal that was sent at `sent` succeeded.
    pub(crate) fn on_renewed(&mut self, sent: Instant) {
        self.deadline = self.deadline.max(self.validity.until(sent));
        self.suspect = false;
        self.waiting_since = self.waiting_since.filter(|since| *since > sent);
    }

    /// A renewal failed: try again soon, and more than once before the deadline.
    pub(crate) fn on_failed(&mut self, now: Instant) {
        self.suspect = true;
        self.waiting_since = None;
        self.next = self.next.min(now + self.validity.attempt / 2);
    }
}

#[cfg(test)]
#[path = "renewal_test.rs"]
mod tests;
