//! The kinds of events.

use serde::{Deserialize, Serialize};

use super::group::Shown;
use super::store::{Action, Change, Item, Key, Outcome};
use super::words::{Answer, EndReason, Phase, Recipe, SessionEnd, Sight, Target};
use super::work::{Addition, Settlement, Stage, Verdict};

/// What happened; who and when is in the [`Record`](super::Record).
///
/// Instants and durations are nanoseconds; instants are on the clock of the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Event {
    /// The process started. A restarted node starts with another incarnation.
    Started,
    /// The process ended in good order, after it gave up everything.
    Stopped,
    /// The process was killed. Whatever it held, waited for or observed is over for it.
    Crashed,
    /// The process stopped running, or its machine was suspended; it knows nothing of it.
    Frozen,
    /// The process runs again.
    Thawed,

    /// A caller began to wait.
    Asked {
        /// For what kind of grant.
        recipe: Recipe,
        /// The name of the lock or election.
        name: String,
        /// The number of the call.
        call: u64,
    },
    /// The caller was given what it waited for, and believes from now on that it holds it.
    Granted {
        /// What kind of grant.
        recipe: Recipe,
        /// The name of the lock or election.
        name: String,
        /// The call that is answered.
        call: u64,
        /// The number of the grant.
        grant: u64,
        /// The fencing token; of an election, the term.
        token: u64,
    },
    /// How much the grant takes of a lock that several can hold: recorded at the instant of its [`Event::Granted`]. A grant of which this is never said
    /// takes all.
    Shares {
        /// The grant.
        grant: u64,
        /// What it takes: the permits of a semaphore; of a read-write lock 1 to read, and all to write.
        weight: u64,
        /// What there is: the permits of a semaphore; of a read-write lock as many as there may be readers.
        permits: u64,
    },
    /// The caller stopped waiting: it was cancelled, timed out or got an error.
    GaveUp {
        /// The call that ended.
        call: u64,
        /// Why, in words.
        reason: String,
    },
    /// A candidate withdrew, and the withdrawal was answered.
    Withdrawn {
        /// The campaign that ended.
        call: u64,
    },
    /// Until when the holder may believe in its grant if no further renewal succeeds: recorded when it changes, or at
    /// least once before the grant ends.
    ValidUntil {
        /// The grant.
        grant: u64,
        /// The local deadline.
        until: u64,
    },
    /// From now on the holder no longer believes: it called release, saw the loss, or its local deadline passed,
    /// whichever was first, also while it was frozen.
    Ended {
        /// The grant.
        grant: u64,
        /// What was first.
        reason: EndReason,
    },
    /// `lost()` or the cancellation fired in the process.
    LossNoticed {
        /// The grant.
        grant: u64,
    },
    /// The release, or resignation, was answered: nothing of the grant is left in the store.
    Released {
        /// The grant.
        grant: u64,
    },
    /// An observer of an election was told something.
    Observed {
        /// The number of the observer.
        observer: u64,
        /// The name of the election.
        name: String,
        /// What it was told.
        sight: Sight,
    },
    /// The observer was closed.
    ObserverEnded {
        /// The number of the observer.
        observer: u64,
    },

    /// The process wants to be a member of a group from now on.
    Joining {
        /// The group.
        group: String,
    },
    /// It is one: its join was answered, or a new session or a new entry carries it on.
    Joined {
        /// The group.
        group: String,
        /// As which incarnation.
        incarnation: u64,
    },
    /// What it wanted to say of itself is stored.
    Updated {
        /// The group.
        group: String,
        /// The number of what it says: each process counts from 0, what it joined with, in each group.
        version: u64,
    },
    /// It does not want to be one any more: it leaves, or gave the membership or the call for one up.
    Leaving {
        /// The group.
        group: String,
    },
    /// It was told that it has left.
    Left {
        /// The group.
        group: String,
    },
    /// A watcher of a group was told something, and this is its view from now on.
    Viewed {
        /// The number of the watcher.
        watcher: u64,
        /// The group.
        group: String,
        /// The number of the view.
        number: u64,
        /// Whether it was told everything, and not one change.
        whole: bool,
        /// The members.
        members: Vec<Shown>,
    },

    /// The store applied a commit that changes what the members of a partitioned group are assigned, or the number of its plan.
    Stepped {
        /// The group.
        name: String,
        /// The session that committed it.
        session: String,
        /// The session that had been elected to assign when it was applied, if one had.
        leader: Option<String>,
        /// The number that it gave the plan; `None`: it left the plan alone.
        number: Option<u64>,
    },

    /// The process was told what became of an item that it added to a work-set.
    Added {
        /// The item, with its set: `jobs/7`.
        item: String,
        /// What it was told.
        answer: Addition,
    },
    /// The process wants an item to be forgotten, in whatever state it is: from now on it may be gone.
    Removing {
        /// The item.
        item: String,
    },
    /// How often the item of a claim was claimed, as its holder sees it: recorded at the instant of its [`Event::Granted`].
    Attempt {
        /// The grant.
        grant: u64,
        /// How often, this time included.
        attempt: u64,
    },
    /// The holder of a claim asked for an end of it, or for more time.
    Settling {
        /// The grant.
        grant: u64,
        /// The number of the question: each process has its own.
        settlement: u64,
        /// What it asked for.
        verdict: Verdict,
    },
    /// It was answered.
    Settled {
        /// The number of the question.
        settlement: u64,
        /// What it was told.
        answer: Settlement,
    },
    /// The store applied a commit that changes an item. Whoever records one of these records all of that item.
    Filed {
        /// The item, with its set.
        item: String,
        /// The session that committed it; `None` if the store itself did: an administrator, or what it forgot.
        session: Option<String>,
        /// What the item is from now on.
        stage: Stage,
        /// The revision of the commit that made it so: of a claim, its token.
        revision: u64,
    },

    /// A fenced resource decided on a write.
    Wrote {
        /// The resource.
        resource: String,
        /// The token that came with the write.
        token: u64,
        /// What it decided.
        answer: Answer,
    },
    /// A fenced counter decided on an increment that its holder computed: read, add one, write.
    Incremented {
        /// The resource.
        resource: String,
        /// The token that came with the write.
        token: u64,
        /// The value to write: the one that was read, plus one. The first is 1.
        value: u64,
        /// What it decided.
        answer: Answer,
    },

    /// The process has a session.
    SessionOpened {
        /// Its id.
        session: String,
        /// The ttl that was granted.
        ttl: u64,
    },
    /// The process tried to prove life. `at` is the instant of the answer, or that of giving up.
    Renewed {
        /// The session.
        session: String,
        /// When it was sent.
        sent: u64,
        /// Whether the answer was success. Otherwise the renewal may have counted or not.
        acknowledged: bool,
    },
    /// The store ended a session; what it owned vanishes at this instant.
    SessionEnded {
        /// The session.
        session: String,
        /// Why.
        reason: SessionEnd,
    },

    /// A request of a test of the contract was sent.
    Invoked {
        /// The number of the request, unique in the history.
        op: u64,
        /// What it is about.
        key: Key,
        /// What it wants.
        action: Action,
        /// The length of the value that it carries, in bytes.
        bytes: u64,
    },
    /// The request was answered. One that never is has an unknown outcome.
    Answered {
        /// The number of the request.
        op: u64,
        /// What the caller was told.
        outcome: Outcome,
    },
    /// The store's own log: a commit was applied. Whoever records one of these records all, from the empty store on.
    Committed {
        /// The revision of the commit.
        revision: u64,
        /// The session that committed; `None` if the store itself did (an expiry, an administrator).
        session: Option<String>,
        /// The request, if it is one that was [`Event::Invoked`].
        op: Option<u64>,
        /// What changed, at most once per key.
        changes: Vec<Change>,
    },
    /// The store went back to an older state; a [`Event::Committed`] that says what this changed follows.
    Discontinuity {
        /// The generation that begins.
        generation: u64,
    },
    /// A watch was opened.
    WatchOpened {
        /// The number of the watch.
        watch: u64,
        /// The collection that is watched.
        collection: String,
        /// The only entry of it that is watched; `None`: all.
        name: Option<String>,
        /// The latest revision that its session had committed or was shown.
        seen: u64,
    },
    /// A watch delivered an item.
    WatchDelivered {
        /// The number of the watch.
        watch: u64,
        /// What it delivered.
        item: Item,
    },
    /// A watch ended or was dropped.
    WatchEnded {
        /// The number of the watch.
        watch: u64,
    },
    /// An entry was found in the store after everything had been released and the last ttl had passed.
    Leftover {
        /// Where.
        key: Key,
        /// The session that owns it.
        owner: Option<String>,
        /// Whether the store counts that session as alive.
        owner_alive: bool,
    },

    /// Something was broken on purpose, until it is healed.
    Fault {
        /// The number of the fault, unique in the history.
        fault: u64,
        /// What was done.
        kind: String,
        /// To whom.
        target: Target,
    },
    /// A fault is over. What it broke works from now on.
    Healed {
        /// The number of the fault.
        fault: u64,
    },
    /// A phase of the run began. A run that never says so stays in the safety phase.
    Phase {
        /// Which one.
        phase: Phase,
    },
}

impl Event {
    /// The kind of a [`Event::Fault`] in which the store answers nobody, because it has no quorum.
    pub const OUTAGE: &'static str = "outage";
}
