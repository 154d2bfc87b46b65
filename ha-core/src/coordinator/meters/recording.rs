//! Records what happens with whatever recorder the service has installed.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Label, SharedString, counter, gauge, histogram};

use super::session::Measured;
use crate::coordinator::{Event, Grant, LossReason};
use crate::names::Name;
use crate::runtime::Runtime;
use crate::spi::Session;

/// The meters of one coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    namespace: SharedString,
    node: SharedString,
}

impl Meters {
    pub(crate) fn new(namespace: &Name, node: &Name) -> Self {
        let shared = |name: &Name| SharedString::from_shared(Arc::from(name.as_str()));
        Self { namespace: shared(namespace), node: shared(node) }
    }

    /// Measures the requests of a session.
    pub(crate) fn wrap(&self, session: Arc<dyn Session>, runtime: &Arc<dyn Runtime>) -> Arc<dyn Session> {
        Arc::new(Measured::new(session, Arc::clone(runtime), self.clone()))
    }

    /// Counts what an event tells; grants are counted where they are made, because nobody may listen to their events.
    pub(crate) fn event(&self, event: &Event) {
        match event {
            Event::SessionOpened { .. } => {
                counter!("ha_sessions_opened_total", self.labels()).increment(1);
                self.set("ha_session_up", 1.0);
                self.set("ha_session_suspect", 0.0);
            }
            Event::Suspect { .. } => self.set("ha_session_suspect", 1.0),
            Event::Recovered => self.set("ha_session_suspect", 0.0),
            Event::SessionLost(reason) => {
                counter!("ha_sessions_lost_total", self.with("reason", label(*reason))).increment(1);
                self.down();
            }
            Event::OpenFailed { .. } => counter!("ha_opens_failed_total", self.labels()).increment(1),
            Event::Discontinuity { .. } => counter!("ha_discontinuities_total", self.labels()).increment(1),
            Event::Overrun { .. } => counter!("ha_overruns_total", self.labels()).increment(1),
            Event::Closed => self.down(),
            Event::Joined { group, .. } => gauge!("ha_member", self.with("group", group.clone())).set(1.0),
            Event::Left { group, .. } => gauge!("ha_member", self.with("group", group.clone())).set(0.0),
            Event::Granted { .. } | Event::Ended { .. } | Event::Predecessor { .. } | Event::Missed(_) => {}
        }
    }

    pub(crate) fn granted(&self, kind: &'static str, grant: &Grant) {
        counter!("ha_granted_total", self.with("kind", kind)).increment(1);
        if kind == "election" {
            let labels = || self.with("election", grant.name().to_owned());
            gauge!("ha_leader", labels()).set(1.0);
            gauge!("ha_term", labels()).set(approximately(grant));
        }
    }

    pub(crate) fn ended(&self, kind: &'static str, grant: &Grant, reason: LossReason) {
        let mut labels = self.with("kind", kind);
        labels.push(Label::from_static_parts("reason", label(reason)));
        counter!("ha_ended_total", labels).increment(1);
        histogram!("ha_hold_seconds", self.with("kind", kind)).record(grant.held_for());
        if kind == "election" {
            gauge!("ha_leader", self.with("election", grant.name().to_owned())).set(0.0);
        }
    }

    /// A step of the assignor was written.
    pub(crate) fn planned(&self, partitions: &str, moves: u64, unplaced: usize) {
        let labels = || self.with("partitions", partitions.to_owned());
        counter!("ha_partition_moves_total", labels()).absolute(moves);
        counter!("ha_partition_steps_total", labels()).increment(1);
        let unplaced = u32::try_from(unplaced).unwrap_or(u32::MAX);
        gauge!("ha_partitions_unplaced", labels()).set(f64::from(unplaced));
    }

    /// The view of a group has so many members.
    pub(crate) fn members(&self, group: &str, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        gauge!("ha_members", self.with("group", group.to_owned())).set(f64::from(count));
    }

    pub(crate) fn waited(&self, kind: &'static str, time: Duration) {
        histogram!("ha_wait_seconds", self.with("kind", kind)).record(time);
    }

    /// This node leads after it saw nobody lead for so long.
    pub(crate) fn took_over(&self, kind: &'static str, grant: &Grant, vacant: Duration) {
        if kind == "election" {
            histogram!("ha_takeover_seconds", self.with("election", grant.name().to_owned())).record(vacant);
        }
    }

    /// Commits were in doubt, and what became of them is known now or never will be.
    pub(super) fn doubted(&self, resolved: &'static str, commits: u64) {
        if commits > 0 {
            counter!("ha_commits_in_doubt_total", self.with("resolved", resolved)).increment(commits);
        }
    }

    /// A watch delivered a state that is so many revisions older than the newest one known.
    pub(super) fn lagged(&self, revisions: u64) {
        self.set("ha_watch_lag_revisions", f64::from(u32::try_from(revisions).unwrap_or(u32::MAX)));
    }

    pub(crate) fn renewed(&self, took: Duration, remaining: Duration) {
        histogram!("ha_renewal_seconds", self.labels()).record(took);
        self.set("ha_session_remaining_seconds", remaining.as_secs_f64());
    }

    pub(crate) fn renewal_failed(&self) {
        counter!("ha_renewals_failed_total", self.labels()).increment(1);
    }

    pub(super) fn requested(&self, operation: &'static str, result: String, took: Duration) {
        let mut labels = self.with("operation", operation);
        labels.push(Label::new("result", result));
        counter!("ha_requests_total", labels).increment(1);
        histogram!("ha_request_seconds", self.with("operation", operation)).record(took);
    }

    pub(super) fn count(&self, name: &'static str) {
        counter!(name, self.labels()).increment(1);
    }

    fn set(&self, name: &'static str, value: f64) {
        gauge!(name, self.labels()).set(value);
    }

    fn down(&self) {
        for name in ["ha_session_up", "ha_session_suspect", "ha_session_remaining_seconds"] {
            self.set(name, 0.0);
        }
    }

    fn labels(&self) -> Vec<Label> {
        vec![Label::new("namespace", self.namespace.clone()), Label::new("node", self.node.clone())]
    }

    fn with(&self, key: &'static str, value: impl Into<SharedString>) -> Vec<Label> {
        let mut labels = self.labels();
        labels.push(Label::new(key, value));
        labels
    }
}

/// A gauge is a floating-point number, exact for tokens below 2^53.
#[expect(clippy::cast_precision_loss, reason = "whoever needs the exact token takes it from the event")]
fn approximately(grant: &Grant) -> f64 {
    grant.token().as_u64() as f64
}

fn label(reason: LossReason) -> &'static str {
    match reason {
        LossReason::Expired => "expired",
        LossReason::SessionLost => "session_lost",
        LossReason::Removed => "removed",
        LossReason::Forgotten => "forgotten",
        LossReason::Released => "released",
        LossReason::Downgraded => "downgraded",
        LossReason::Overdue => "overdue",
        LossReason::Transferred => "transferred",
        LossReason::Unhealthy => "unhealthy",
        LossReason::Shutdown => "shutdown",
    }
}
