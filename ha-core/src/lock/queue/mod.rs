//! The queue of a mutex as one process sees it. Pure: no I/O, no clock.
//!
//! Rules: a place is a session-owned entry with a name that is never used again. Whoever's place is the oldest holds the lock. All
//! waiters of the process share one place, plus the next one while the first is held; a place serves at most one grant, so each holder has
//! its own, larger token. A place is granted only from a view that shows it as the oldest, never because another one vanished. Nothing is deleted
//! before its creation is resolved. These are rules P1 and C1–C5 of the model-checked protocols that `docs/adr/0002` summarises.

mod advance;
mod answers;
mod place;
mod reconcile;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::record::Record;
use crate::coordinator::{Context, Input, Machine, Output};
use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key};
use crate::runtime::Instant;
use crate::spi::{SessionId, Stamp};
use place::Place;

/// How long to wait before asking a backend again that could not be reached.
const PAUSE: Duration = Duration::from_millis(50);
/// A place and the one ahead of it.
const PLACE_AND_AHEAD: usize = 2;
/// More places than one process ever has in one queue, resurrected ones included; more pages follow if not.
const OWN_PLACES: usize = 16;
/// The watch on the place ahead.
const AHEAD: u8 = 0;

/// What callers ask of the queue.
#[derive(Debug)]
pub(super) enum Request {
    /// Wait for the lock: for ever, until a deadline, or not at all.
    Acquire { waiter: u64, patience: Patience },
    /// A waiter gave up.
    Cancel { waiter: u64 },
    /// The holder of `place` let go; `caller` wants to know when it is done.
    Release { place: u64, caller: Option<u64> },
    /// The grant of `place` could not be used: its session had run out meanwhile. `waiter` goes on waiting.
    Undelivered { place: u64, waiter: u64, patience: Patience },
}

/// How long a waiter waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Forever,
    Until(Instant),
    None,
}

/// What callers are given.
#[derive(Debug)]
pub(super) enum Delivery {
    /// `waiter` holds the lock.
    Granted { waiter: u64, place: u64, stamp: Stamp, patience: Patience },
    /// The lock is not free, and `waiter` does not wait.
    Contended { waiter: u64 },
    /// `waiter` cannot have the lock.
    Rejected { waiter: u64, error: Error },
    /// What `caller` released is released.
    Released { caller: u64 },
    /// The grant of `place` is void: the store forgot its entry.
    Forgotten { place: u64 },
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    patience: Patience,
}

/// What an answer belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    /// The creation of a place.
    Create(u64),
    /// The deletion of `place`, perhaps with the creation of `next`; the read-back is about `about`.
    Leave { place: u64, next: Option<u64>, about: Option<u64> },
    /// What is ahead of a place.
    Ahead(u64),
    /// Our own places, after a discontinuity.
    Own,
}

/// The state of one mutex in one process.
#[derive(Debug)]
pub(super) struct Queue {
    collection: Collection,
    record: Record,
    /// The record as each place stores it.
    value: Bytes,
    session: Option<SessionId>,
    closing: bool,
    hold_until: Option<Instant>,
    retry_at: Option<Instant>,
    /// Grants are useless until the next session: the present one has run out.
    stalled: bool,
    waiters: VecDeque<Waiter>,
    places: Vec<Place>,
    asked: Vec<(u64, Asked)>,
    next_tag: u64,
    next_place: u64,
    watched: Option<Key>,
    /// A discontinuity is being dealt with; `Own` has to be asked (again).
    reconciling: bool,
    look_again: bool,
}

type Outputs = Vec<Output<Delivery>>;

impl Queue {
    pub(super) fn new(collection: Collection, record: Record) -> Self {
        let value = record.encode();
        Self {
            collection,
            record,
            value,
            session: None,
            closing: false,
            hold_until: None,
            retry_at: None,
            stalled: false,
            waiters: VecDeque::new(),
            places: Vec::new(),
            asked: Vec::new(),
            next_tag: 0,
            next_place: 0,
            watched: None,
            reconciling: false,
            look_again: false,
        }
    }
}

impl Machine for Queue {
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
            Input::Voided { tag } => self.on_voided(tag),
            Input::Watched { slot: _, event } => self.on_watched(&event),
            Input::Discontinuity { hold_until } => self.on_discontinuity(hold_until, out),
            Input::Tick => {}
            Input::Closing => self.close(out),
            Input::Request(request) => self.on_request(request, out),
        }
        self.advance(context, out);
    }

    fn next_wake(&self) -> Option<Instant> {
        let waiting = self.waiters.iter().filter_map(|waiter| match waiter.patience {
            Patience::Until(deadline) => Some(deadline),
            Patience::Forever | Patience::None => None,
        });
        waiting.chain(self.retry_at).chain(self.hold_until).min()
    }

    fn is_idle(&self) -> bool {
        self.places.is_empty() && self.waiters.is_empty() && !self.reconciling && !self.look_again
    }
}

impl Queue {
    fn on_request(&mut self, request: Request, out: &mut Outputs) {
        match request {
            Request::Acquire { waiter, patience } => self.on_acquire(waiter, patience, out),
            Request::Cancel { waiter } => self.waiters.retain(|other| other.id != waiter),
            Request::Release { place, caller } => {
                if !self.leave(place, caller) {
                    // Its session is over, and the place with it.
                    out.extend(caller.map(|caller| Output::Deliver(Delivery::Released { caller })));
                }
            }
            Request::Undelivered { place, waiter, patience } => {
                // A place that is not there belongs to a session that is over: the one after it is good.
                self.stalled |= self.leave(place, None);
                self.waiters.push_front(Waiter { id: waiter, patience });
                if self.closing {
                    self.close(out);
                }
            }
        }
    }

    fn close(&mut self, out: &mut Outputs) {
        self.closing = true;
        self.reject_waiters(out, || {
            Error::new(ErrorKind::Closed, "acquire mutex").because("the coordinator shuts down")
        });
    }

    fn on_acquire(&mut self, waiter: u64, patience: Patience, out: &mut Outputs) {
        let error = |kind, reason| Error::new(kind, "acquire mutex").on(&self.collection).because(reason);
        let reject = if self.closing {
            Delivery::Rejected { waiter, error: error(ErrorKind::Closed, "the coordinator shuts down") }
        } else if patience != Patience::None {
            self.waiters.push_back(Waiter { id: waiter, patience });
            return;
        } else if self.session.is_none() || self.stalled {
            let reason = "there is no session now; one is being opened, try again later";
            Delivery::Rejected { waiter, error: error(ErrorKind::Unavailable, reason) }
        } else if !self.waiters.is_empty() || self.places.iter().any(|place| !place.is_leaving()) {
            Delivery::Contended { waiter }
        } else {
            self.waiters.push_back(Waiter { id: waiter, patience });
            return;
        };
        out.push(Output::Deliver(reject));
    }

    /// Lets go of a place. False if there is none such.
    fn leave(&mut self, place: u64, caller: Option<u64>) -> bool {
        let Some(place) = self.places.iter_mut().find(|other| other.id == place) else { return false };
        place.leave(caller);
        true
    }

    fn reject_waiters(&mut self, out: &mut Outputs, error: impl Fn() -> Error) {
        for waiter in self.waiters.drain(..) {
            out.push(Output::Deliver(Delivery::Rejected { waiter: waiter.id, error: error() }));
        }
    }

    /// Rejects those who do not wait, because of an error that others wait out.
    fn reject_impatient(&mut self, out: &mut Outputs, error: &Error) {
        self.waiters.retain(|waiter| {
            let impatient = waiter.patience == Patience::None;
            if impatient {
                let error = error.duplicate();
                out.push(Output::Deliver(Delivery::Rejected { waiter: waiter.id, error }));
            }
            !impatient
        });
    }
}

#[cfg(test)]
#[path = "../queue_test.rs"]
mod tests;
