//! The membership of one process in one group. Pure: no I/O, no clock.
//!
//! Rules: the process is a member by what its own resolved commit created, never by an entry that looks like its own. It joins with one transaction of
//! two entries: one of a name that is never used again, for this incarnation, and one per stable id, whose absence refuses a second member of the same
//! node. What it says of itself is level-triggered: the latest wish is compared with what was written last, and written until they agree. While a
//! wish stands the process joins again in every new session, and whenever its entry was taken away.

mod advance;
mod answers;
mod reconcile;

use std::time::Duration;

use bytes::Bytes;

use super::profile::Profile;
use super::records::{Keys, MemberRecord, encode};
use crate::coordinator::{Context, Input, LossReason, Machine, Output};
use crate::error::{Error, ErrorKind};
use crate::names::{Key, Name};
use crate::runtime::Instant;
use crate::spi::{Revision, SessionId, Stamp};
use crate::view::View;
use crate::zoo::{Bug, planted};

/// How long to wait before asking a backend again that could not be reached.
const PAUSE: Duration = Duration::from_millis(50);
/// The same after an answer that will not soon be another one.
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// The watch on the own member's entry, or on the entry of another one that is in the way.
const WATCHED: u8 = 0;

/// What callers ask.
#[derive(Debug)]
pub(super) enum Request {
    /// Join, as the membership of this number, and stay.
    Join { caller: u64, membership: u64, profile: Box<Profile> },
    /// The caller of `Join` gave up, perhaps when it was in the group and the answer was on its way: whoever joins next is behind this.
    Cancel { membership: u64 },
    /// The membership has this profile from now on; `caller` wants to know when that is written. Versions grow.
    Update { membership: u64, caller: u64, version: u64, profile: Box<Profile> },
    /// The holder of the membership leaves; `caller` wants to know when that is done.
    Leave { membership: u64, caller: Option<u64> },
    /// Nobody acts any more as the member of this entry, which is to go or gone.
    Ceased(Stamp),
    /// The health check of the membership began or ceased to fail.
    Health { membership: u64, healthy: bool },
}

/// What callers are given.
#[derive(Debug)]
pub(super) enum Delivery {
    /// `caller` cannot join.
    Rejected { caller: u64, error: Error },
    /// The membership is in the group from now on, as this incarnation. The first time its caller is told, with its profile.
    Entered { membership: u64, stamp: Stamp, caller: Option<(u64, Box<Profile>)> },
    /// The membership is not in the group from now on.
    Gone { membership: u64, reason: LossReason },
    /// What `caller` wanted to say is written; or why it will not be.
    Updated { caller: u64, result: Result<(), Error> },
    /// What `caller` wanted to leave is left.
    Left { caller: u64 },
}

/// What a process wants to be.
#[derive(Debug)]
struct Wish {
    membership: u64,
    /// Who waits for the first entry into the group.
    caller: Option<u64>,
    profile: Box<Profile>,
    version: u64,
    healthy: bool,
}

/// What a process is in the group.
#[derive(Debug, PartialEq, Eq)]
enum Own {
    Out,
    /// The join is under way.
    Joining {
        membership: u64,
        key: Key,
        record: Bytes,
        version: u64,
    },
    In {
        membership: u64,
        member: Stamp,
        id: Stamp,
        /// What the store says of us, as far as we know.
        record: Bytes,
        version: u64,
        /// The commit that made it: an older view does not show it.
        revision: Revision,
        /// What is being written.
        writing: Option<(Bytes, u64)>,
    },
    /// To be given up; `sent` while that is under way.
    Leaving {
        member: Stamp,
        id: Stamp,
        sent: bool,
    },
}

/// An entry of our session that we no longer want, or do not know: brought back by a discontinuity.
#[derive(Debug, PartialEq, Eq)]
struct Stray {
    stamp: Stamp,
    sent: bool,
}

/// Somebody else is a member under our name.
#[derive(Debug)]
struct Blocked {
    /// Which incarnation, and from when on it is refused as a duplicate. Unknown until the watch has shown it.
    by: Option<(Revision, Instant)>,
}

/// What an answer belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Join,
    /// Of the incarnation that was created then.
    Update(Revision),
    Leave,
    DeleteStray(Stamp),
    OwnMembers,
    OwnId,
}

#[derive(Debug)]
pub(super) struct State {
    keys: Keys,
    node: Name,
    /// How much later than its ttl the backend may end a session.
    slack: Duration,
    session: Option<SessionId>,
    closing: bool,
    hold_until: Option<Instant>,
    retry_at: Option<Instant>,
    wish: Option<Wish>,
    own: Own,
    /// Who waits until what was said up to a version is written.
    updates: Vec<(u64, u64)>,
    leavers: Vec<u64>,
    strays: Vec<Stray>,
    /// Own members that the recipe which stands on the group may still act as.
    acting: Vec<Stamp>,
    blocked: Option<Blocked>,
    /// What is watched, and what that has shown.
    watched: Option<Key>,
    view: View,
    /// An id entry of our session was there while a join was under way, whose own it may be or not.
    seen_while_joining: bool,
    reconciling: bool,
    look_again: bool,
    asked: Vec<(u64, Asked)>,
    next_tag: u64,
}

type Outputs = Vec<Output<Delivery>>;

impl State {
    pub(super) fn new(keys: Keys, node: Name, slack: Duration) -> Self {
        Self {
            keys,
            node,
            slack,
            session: None,
            closing: false,
            hold_until: None,
            retry_at: None,
            wish: None,
            own: Own::Out,
            updates: Vec::new(),
            leavers: Vec::new(),
            strays: Vec::new(),
            acting: Vec::new(),
            blocked: None,
            watched: None,
            view: View::default(),
            seen_while_joining: false,
            reconciling: false,
            look_again: false,
            asked: Vec::new(),
            next_tag: 0,
        }
    }

    /// What the store should say of us.
    fn wanted(&self) -> Option<(Bytes, u64)> {
        let wish = self.wish.as_ref()?;
        let record = MemberRecord::new(&self.node, &wish.profile, wish.healthy);
        Some((encode(&record), wish.version))
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
                self.retry_at = None;
            }
            Input::SessionDown => self.on_session_down(out),
            Input::Committed { tag, outcome } => self.on_committed(tag, outcome, context.now, out),
            Input::Listed { tag, listing } => self.on_listed(tag, listing, context.now, out),
            Input::Voided { tag } => self.on_voided(tag),
            Input::Watched { event, .. } => self.view.apply(event),
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
        let refused = self.wish.as_ref().and_then(|wish| wish.caller).and(self.blocked.as_ref());
        // What a view decides that is not known is decided once it is.
        let refused = refused.and_then(|blocked| blocked.by).filter(|_| self.view.is_known());
        let refused = refused.map(|(_, until)| until);
        [refused, self.hold_until].into_iter().flatten().min()
    }

    fn is_idle(&self) -> bool {
        self.wish.is_none()
            && self.own == Own::Out
            && self.strays.is_empty()
            && !self.reconciling
            && !self.look_again
    }
}

impl State {
    fn on_request(&mut self, request: Request, out: &mut Outputs) {
        match request {
            Request::Join { caller, membership, profile } => self.on_join(caller, membership, profile, out),
            Request::Cancel { membership } => {
                let is_wanted = self.wish.as_ref().is_some_and(|wish| wish.membership == membership);
                if is_wanted && !planted(Bug::DroppedJoinStays) {
                    self.give_up();
                }
            }
            Request::Update { membership, caller, version, profile } => {
                let Some(wish) = self.wish.as_mut().filter(|wish| wish.membership == membership) else {
                    let result = Err(no_member("update membership"));
                    out.push(Output::Deliver(Delivery::Updated { caller, result }));
                    return;
                };
                if version > wish.version {
                    wish.version = version;
                    wish.profile = profile;
                }
                self.updates.push((caller, version));
            }
            Request::Leave { membership, caller } => {
                if self.wish.as_ref().is_some_and(|wish| wish.membership == membership) {
                    self.give_up();
                }
                self.leavers.extend(caller);
            }
            Request::Ceased(member) => {
                self.acting.retain(|acting| !acting.is_same_incarnation(&member));
                // Its entry may have waited for that alone.
                self.retry_at = None;
            }
            Request::Health { membership, healthy } => {
                if let Some(wish) = self.wish.as_mut().filter(|wish| wish.membership == membership) {
                    wish.healthy = healthy;
                }
            }
        }
    }

    fn on_join(&mut self, caller: u64, membership: u64, profile: Box<Profile>, out: &mut Outputs) {
        let error = if self.closing {
            Error::new(ErrorKind::Closed, "join group").because("the coordinator shuts down")
        } else if self.wish.is_some() {
            Error::new(ErrorKind::InvalidInput, "join group").because(
                "this node is a member, or joins, already; update that membership, or leave it before",
            )
        } else {
            self.wish = Some(Wish { membership, caller: Some(caller), profile, version: 0, healthy: true });
            return;
        };
        out.push(Output::Deliver(Delivery::Rejected { caller, error }));
    }

    /// Nobody wants the membership any more.
    fn give_up(&mut self) {
        self.wish = None;
        self.blocked = None;
    }

    fn close(&mut self, out: &mut Outputs) {
        self.closing = true;
        let closed = || Error::new(ErrorKind::Closed, "join group").because("the coordinator shuts down");
        if let Some(Wish { caller: Some(caller), .. }) = self.wish {
            out.push(Output::Deliver(Delivery::Rejected { caller, error: closed() }));
        }
        self.give_up();
    }
}

fn no_member(operation: &'static str) -> Error {
    Error::new(ErrorKind::Closed, operation)
        .because("this membership is over: it was left, or the coordinator was shut down")
}

#[cfg(test)]
#[path = "../state_test.rs"]
mod tests;
