//! What one process has of the partitions, as it sees it itself. Pure: no I/O, no clock.
//!
//! Rules: a partition is started by nothing but the newest record of this very member that was seen; what that does not grant by the same token is stopped. What is stopped is
//! acknowledged with the number of the record that took it away, so that an acknowledgement means nothing for what is taken away later. The entry of the acknowledgement is deleted only when
//! nothing runs any more: without it, and without the member's, others take what is left.

mod advance;
mod answers;
mod record;

use std::collections::BTreeMap;
use std::time::Duration;

use super::records::{Ack, Assigned, Keys};
use crate::coordinator::{Context, Input, LossReason, Machine, Output};
use crate::error::Error;
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Revision, SessionId, Stamp};
use crate::view::View;
use advance::granted;

/// How long to wait before asking a backend again that could not be reached.
const PAUSE: Duration = Duration::from_millis(50);
/// The watches on the own record and on the own acknowledgement.
const RECORD: u8 = 0;
const ACK: u8 = 1;

/// What the process asks.
#[derive(Debug)]
pub(super) enum Request {
    /// Whoever consumes partitions is there, and wants so much.
    Begin { count: u32, replaces: String },
    /// The process is a member from now on, by this entry.
    Entered(Stamp),
    /// The entry of the member is gone.
    Gone(Stamp),
    /// The partition that was started by this grant does not run any more.
    Stopped { partition: u32, token: u64 },
    /// Let everything end, and say when that is done.
    Leave { caller: u64 },
    /// What is there is to be kept for the next life of the node for so long.
    Announce { caller: u64, within: Duration },
    /// There should be so many partitions.
    Grow { count: u32 },
}

/// What the process is told.
#[derive(Debug)]
pub(super) enum Delivery {
    /// The partition may run, by the grant of this number, as long as the entry of the member is there.
    Start { partition: u32, token: u64, member: Stamp },
    /// The partition is to end by itself, at most after that time.
    Revoke { partition: u32, token: u64, drain: Duration },
    /// The partition has to end now.
    End { partition: u32, token: u64, reason: LossReason },
    /// What it is the standby for.
    Standby(Vec<u32>),
    /// What `caller` announced is written down by the assignor.
    Announced { caller: u64 },
    /// Nothing runs any more.
    Left { caller: u64 },
    /// The entry of this member is to go or gone, and nothing runs as that member.
    Ceased(Stamp),
    /// The record cannot be read.
    Corrupt(Error),
}

/// A partition that was started and has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    token: u64,
    revoked: bool,
    ended: bool,
}

/// The entry of the acknowledgement.
#[derive(Debug, PartialEq, Eq)]
enum Own {
    None,
    /// Being created, or updated, to say this.
    Writing(Ack, Option<Stamp>),
    There(Ack, Stamp),
    Deleting(Stamp),
}

/// What an answer belongs to.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Write,
    Delete,
    Acks,
    Record,
    Stray,
}

type Outputs = Vec<Output<Delivery>>;

#[derive(Debug)]
pub(super) struct Owner {
    keys: Keys,
    session: Option<SessionId>,
    closing: bool,
    hold_until: Option<Instant>,
    retry_at: Option<Instant>,
    /// Somebody wants partitions.
    begun: bool,
    leaving: bool,
    /// Who waits until nothing is left of a life.
    leavers: Vec<u64>,
    announced: Option<(u64, u64)>,
    /// What an acknowledgement says besides.
    says: Ack,
    /// The latest entry of the member, and whether it is gone.
    entered: Option<(Stamp, bool)>,
    /// Entries of the member that are to go or gone, as which something may still run.
    gone: Vec<Stamp>,
    /// The life that is being lived: the entry of its member.
    life: Option<Stamp>,
    own: Own,
    watched: Option<Name>,
    view: View,
    ack_view: View,
    /// What the newest record says that was seen. Also whose record that was and in which state of the store it was written, which outlasts a life: an evicted one may be taken up once
    /// more before the process hears that its entry is gone.
    record: Assigned,
    seen: Option<(Name, Revision)>,
    known: bool,
    running: BTreeMap<u32, Run>,
    /// Grants from before a discontinuity that were not running then.
    void: BTreeMap<u32, u64>,
    /// Grants whose holder let go of its own accord: they rest until they move.
    rested: BTreeMap<u32, u64>,
    standby: Vec<u32>,
    /// The store forgot something, and the record has not been read since.
    renew: bool,
    reconciling: bool,
    look_again: bool,
    /// What runs has to be compared with what is granted.
    compare: bool,
    asked: Vec<(u64, Asked)>,
    next_tag: u64,
}

impl Owner {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            session: None,
            closing: false,
            hold_until: None,
            retry_at: None,
            begun: false,
            leaving: false,
            leavers: Vec::new(),
            announced: None,
            says: Ack::default(),
            entered: None,
            gone: Vec::new(),
            life: None,
            own: Own::None,
            watched: None,
            view: View::default(),
            ack_view: View::default(),
            record: Assigned::default(),
            seen: None,
            known: false,
            running: BTreeMap::new(),
            void: BTreeMap::new(),
            rested: BTreeMap::new(),
            standby: Vec::new(),
            renew: false,
            reconciling: false,
            look_again: false,
            compare: false,
            asked: Vec::new(),
            next_tag: 0,
        }
    }

    fn on_request(&mut self, request: Request, out: &mut Outputs) {
        match request {
            Request::Begin { count, replaces } => {
                self.begun = true;
                self.leaving = false;
                self.says = Ack { count: count.max(self.says.count), replaces, ..Ack::default() };
            }
            Request::Entered(stamp) => self.entered = Some((stamp, false)),
            Request::Gone(stamp) => {
                if let Some((entered, gone)) = &mut self.entered {
                    *gone |= entered.is_same_incarnation(&stamp);
                }
                self.gone.push(stamp);
            }
            Request::Stopped { partition, token } => {
                let run = self.running.get(&partition).copied().filter(|run| run.token == token);
                if let Some(run) = run {
                    self.running.remove(&partition);
                    let granted = granted(&self.record, partition);
                    self.compare |= granted.is_some_and(|other| other != token) || self.running.is_empty();
                    if self.leaving {
                        // It wants no other one.
                    } else if granted == Some(token) && (run.revoked || run.ended) {
                        // The store forgot that it was taken away: it wants a new grant, or it would rest for ever.
                        self.void.insert(partition, token);
                    } else if granted == Some(token) {
                        self.rested.insert(partition, token);
                    }
                }
            }
            Request::Leave { caller } => {
                self.begun = false;
                self.leaving = true;
                self.leavers.push(caller);
            }
            Request::Announce { caller, within } => {
                let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1);
                self.says.returns_ms = within;
                if let Some((before, _)) = self.announced.replace((caller, within)) {
                    out.push(Output::Deliver(Delivery::Announced { caller: before }));
                }
            }
            Request::Grow { count } => self.says.count = self.says.count.max(count),
        }
    }

    /// Ends everything that runs.
    fn end_all(&mut self, reason: LossReason, out: &mut Outputs) {
        for (partition, run) in &mut self.running {
            if !std::mem::replace(&mut run.ended, true) {
                let (partition, token) = (*partition, run.token);
                out.push(Output::Deliver(Delivery::End { partition, token, reason }));
            }
        }
    }

    fn ask(&mut self, asked: Asked) -> u64 {
        self.next_tag += 1;
        self.asked.push((self.next_tag, asked));
        self.next_tag
    }
}

impl Machine for Owner {
    type Request = Request;
    type Delivery = Delivery;

    fn on_input(&mut self, input: Input<Request>, context: &Context<'_>, out: &mut Outputs) {
        let now = context.now;
        self.compare |= !matches!(input, Input::Committed { .. } | Input::Request(Request::Stopped { .. }));
        match input {
            Input::SessionUp { session, hold_until } => {
                self.session = Some(session);
                self.hold_until = hold_until;
                self.retry_at = None;
            }
            Input::SessionDown => self.on_session_down(out),
            Input::Committed { tag, outcome } => self.on_committed(tag, outcome, now, out),
            Input::Listed { tag, listing } => self.on_listed(tag, listing, now, out),
            Input::Voided { tag } => self.on_voided(tag),
            Input::Watched { slot: RECORD, event } => {
                self.view.apply(event);
                self.read_view(out);
            }
            Input::Watched { event, .. } => {
                self.ack_view.apply(event);
                self.read_ack_view();
            }
            Input::Discontinuity { hold_until } => self.on_discontinuity(hold_until, out),
            Input::Tick => {}
            Input::Closing => {
                self.closing = true;
                self.begun = false;
            }
            Input::Request(request) => self.on_request(request, out),
        }
        self.advance(now, out);
    }

    fn next_wake(&self) -> Option<Instant> {
        self.retry_at.or(self.hold_until.filter(|_| self.life.is_some()))
    }

    fn is_idle(&self) -> bool {
        !self.begun
            && self.running.is_empty()
            && self.own == Own::None
            && self.leavers.is_empty()
            && !self.reconciling
            && !self.look_again
    }
}

#[cfg(test)]
#[path = "../owner_test.rs"]
mod tests;
