//! What a backend, in this deployment, can do.

use std::time::Duration;

/// Between whom grants of a backend hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Scope {
    /// The tasks and threads of one process.
    Threads,
    /// The processes of one machine.
    Processes,
    /// The machines that reach the same store.
    Hosts,
}

/// What a backend can do. A request beyond it is an error at construction, never a silent no-op.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The name of the backend, as its URL scheme.
    pub backend: &'static str,
    /// Between whom its grants hold.
    pub scope: Scope,
    /// The shortest ttl that it grants.
    pub ttl_min: Duration,
    /// The longest ttl that it grants.
    pub ttl_max: Duration,
    /// A ttl is rounded up to a multiple of this.
    pub ttl_step: Duration,
    /// The per mille of the ttl for which a renewal is a proof of life, counted from the instant before it was sent.
    /// 1,000 where the authority that expires sessions takes the renewal itself as the start of a new ttl.
    pub validity_per_mille: u32,
    /// How much later than the ttl the backend may end the session of a dead process.
    pub expiry_slack: Duration,
    /// The most guards, and likewise the most operations, of one transaction.
    pub operations_max: usize,
    /// The longest value, in bytes. At least [`Capabilities::VALUE_BYTES`].
    pub value_bytes_max: usize,
    /// Whether listings and snapshots are linearizable. Without it they can be stale while the server is cut off.
    pub linearizable_reads: bool,
    /// Whether acknowledged grants survive a failover of the server. Without it a discontinuity tells.
    pub survives_failover: bool,
    /// Whether sessions that the store still knows go on after a discontinuity, so that their grants are looked up one by one. Without it the
    /// history takes every session of the process with it, and each grant is lost with its session.
    pub sessions_outlive_discontinuity: bool,
    /// Whether the name of a deleted entry goes on costing, until the store forgets its history. The core then uses the names of places in a queue
    /// again, by the same session and once the deletion is committed, although it calls them [unique](super::Naming::Unique). So only a backend
    /// that tells incarnations apart by their revisions says so. It has no effect where sessions outlive a discontinuity.
    pub remembers_names: bool,
    /// Whether [`Session::end`](super::Session::end) works.
    pub ends_sessions: bool,
    /// Whether a commit is usually done when its future was polled once, on any thread, and that takes no longer than some ten microseconds. The core then polls it
    /// once on the thread of the caller, and only what is not done by then on its I/O thread.
    pub commits_inline: bool,
    /// Whether a transaction may have a [`Take`](super::Take): the store chooses by itself, at the instant of the commit, what a worker takes. Without it the core looks first and
    /// takes then.
    pub takes: bool,
}

impl Capabilities {
    /// What every backend stores in one value, in bytes.
    pub const VALUE_BYTES: usize = 64 * 1024;

    /// The capabilities of a plain linearizable server: ttl from 1 s to a day in any step, 100 operations, values of
    /// 64 KiB. Set the fields that differ.
    #[must_use]
    pub fn new(backend: &'static str, scope: Scope) -> Self {
        Self {
            backend,
            scope,
            ttl_min: Duration::from_secs(1),
            ttl_max: Duration::from_secs(24 * 60 * 60),
            ttl_step: Duration::from_nanos(1),
            validity_per_mille: 1_000,
            expiry_slack: Duration::from_secs(1),
            operations_max: 100,
            value_bytes_max: Self::VALUE_BYTES,
            linearizable_reads: true,
            survives_failover: true,
            sessions_outlive_discontinuity: true,
            remembers_names: false,
            ends_sessions: true,
            commits_inline: false,
            takes: false,
        }
    }
}
