//! The one who assigns, as its process sees it. Pure: no I/O, no clock.
//!
//! Rules (protocol F; `docs/adr/0012` says why each is there):
//! * It acts only while it leads the group's election, by what it has listed since then and what it has written since: every step compares the leader's entry and the
//!   plan, and writes the plan, so that no step of another leader, and no late one of its own, can land in between.
//! * A partition is in at most one record. It leaves one for another in one step.
//! * It leaves a living member only after that acknowledged the very step that took it away, or a later one.
//! * It leaves a dead member only by a step that checks that neither of the two entries that its session owns is there any more.

mod answers;
mod classify;
mod steps;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::options::DrainPolicy;
use super::planner::{Plan, Planner};
use super::records::Keys;
use super::table::Table;
use crate::coordinator::{Context, Input, Machine, Output};
use crate::error::Error;
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Entry, Guard, Stamp, WatchTarget};
use crate::view::View;
use crate::zoo::{Bug, planted};

/// How long to wait before asking a backend again that could not be reached, or that met somebody else's write.
const PAUSE: Duration = Duration::from_millis(50);
/// The watches on members, on what operators say of them, on what members acknowledge, and on the records, which nobody else should change.
const MEMBERS: u8 = 0;
const STATUS: u8 = 1;
const ACKS: u8 = 2;
const RECORDS: u8 = 3;

/// How a process assigns when it leads.
#[derive(Clone)]
pub(super) struct Policy {
    pub(super) planner: Arc<dyn Planner>,
    pub(super) drain: Duration,
    pub(super) overdue: DrainPolicy,
    pub(super) hold: Duration,
    pub(super) min_members: usize,
    pub(super) replan_every: Option<Duration>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("drain", &self.drain)
            .field("overdue", &self.overdue)
            .finish_non_exhaustive()
    }
}

/// What the process asks.
#[derive(Debug)]
pub(super) enum Request {
    /// This process leads from now on; the guard fails once it does not.
    Lead { leader: Guard, policy: Policy },
    /// It does not lead any more.
    Deposed,
}

/// What the process is told.
#[derive(Debug)]
pub(super) enum Delivery {
    /// There is a new plan.
    Planned { moves: u64, unplaced: usize, reason: Option<&'static str> },
    /// A member was told to stop everything at once, or lost a partition by force.
    Forced { member: Name, evicted: bool },
    /// The records contradict each other: nothing is assigned.
    Corrupt(Error),
}

/// What an answer belongs to.
#[derive(Debug)]
enum Asked {
    Plan,
    Page,
    /// The records that it writes, in the order of its operations behind the first.
    Step {
        written: Vec<usize>,
    },
}

/// What is being read before anything is assigned.
#[derive(Debug, Default)]
struct Loading {
    plan: Option<Entry>,
    entries: Vec<Entry>,
}

/// Where a plan wants a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Goal {
    /// With this member.
    Member(Name),
    /// With a node that is away and expected back.
    Away,
}

/// A plan, as it is carried out.
#[derive(Debug, Default)]
struct Aim {
    goals: Vec<Goal>,
    plan: Plan,
    /// What it was made from.
    inputs: Vec<classify::Seated>,
    count: u32,
    made_at: Option<Instant>,
}

type Outputs = Vec<Output<Delivery>>;

#[derive(Debug)]
pub(super) struct Assignor {
    keys: Keys,
    operations_max: usize,
    value_max: usize,
    up: bool,
    leader: Option<(Guard, Policy)>,
    hold_until: Option<Instant>,
    retry_at: Option<Instant>,
    watching: bool,
    members: View,
    status: View,
    acks: View,
    records: View,
    /// The records have to be compared with what is known.
    compare: bool,
    loading: Option<Loading>,
    table: Option<Table>,
    aim: Option<Aim>,
    /// Since when each holder is gone, as this assignor has seen it itself.
    gone_since: BTreeMap<Name, Instant>,
    /// Since when each holder has something to give up, by step, as this assignor has seen it itself.
    draining_since: BTreeMap<(Name, u64), Instant>,
    /// Whose record is full.
    full: Vec<Name>,
    /// When something is to be decided again.
    wake_at: Option<Instant>,
    asked: Option<(u64, Asked)>,
    /// When the step under way was sent.
    asked_at: Instant,
    next_tag: u64,
}

impl Assignor {
    pub(super) fn new(keys: Keys, operations_max: usize, value_max: usize) -> Self {
        Self {
            keys,
            operations_max,
            value_max,
            up: false,
            leader: None,
            hold_until: None,
            retry_at: None,
            watching: false,
            members: View::default(),
            status: View::default(),
            acks: View::default(),
            records: View::default(),
            compare: false,
            loading: None,
            table: None,
            aim: None,
            gone_since: BTreeMap::new(),
            draining_since: BTreeMap::new(),
            full: Vec::new(),
            wake_at: None,
            asked: None,
            asked_at: Instant::from_nanos(0),
            next_tag: 0,
        }
    }

    /// Knows nothing any more: reads everything again before it assigns.
    fn forget(&mut self) {
        self.table = None;
        self.loading = None;
        self.aim = None;
    }

    fn stop(&mut self) {
        self.leader = None;
        if planted(Bug::OldTableKept) {
            return;
        }
        self.forget();
        self.full.clear();
        self.gone_since.clear();
        self.draining_since.clear();
    }

    fn watch(&mut self, out: &mut Outputs) {
        let wanted = self.leader.is_some() && self.up;
        if wanted == self.watching {
            return;
        }
        self.watching = wanted;
        let Keys { members, status, acks, assigned, .. } = &self.keys;
        for (slot, of) in [(MEMBERS, members), (STATUS, status), (ACKS, acks), (RECORDS, assigned)] {
            out.push(match wanted {
                true => Output::Watch { slot, target: WatchTarget::Collection(of.clone()) },
                false => Output::Unwatch { slot },
            });
        }
        self.reset_views();
    }

    fn reset_views(&mut self) {
        self.members.reset();
        self.status.reset();
        self.acks.reset();
        self.records.reset();
    }

    /// Reads everything again when a record is gone that it wrote: an administrator deleted it, and nobody but its owner would notice, if that had seen it.
    fn compare(&mut self) {
        if !std::mem::take(&mut self.compare) || !self.records.is_known() {
            return;
        }
        let Some(table) = &self.table else { return };
        let is_lost = |stamp: &Stamp| {
            let shown = self.records.get(stamp.key());
            let is_there = shown.is_some_and(|entry| entry.stamp().is_same_incarnation(stamp));
            stamp.modified() <= self.records.revision() && !is_there
        };
        if table.stamps().any(is_lost) {
            self.forget();
        }
    }

    /// The defect: a step that takes long is believed not to have happened.
    fn assume_lost(&mut self, now: Instant) {
        let late = self.asked_at + PAUSE * 4;
        if matches!(self.asked, Some((_, Asked::Step { .. }))) {
            if now < late {
                self.retry_at = Some(late);
            } else {
                self.asked = None;
                self.forget();
            }
        }
    }

    fn ask(&mut self, asked: Asked) -> u64 {
        self.next_tag += 1;
        self.asked = Some((self.next_tag, asked));
        self.next_tag
    }
}

impl Machine for Assignor {
    type Request = Request;
    type Delivery = Delivery;

    fn on_input(&mut self, input: Input<Request>, context: &Context<'_>, out: &mut Outputs) {
        let now = context.now;
        match input {
            Input::SessionUp { hold_until, .. } => {
                self.up = true;
                self.hold_until = hold_until;
                self.retry_at = None;
            }
            Input::SessionDown => {
                self.up = false;
                self.watching = false;
                self.asked = None;
                self.reset_views();
                if !planted(Bug::LeaderNotCompared) {
                    self.stop();
                }
            }
            Input::Committed { tag, outcome } => self.on_committed(tag, outcome, now, out),
            Input::Listed { tag, listing } => self.on_listed(tag, listing, now, out),
            Input::Voided { .. } => {
                self.asked = None;
                self.forget();
            }
            Input::Watched { slot, event } => match slot {
                MEMBERS => self.members.apply(event),
                STATUS => self.status.apply(event),
                ACKS => self.acks.apply(event),
                _ => {
                    self.records.apply(event);
                    self.compare = true;
                }
            },
            Input::Discontinuity { hold_until } => {
                // Nothing here is granted to this process: it has only to read everything again.
                self.hold_until = hold_until;
                self.forget();
                self.reset_views();
                out.push(Output::Reconciled);
            }
            Input::Tick => {}
            Input::Request(Request::Deposed) if planted(Bug::LeaderNotCompared) => {}
            Input::Closing | Input::Request(Request::Deposed) => self.stop(),
            Input::Request(Request::Lead { leader, policy }) => {
                if !planted(Bug::OldTableKept) {
                    self.stop();
                }
                self.leader = Some((leader, policy));
            }
        }
        self.advance(now, out);
    }

    fn next_wake(&self) -> Option<Instant> {
        self.leader.as_ref()?;
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        [self.hold_until, self.wake_at].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        self.leader.is_none() && self.asked.is_none()
    }
}

impl Assignor {
    fn advance(&mut self, now: Instant, out: &mut Outputs) {
        self.retry_at = self.retry_at.filter(|at| now < *at);
        self.hold_until = self.hold_until.filter(|until| now < *until);
        self.wake_at = None;
        self.watch(out);
        if planted(Bug::LateStepAssumedLost) {
            self.assume_lost(now);
        }
        let ready = self.leader.is_some() && self.up && self.asked.is_none();
        if !ready || self.retry_at.is_some() || self.hold_until.is_some() {
            return;
        }
        self.compare();
        if self.table.is_none() {
            self.load(out);
            return;
        }
        if [&self.members, &self.status, &self.acks].into_iter().all(View::is_known) {
            self.step(now, out);
        }
    }
}
