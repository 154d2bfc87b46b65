//! What happened in a batch of runs: a fault that never happened proves nothing.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Something that should happen now and then.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Counter { $($(#[$doc])* $name,)* }

        impl Counter {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// What it counts.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

counters! {
    /// A request never arrived.
    LostRequest = "requests lost before their effect",
    /// A reply never arrived.
    LostReply = "replies lost after the effect",
    /// A second copy of a request arrived.
    Duplicate = "late second copies of a request",
    /// A late copy was refused because its connection had been killed.
    LateCopyKilled = "late copies refused after a kill",
    /// A commit was resolved by looking for its op id, and had been applied.
    ResolvedApplied = "doubtful commits found applied",
    /// A commit was resolved by looking for its op id, and had not been applied.
    ResolvedAbsent = "doubtful commits found absent and repeated",
    /// A message took very long.
    SlowMessage = "slow messages",
    /// A node was cut off in both directions.
    CutBoth = "nodes cut off",
    /// Only the requests of a node were cut.
    CutRequests = "nodes whose requests were cut",
    /// Only the replies to a node were cut.
    CutReplies = "nodes whose replies were cut",
    /// Everything of a node but its renewals was cut.
    CutData = "nodes cut off but for their renewals",
    /// A node was frozen.
    Frozen = "nodes frozen",
    /// A node was frozen for longer than the ttl.
    FrozenLong = "nodes frozen beyond the ttl",
    /// The machine of a node was suspended.
    Suspended = "machines suspended",
    /// A node was shut down in good order.
    ShutDown = "nodes shut down in good order",
    /// An administrator deleted an entry.
    Deleted = "entries deleted by an administrator",
    /// A node crashed.
    Crashed = "nodes crashed",
    /// A crashed node came back under its name.
    Restarted = "nodes restarted",
    /// A process was started under the name of one that was alive.
    Replaced = "processes started beside a living one of their node",
    /// A member joined.
    Joined = "members that joined",
    /// A member joined again by itself.
    Rejoined = "members that joined again by themselves",
    /// A view was told as a whole after changes.
    Resynced = "views told anew after a gap",
    /// A session was ended by an administrator.
    Expired = "sessions ended by an administrator",
    /// A watch broke and began again with a snapshot.
    WatchGap = "watches interrupted",
    /// A listing showed a state that was not the latest any more.
    Older = "listings of an older state",
    /// The store forgot commits.
    Forgotten = "discontinuities",
    /// A future of the public API was dropped.
    Dropped = "futures dropped",
    /// A future of the public API was dropped right after one of its first polls.
    DroppedAtPoll = "futures dropped at a chosen poll",
    /// Something was granted.
    Granted = "grants",
    /// A holder lost its grant before it released it.
    LostWhileHeld = "grants lost while held",
    /// A grant went from one node to another.
    MovedNode = "grants that moved to another node",
    /// A write with an old token was refused at the resource.
    StaleWrite = "stale writes refused",
    /// A coordinator replaced a lost session.
    Reopened = "sessions replaced",
    /// Leadership was handed over on request.
    Transferred = "leaderships handed over",
    /// A writer went on as a reader.
    Downgraded = "write locks downgraded",
    /// A new leader learnt that its predecessor had vanished.
    Vanished = "leaders told that their predecessor vanished",
    /// A partition was taken from an owner that lives.
    Revoked = "partitions revoked",
    /// A member left of its own accord.
    MemberLeft = "members that left",
    /// Whoever assigned crashed right after its first step.
    LastActFirst = "assignors that crashed right after their first step",
    /// Whoever assigned crashed right after another step.
    LastAct = "assignors that crashed right after a later step",
    /// A member announced its restart.
    Announced = "restarts announced",
    /// An item was completed.
    Completed = "items completed",
    /// An item became a dead letter.
    DeadLetter = "dead letters",
    /// What was done was forgotten, or begun anew.
    ForgottenItem = "items forgotten or begun anew after they were done",
    /// A claimed item was given back, or taken back.
    GivenBack = "claimed items that became ready again",
    /// A settlement was answered as stale.
    StaleClaim = "settlements of stale claims",
    /// The store chose what a worker takes.
    ChosenByStore = "claims chosen by the store",
    /// A worker chose by itself what it takes.
    ChosenByWorker = "claims chosen by the worker",
    /// A slot was taken.
    SlotTaken = "slots taken",
    /// A call returned an error.
    Failed = "calls that failed",
}

impl Counter {
    /// What happens whatever the nodes do.
    pub(super) const COMMON: &'static [Self] = &[
        Self::LostRequest,
        Self::LostReply,
        Self::Duplicate,
        Self::LateCopyKilled,
        Self::ResolvedApplied,
        Self::ResolvedAbsent,
        Self::SlowMessage,
        Self::CutBoth,
        Self::CutRequests,
        Self::CutReplies,
        Self::CutData,
        Self::Frozen,
        Self::FrozenLong,
        Self::Suspended,
        Self::Crashed,
        Self::Restarted,
        Self::Expired,
        Self::WatchGap,
        Self::Dropped,
        Self::DroppedAtPoll,
    ];

    /// What happens to those that share partitions.
    pub(super) const OF_PARTITIONS: &'static [Self] = &[
        Self::ShutDown,
        Self::Forgotten,
        Self::Replaced,
        Self::Granted,
        Self::LostWhileHeld,
        Self::MovedNode,
        Self::Revoked,
        Self::MemberLeft,
        Self::Announced,
        Self::LastActFirst,
        Self::LastAct,
        Self::Deleted,
        Self::Reopened,
    ];

    /// What happens to those that work.
    pub(super) const OF_WORK: &'static [Self] = &[
        Self::Completed,
        Self::DeadLetter,
        Self::ForgottenItem,
        Self::GivenBack,
        Self::StaleClaim,
        Self::ChosenByStore,
        Self::ChosenByWorker,
        Self::SlotTaken,
        Self::Deleted,
        Self::Replaced,
    ];

    /// What happens to those that grant something.
    pub(super) const OF_RECIPES: &'static [Self] =
        &[Self::Granted, Self::LostWhileHeld, Self::MovedNode, Self::StaleWrite];

    /// What happens to those that wait in a queue.
    pub(super) const OF_QUEUES: &'static [Self] = &[Self::Older];

    /// What happens to those that live in a session.
    pub(super) const OF_SESSIONS: &'static [Self] =
        &[Self::ShutDown, Self::Replaced, Self::Deleted, Self::Forgotten, Self::Reopened];
}

/// How often each thing happened.
#[derive(Debug)]
pub struct Counters([AtomicU64; Counter::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Counters {
    /// Counts one.
    pub fn add(&self, counter: Counter) {
        self.0[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often it happened.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }

    /// Adds what another run counted.
    pub fn merge(&self, other: &Self) {
        for counter in Counter::ALL {
            self.0[*counter as usize].fetch_add(other.get(*counter), Ordering::Relaxed);
        }
    }

    /// Those of `expected` that never happened.
    #[must_use]
    pub fn missing(&self, expected: impl IntoIterator<Item = Counter>) -> Vec<Counter> {
        expected.into_iter().filter(|counter| self.get(*counter) == 0).collect()
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for counter in Counter::ALL.iter().filter(|counter| self.get(**counter) > 0) {
            writeln!(f, "{:>12}  {}", self.get(*counter), counter.text())?;
        }
        Ok(())
    }
}
