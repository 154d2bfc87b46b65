//! What a run promises in numbers.

use std::time::Duration;

/// The times and limits that a history is judged by, and what its backend promises at all.
///
/// Times are nanoseconds, like those of the records.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// The longest ttl of a session in the run.
    pub ttl: u64,
    /// How long after its deadline the store may take to end a session.
    pub expiry_slack: u64,
    /// How late a loss may be noticed on a process that runs.
    pub loss_notice: u64,
    /// How long a healthy system may take to give what is free to somebody who waits for it, and to show a change to those who watch:
    /// a ttl, the election of a server, and 2 s.
    pub recovery: u64,
    /// How long a change of a group may take to be in the views of healthy watchers.
    pub visible: u64,
    /// How long one commit of a healthy process takes at most.
    pub commit_time: u64,
    /// Two calls of one process that were asked closer together than this have no order: their threads may overtake each other between
    /// the record and the call.
    pub call_order: u64,
    /// How far a token lies above the revision that it stands for: the base of the namespace.
    pub token_base: u64,
    /// Whether no two holders may believe at the same time (L3, E1): not where the clocks may run apart by more than the margin, or the
    /// backend may forget what it acknowledged.
    pub exclusive_in_time: bool,
    /// Whether reads are linearizable (K1).
    pub linearizable_reads: bool,
    /// The longest value that the backend takes, in bytes (K7). Values of up to 64 KiB are never refused.
    pub value_bytes: u64,
    /// How long it is remembered at least that an item is done; 0 where only so many are remembered.
    pub retention: u64,
    /// How far the wall clocks may differ.
    pub wall_clocks: u64,
    /// How many steps the search for a linearization may take per key or lock. Beyond it the verdict is "undecided", which is not a pass.
    pub search_steps: u64,
}

impl Bounds {
    /// The bounds of a run on a linearizable backend with sessions of this ttl.
    #[must_use]
    pub fn new(ttl: Duration) -> Self {
        let ttl = nanos(ttl);
        Self {
            ttl,
            expiry_slack: nanos(Duration::from_secs(1)),
            loss_notice: nanos(Duration::from_millis(50)),
            recovery: ttl.saturating_add(nanos(Duration::from_secs(4))),
            visible: nanos(Duration::from_secs(1)),
            commit_time: nanos(Duration::from_millis(500)),
            call_order: nanos(Duration::from_millis(1)),
            token_base: 0,
            exclusive_in_time: true,
            linearizable_reads: true,
            value_bytes: 64 * 1024,
            retention: nanos(Duration::from_secs(24 * 60 * 60)),
            wall_clocks: nanos(Duration::from_millis(1)),
            search_steps: 1_000_000,
        }
    }

    /// After which time at the latest the store has ended the session of a process that cannot reach it.
    pub(crate) fn expiry(&self) -> u64 {
        self.ttl.saturating_add(self.expiry_slack)
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
