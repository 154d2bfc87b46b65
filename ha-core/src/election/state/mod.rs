//! An election as one process sees it. Pure: no I/O, no clock.
//!
//! Rules: this process leads only by what its own resolved commit created, never by a record that looks like its own. The grant is a
//! `leader` entry created under its absence; who tries first is a matter of rank, the store decides. Resign and withdraw delete by
//! incarnation, and only after a grant under way is resolved. These are rules P2 and C1–C5 of the model-checked protocols that `docs/adr/0003`
//! summarises.

mod advance;
mod answers;
mod party;
mod reconcile;

use std::collections::VecDeque;
use std::time::Duration;

use super::records::Keys;
use crate::coordinator::{Context, Input, LossReason, Machine, Output};
use crate::error::{Error, ErrorKind};
use crate::names::{Key, Name};
use crate::runtime::Instant;
use crate::spi::{Revision, SessionId, Stamp};
use crate::view::View;
use party::{Candidate, Lead, Stray};

/// How much later than the one before it each candidate in rank tries, in case the better ones are dead.
const RANK_DELAY: Duration = Duration::from_millis(100);
/// How long a better candidate has to be there before a leader hands over to it, so that one that comes and goes disturbs nobody.
const PREEMPT_AFTER: Duration = Duration::from_millis(500);
/// How long to wait before asking a backend again that could not be reached.
const PAUSE: Duration = Duration::from_millis(50);
/// The watch on the record, and the one on the candidates.
const RECORD: u8 = 0;
const CANDIDATES: u8 = 1;

/// How a caller wants to stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidacy {
    pub(super) priority: i32,
    pub(super) address: Option<String>,
    pub(super) preempt: bool,
}

/// What callers ask of the election.
#[derive(Debug)]
pub(super) enum Request {
    /// Stand until elected.
    Campaign { caller: u64, candidacy: Candidacy },
    /// A caller of `Campaign` gave up.
    Cancel { caller: u64 },
    /// The holder of `leadership` let go; `caller` wants to know when it is done.
    Resign { leadership: u64, caller: Option<u64> },
    /// Hand leadership over to the node `target`.
    Transfer { target: Name, caller: u64 },
    /// The grant `leadership` could not be used: its session had run out meanwhile. `caller` goes on standing.
    Undelivered { leadership: u64, caller: u64, candidacy: Candidacy },
    /// The service stopped feeding its heartbeat, or feeds it again.
    Health(bool),
}

/// How the leader before ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Predecessor {
    /// Nobody has led before.
    First,
    /// It ended its work and resigned, or handed over.
    Released {
        /// The node that led.
        node: String,
    },
    /// It vanished: crashed, froze, or was cut off. Its work may be half done.
    Vanished {
        /// The node that led.
        node: String,
    },
}

/// `caller` leads.
#[derive(Debug)]
pub(super) struct Elected {
    pub(super) caller: u64,
    pub(super) candidacy: Candidacy,
    pub(super) leadership: u64,
    pub(super) stamp: Stamp,
    pub(super) predecessor: Predecessor,
    /// Since when nobody had led, as far as this process saw.
    pub(super) vacant_since: Option<Instant>,
}

/// What callers are given.
#[derive(Debug)]
pub(super) enum Delivery {
    /// A caller leads.
    Elected(Elected),
    /// `caller` cannot stand.
    Rejected { caller: u64, error: Error },
    /// The grant `leadership` ends now; its holder has to let go.
    Ended { leadership: u64, reason: LossReason },
    /// What `caller` resigned is resigned.
    Resigned { caller: u64 },
    /// Leadership was handed over, or not.
    Transferred { caller: u64, result: Result<(), Error> },
}

#[derive(Debug)]
struct Waiter {
    caller: u64,
    candidacy: Candidacy,
}

/// To whom leadership goes when its holder lets go.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heir {
    candidate: Key,
    created: Revision,
    caller: Option<u64>,
}

/// What an answer belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Join,
    JoinAndGrant { predecessor: Predecessor },
    Grant { predecessor: Predecessor },
    Resign,
    Withdraw,
    DeleteStray(Stamp),
    Heir { leadership: u64, target: Name, caller: u64 },
    OwnRecord,
    OwnCandidates,
}

/// The state of one election in one process.
#[derive(Debug)]
pub(super) struct State {
    keys: Keys,
    node: Name,
    session: Option<SessionId>,
    closing: bool,
    healthy: bool,
    /// Grants are useless until the next session: the present one has run out.
    stalled: bool,
    hold_until: Option<Instant>,
    retry_at: Option<Instant>,
    waiters: VecDeque<Waiter>,
    candidate: Candidate,
    lead: Lead,
    heir: Option<Heir>,
    watching: bool,
    record: View,
    candidates: View,
    /// Since when nobody leads, as far as is seen.
    vacant_since: Option<Instant>,
    /// The same, when the grant under way or held was asked for: the own entry in the record ends what is seen.
    vacant_before: Option<Instant>,
    /// Since when a better candidate than us, who lead, is there.
    better_since: Option<Instant>,
    /// The attempt to join and lead in one step met somebody: join first.
    join_first: bool,
    strays: Vec<Stray>,
    /// A record of our session was there while a grant was under way, whose own it may be or not.
    seen_while_granting: bool,
    reconciling: bool,
    look_again: bool,
    asked: Vec<(u64, Asked)>,
    next_tag: u64,
    next_leadership: u64,
}

type Outputs = Vec<Output<Delivery>>;

impl State {
    pub(super) fn new(keys: Keys, node: Name) -> Self {
        Self {
            keys,
            node,
            session: None,
            closing: false,
            healthy: true,
            stalled: false,
            hold_until: None,
            retry_at: None,
            waiters: VecDeque::new(),
            candidate: Candidate::None,
            lead: Lead::None,
            heir: None,
            watching: false,
            record: View::default(),
            candidates: View::default(),
            vacant_since: None,
            vacant_before: None,
            better_since: None,
            join_first: false,
            strays: Vec::new(),
            seen_while_granting: false,
            reconciling: false,
            look_again: false,
            asked: Vec::new(),
            next_tag: 0,
            next_leadership: 0,
        }
    }
}

impl Machine for State {
    type Request = Request;
    type Delivery = Delivery;

    fn on_input(&mut self, input: Input<Request>, context: &Context<'_>, out: &mut Outputs) {
        match input {
            Input::SessionUp { session, hold_until } => {
                self.session = Some(session);
                self.hold_until = hold_until;
                self.stalled = false;
                self.retry_at = None;
            }
            Input::SessionDown => self.on_session_down(out),
            Input::Committed { tag, outcome } => self.on_committed(tag, outcome, context.now, out),
            Input::Listed { tag, listing } => self.on_listed(tag, listing, context.now, out),
            Input::Voided { tag } => self.on_voided(tag, out),
            Input::Watched { slot: RECORD, event } => self.record.apply(event),
            Input::Watched { slot: _, event } => self.candidates.apply(event),
            Input::Discontinuity { hold_until } => self.on_discontinuity(hold_until, out),
            Input::Tick => {}
            Input::Closing => self.close(out),
            Input::Request(request) => self.on_request(request, out),
        }
        self.advance(context, out);
    }

    fn next_wake(&self) -> Option<Instant> {
        // During a pause nothing else is tried, so nothing else is worth waking up for.
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        let preempt = self.better_since.map(|since| since + PREEMPT_AFTER);
        [self.turn(), preempt, self.hold_until].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        self.waiters.is_empty()
            && self.strays.is_empty()
            && !self.reconciling
            && !self.look_again
            && matches!(self.lead, Lead::None)
            && matches!(self.candidate, Candidate::None)
    }
}

impl State {
    fn on_request(&mut self, request: Request, out: &mut Outputs) {
        match request {
            Request::Campaign { caller, .. } if self.closing => {
                let error = Error::new(ErrorKind::Closed, "campaign").because("the coordinator shuts down");
                out.push(Output::Deliver(Delivery::Rejected { caller, error }));
            }
            Request::Campaign { caller, candidacy } => self.waiters.push_back(Waiter { caller, candidacy }),
            Request::Cancel { caller } => self.waiters.retain(|waiter| waiter.caller != caller),
            Request::Resign { leadership, caller } => {
                if !self.resign(leadership, caller) {
                    // It is over already: lost, removed, or resigned for the service.
                    out.extend(caller.map(|caller| Output::Deliver(Delivery::Resigned { caller })));
                }
            }
            Request::Transfer { target, caller } => self.on_transfer(target, caller, out),
            Request::Undelivered { leadership, caller, candidacy } => {
                // Leadership that is not ours any more belongs to a session that is over: the one after it is good.
                self.stalled |= self.resign(leadership, None);
                self.waiters.push_front(Waiter { caller, candidacy });
                if self.closing {
                    self.close(out);
                }
            }
            Request::Health(healthy) => {
                self.healthy = healthy;
                if let (false, Lead::Leading { id, .. }) = (healthy, &self.lead) {
                    // A hung service cannot let go by itself.
                    let leadership = *id;
                    out.push(Output::Deliver(Delivery::Ended { leadership, reason: LossReason::Unhealthy }));
                    self.resign(leadership, None);
                }
            }
        }
    }

    fn close(&mut self, out: &mut Outputs) {
        self.closing = true;
        self.reject_waiters(out, || {
            Error::new(ErrorKind::Closed, "campaign").because("the coordinator shuts down")
        });
    }

    fn on_transfer(&mut self, target: Name, caller: u64, out: &mut Outputs) {
        let refuse = |kind, reason: String| {
            let error =
                Error::new(kind, "transfer leadership").on(format_args!("to \"{target}\"")).because(reason);
            Output::Deliver(Delivery::Transferred { caller, result: Err(error) })
        };
        let Lead::Leading { id, .. } = self.lead else {
            out.push(refuse(ErrorKind::InvalidInput, "this node does not lead".into()));
            return;
        };
        if target == self.node {
            out.push(refuse(ErrorKind::InvalidInput, "this node leads already".into()));
        } else if self.heir.is_some()
            || self.asked.iter().any(|(_, asked)| matches!(asked, Asked::Heir { .. }))
        {
            out.push(refuse(ErrorKind::InvalidInput, "leadership is being handed over already".into()));
        } else {
            self.look_for_heir(id, target, caller, out);
        }
    }

    fn reject_waiters(&mut self, out: &mut Outputs, error: impl Fn() -> Error) {
        for waiter in self.waiters.drain(..) {
            out.push(Output::Deliver(Delivery::Rejected { caller: waiter.caller, error: error() }));
        }
    }
}

#[cfg(test)]
#[path = "../state_test.rs"]
mod tests;
