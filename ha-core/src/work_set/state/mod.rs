//! The work-set of one process, as a state machine: what it holds, what callers want, and the one request that is under way.
//!
//! One request at a time: what it knows of its own entries is then always what the store has, and what many callers want is done together.

mod adding;
mod advance;
mod answers;
mod draft;
mod editing;
mod hunting;
mod letters;
mod picking;
mod reconcile;
mod rescue;
mod settling;
mod shares;
mod sweeping;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::coordinator::{LossReason, Output};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Capabilities, SessionId, Stamp, Txn};
use crate::view::View;

use super::options::Policy;
use super::records::{Keys, Record, Tally, Worker};
use adding::Add;
pub(super) use editing::Edit;
use editing::Editing;
use hunting::{Hunt, Want};
use rescue::Rescue;
use settling::{Batch, OwnList, Settle};
use sweeping::Sweep;
pub(super) use verdict::Verdict;

/// The entries of the workers are watched in this slot.
const WORKERS: u8 = 0;
/// The lists of what is ready are watched in this one, while somebody waits and there is nothing.
const READY: u8 = 1;
/// How long nothing is asked after an error.
const PAUSE: Duration = Duration::from_millis(100);

/// What callers ask for.
#[derive(Debug)]
pub(super) enum Request {
    /// Adds items.
    Add { caller: u64, items: Vec<(Name, Record)>, policy: Policy },
    /// Claims up to `limit` items; waits for one if there is none.
    Claim { caller: u64, limit: usize, waits: bool, policy: Policy },
    /// The caller of a claim waits no more.
    Cancel { caller: u64 },
    /// The session ran out before the claims reached their caller.
    Undelivered { caller: u64, limit: usize, waits: bool, claims: Vec<(u64, Name)> },
    /// Ends claims in one way or another.
    Settle { caller: Option<u64>, policy: Policy, list: Vec<(u64, Name, Verdict)> },
    /// Gives claims more time, from now on.
    Extend { caller: u64, claims: Vec<(u64, Name)>, span: Duration },
    /// Changes items that nobody need have claimed.
    Edit { caller: u64, ids: Vec<Name>, edit: Edit },
}

/// What callers are given.
#[derive(Debug)]
pub(super) enum Delivery {
    Claimed {
        caller: u64,
        limit: usize,
        waits: bool,
        claims: Vec<Taken>,
    },
    Answered {
        caller: u64,
        answer: Result<Answer, Error>,
    },
    /// A claim is over that nobody ended.
    Lost {
        claim: u64,
        reason: LossReason,
    },
}

/// An answer to anything but a claim.
#[derive(Debug)]
pub(super) enum Answer {
    /// For each item: `None` if it was added, else what was there.
    Added(Vec<Option<Record>>),
    Settled(Vec<Result<Outcomes, Error>>),
    /// For each item whether it was changed.
    Edited(Vec<bool>),
}

/// What became of an attempt to end a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcomes {
    Applied,
    Stale,
    AlreadyDone(bytes::Bytes),
}

/// An item that was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) claim: u64,
    pub(super) id: Name,
    pub(super) stamp: Stamp,
    pub(super) payload: bytes::Bytes,
    pub(super) attempts: Attempts,
}

/// How it went with an item so far, this claim included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attempts {
    pub(super) claims: u32,
    pub(super) failures: u32,
    pub(super) abandons: u32,
}

/// A claim of this process.
#[derive(Debug)]
struct Held {
    id: Name,
    stamp: Stamp,
    record: Record,
    /// The list that names it.
    list: Name,
    deadline: Option<Instant>,
}

/// This process among the workers, in the present session.
#[derive(Clone, Debug)]
struct Me {
    name: Name,
    stamp: Stamp,
    record: Worker,
    tally: Tally,
    tally_stamp: Option<Stamp>,
}

/// The request under way.
#[derive(Debug)]
enum Asked {
    Enlist {
        name: Name,
        record: Worker,
    },
    Add(adding::Sending),
    AddRead,
    Look,
    /// The store chooses, and takes.
    Choose,
    Read(Vec<picking::Candidate>, Vec<Name>),
    Take(hunting::Taking),
    Settle(settling::Sending),
    Autopsy(Vec<Settle>),
    Check(settling::Extend),
    EditRead,
    EditWrite(editing::Sending),
    /// In which round of the search.
    Rescue((u64, rescue::Step)),
    Sweep(sweeping::Step),
    /// Whose a letter is that is in the way.
    Letter(Name),
    LetterGone,
    Reconcile(reconcile::Step),
}

/// How much fits into one request.
#[derive(Clone, Copy, Debug)]
struct Limits {
    steps: usize,
    reads: usize,
    bytes: usize,
}

impl Limits {
    /// What is kept for the entries about the worker itself, and for the list of what is claimed.
    const RESERVE: usize = 4;

    /// The lists that a claim or a completion changes: one that ends, and one that begins.
    const LISTS: usize = 2;

    fn of(capabilities: &Capabilities) -> Self {
        let steps = capabilities.operations_max.saturating_sub(Self::RESERVE).max(1);
        // What one request adds, another one can claim, and another one end, together with the lists that change: so no remainders are left.
        let reads = steps.saturating_sub(Self::LISTS).clamp(1, 100);
        // A request of half a megabyte is well below what servers take.
        Self { steps, reads, bytes: 512 * 1024 }
    }
}

type Outputs = Vec<Output<Delivery>>;

#[derive(Debug)]
pub(super) struct State {
    name: Name,
    keys: Keys,
    limits: Limits,
    /// The store can choose what is taken.
    takes: bool,
    session: Option<SessionId>,
    closing: bool,
    hold_until: Option<Instant>,
    retry_at: Option<Instant>,
    me: Option<Me>,
    asked: Option<(u64, Asked)>,
    next: u64,
    turn: usize,
    policy: Policy,
    adds: VecDeque<Add>,
    /// How many of those that add do so one after the other.
    add_alone: usize,
    look_at_ids: bool,
    wants: VecDeque<Want>,
    hunt: Hunt,
    /// Boxed, because a map moves its values when others come and go.
    held: BTreeMap<u64, Box<Held>>,
    /// No deadline of a claim is earlier; one that is over may have had this one.
    first_deadline: Option<Instant>,
    lists: BTreeMap<Name, OwnList>,
    settles: VecDeque<Settle>,
    batches: BTreeMap<u64, Batch>,
    extends: VecDeque<settling::Extend>,
    edits: VecDeque<Editing>,
    /// Dead letters that are in the way of others.
    letters: BTreeSet<Name>,
    workers: View,
    watching: bool,
    rescue: Rescue,
    sweep: Sweep,
    reconcile: Option<reconcile::Progress>,
}

impl State {
    pub(super) fn new(name: Name, capabilities: &Capabilities) -> Self {
        Self {
            keys: Keys::new(&name),
            name,
            limits: Limits::of(capabilities),
            takes: capabilities.takes,
            session: None,
            closing: false,
            hold_until: None,
            retry_at: None,
            me: None,
            asked: None,
            next: 0,
            turn: 0,
            policy: Policy::default(),
            adds: VecDeque::new(),
            add_alone: 0,
            look_at_ids: false,
            wants: VecDeque::new(),
            hunt: Hunt::default(),
            held: BTreeMap::new(),
            first_deadline: None,
            lists: BTreeMap::new(),
            settles: VecDeque::new(),
            batches: BTreeMap::new(),
            extends: VecDeque::new(),
            edits: VecDeque::new(),
            letters: BTreeSet::new(),
            workers: View::default(),
            watching: false,
            rescue: Rescue::default(),
            sweep: Sweep::default(),
            reconcile: None,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn ask(&mut self, asked: Asked, txn: Txn, out: &mut Outputs) {
        let tag = self.number();
        self.asked = Some((tag, asked));
        out.push(Output::Commit { tag, txn });
    }

    fn reject(&self, operation: &'static str, kind: ErrorKind, reason: &str) -> Error {
        Error::new(kind, operation).on(format_args!("\"{}\"", self.name)).because(reason)
    }
}

/// Takes the first one, if it is as wanted.
fn pop_if<V>(queue: &mut VecDeque<V>, wanted: impl FnOnce(&V) -> bool) -> Option<V> {
    if queue.front().is_some_and(wanted) { queue.pop_front() } else { None }
}

fn answered(caller: u64, answer: Result<Answer, Error>) -> Output<Delivery> {
    Output::Deliver(Delivery::Answered { caller, answer })
}

#[cfg(test)]
#[path = "../state_test.rs"]
mod tests;
