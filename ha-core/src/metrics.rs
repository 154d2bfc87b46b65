//! What is counted and measured, with feature `metrics`, for whatever recorder the service has installed.
//!
//! Install a recorder of the `metrics` crate, call [`describe`], then connect. Every metric has the labels `namespace` and `node`, and those of its
//! own. **Names and labels are API**: they change with a major version only. What to alert on is in the [guide](crate::guide::operating).

use ::metrics::Unit;

/// How the values of a metric are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It only grows.
    Counter,
    /// The present value.
    Gauge,
    /// Many values, in seconds.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// How its values are to be read.
    pub kind: Kind,
    /// Its labels beside `namespace` and `node`.
    pub labels: &'static [&'static str],
    /// What it says.
    pub description: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], description: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, description }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], description: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, description }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], description: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, description }
}

/// All metrics.
pub const ALL: &[Metric] = &[
    gauge("ha_session_up", &[], "1 while there is a session"),
    gauge("ha_session_suspect", &[], "1 while a renewal is late or failed"),
    gauge(
        "ha_session_remaining_seconds",
        &[],
        "how long grants were valid without a further renewal, at the latest renewal",
    ),
    counter("ha_sessions_opened_total", &[], "sessions that were opened"),
    counter("ha_sessions_lost_total", &["reason"], "sessions that were lost, and all grants with them"),
    counter("ha_opens_failed_total", &[], "attempts to open a session that failed"),
    histogram("ha_renewal_seconds", &[], "how long a renewal took that succeeded"),
    counter("ha_renewals_failed_total", &[], "renewals that failed or were not answered in time"),
    counter(
        "ha_requests_total",
        &["operation", "result"],
        "requests to the backend; a result `Unknown` is a write of which nobody knows whether it was applied",
    ),
    histogram(
        "ha_request_seconds",
        &["operation"],
        "how long a request to the backend took, whatever its result",
    ),
    counter(
        "ha_commits_in_doubt_total",
        &["resolved"],
        "commits whose answer was lost: `true` if the backend found out what became of them, `false` if nobody can know",
    ),
    counter("ha_watches_opened_total", &[], "watches that were opened"),
    counter(
        "ha_watch_snapshots_total",
        &[],
        "snapshots that watches delivered: one for each watch, and one after each gap",
    ),
    counter("ha_watch_interruptions_total", &[], "times at which a watch could not know"),
    gauge(
        "ha_watch_lag_revisions",
        &[],
        "how much older than the newest state this node had been shown the state was that a watch delivered last",
    ),
    counter("ha_discontinuities_total", &[], "times at which the store may have forgotten commits"),
    gauge("ha_leader", &["election"], "1 while this node leads"),
    gauge("ha_term", &["election"], "the token of the latest leadership of this node"),
    histogram(
        "ha_takeover_seconds",
        &["election"],
        "how long this node saw that nobody led, after somebody had, until it led itself",
    ),
    gauge("ha_member", &["group"], "1 while this node is a member"),
    gauge("ha_members", &["group"], "how many members this node sees, if it looks"),
    counter("ha_granted_total", &["kind"], "leaderships, locks and whatever else was granted to this node"),
    counter("ha_ended_total", &["kind", "reason"], "grants of this node that ended"),
    histogram("ha_wait_seconds", &["kind"], "how long a caller waited for a grant that it got"),
    histogram("ha_hold_seconds", &["kind"], "how long a grant was held"),
    counter(
        "ha_partition_moves_total",
        &["partitions"],
        "grants of a partition to another member than before, as the node that assigned last counted them",
    ),
    counter("ha_partition_steps_total", &["partitions"], "steps that this node wrote as the assignor"),
    gauge(
        "ha_partitions_unplaced",
        &["partitions"],
        "partitions, and standbys of partitions, without a place in the latest plan of this node",
    ),
    counter("ha_overruns_total", &[], "guarded works that went on after their grant was lost"),
];

/// Tells the installed recorder the description of each metric. Once, before connecting.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => ::metrics::describe_counter!(metric.name, metric.description),
            Kind::Gauge => ::metrics::describe_gauge!(metric.name, metric.description),
            Kind::Histogram => {
                ::metrics::describe_histogram!(metric.name, Unit::Seconds, metric.description);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Kind};

    /// Dashboards and alarms of others hang on these: change the list in the changelog first.
    #[test]
    fn names_and_labels_are_api() {
        let shown: Vec<String> =
            ALL.iter().map(|metric| format!("{}{{{}}}", metric.name, metric.labels.join(","))).collect();
        let pinned = [
            "ha_session_up{}",
            "ha_session_suspect{}",
            "ha_session_remaining_seconds{}",
            "ha_sessions_opened_total{}",
            "ha_sessions_lost_total{reason}",
            "ha_opens_failed_total{}",
            "ha_renewal_seconds{}",
            "ha_renewals_failed_total{}",
            "ha_requests_total{operation,result}",
            "ha_request_seconds{operation}",
            "ha_commits_in_doubt_total{resolved}",
            "ha_watches_opened_total{}",
            "ha_watch_snapshots_total{}",
            "ha_watch_interruptions_total{}",
            "ha_watch_lag_revisions{}",
            "ha_discontinuities_total{}",
            "ha_leader{election}",
            "ha_term{election}",
            "ha_takeover_seconds{election}",
            "ha_member{group}",
            "ha_members{group}",
            "ha_granted_total{kind}",
            "ha_ended_total{kind,reason}",
            "ha_wait_seconds{kind}",
            "ha_hold_seconds{kind}",
            "ha_partition_moves_total{partitions}",
            "ha_partition_steps_total{partitions}",
            "ha_partitions_unplaced{partitions}",
            "ha_overruns_total{}",
        ];
        assert_eq!(shown, pinned);
        for metric in ALL {
            let says = (metric.name.ends_with("_total"), metric.name.ends_with("_seconds"));
            match metric.kind {
                Kind::Counter => assert!(says.0, "{}", metric.name),
                Kind::Histogram => assert!(says.1, "{}", metric.name),
                Kind::Gauge => assert!(!says.0, "{}", metric.name),
            }
        }
    }
}
