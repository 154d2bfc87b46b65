//! The queue of a lock as one process sees it: mutex, read-write lock or semaphore. Pure: no I/O, no clock.
//!
//! Rules: a place is a session-owned entry with a name that nobody else uses, and says which share of the lock it takes. The holders
//! are the longest prefix of the queue whose shares go together; see [`admission`]. All waiters of the process share one place, plus the
//! next one when a holder leaves; where nobody keeps them out they have one each. A place serves at most one grant, so each holder has its
//! own token. A place is granted only from a view that shows it in that prefix, never because another one vanished. Nothing is deleted
//! before its creation is resolved. These are rules P1, P5 and C1–C5 of the model-checked protocols that `docs/adr/0002` and
//! `docs/adr/0004` summarise.

mod admission;
mod advance;
mod answers;
mod downgrade;
mod place;
mod reconcile;
mod watching;

use std::collections::VecDeque;
use std::time::Duration;

use crate::coordinator::{Context, Input, Machine, Output};
use crate::error::{Error, ErrorKind};
use crate::lock::record::{Kind, Share};
use crate::names::{Collection, Key, Name};
use crate::runtime::Instant;
use crate::spi::{SessionId, Stamp, WatchTarget};
use crate::zoo::{Bug, planted};
use admission::Look;
use place::{Place, Status};
use reconcile::OwnPlaces;

/// How long to wait before asking a backend again that could not be reached.
const PAUSE: Duration = Duration::from_millis(50);
/// More places than a process usually has in one queue, resurrected ones included; more pages follow if not.
const OWN_PLACES: usize = 16;
/// How many places are created at once where nobody keeps them out.
const BURST: usize = 32;

/// What callers ask of the queue.
#[derive(Debug)]
pub(super) enum Request {
    /// Wait for a share of the lock: for ever, until a deadline, or not at all.
    Acquire { waiter: u64, share: Share, patience: Patience },
    /// A waiter gave up.
    Cancel { waiter: u64 },
    /// The holder of `place` let go; `caller` wants to know when it is done.
    Release { place: u64, caller: Option<u64> },
    /// The grant of `place` could not be used: its session had run out meanwhile. `waiter` goes on waiting.
    Undelivered { place: u64, waiter: u64, share: Share, patience: Patience },
    /// The holder of `place` goes on as a reader; `caller` waits for that.
    Downgrade { place: u64, caller: u64 },
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
    /// `waiter` holds its share.
    Granted { waiter: u64, place: u64, share: Share, stamp: Stamp, patience: Patience },
    /// The lock is not free, and `waiter` does not wait.
    Contended { waiter: u64 },
    /// `waiter` cannot have what it asked for.
    Rejected { waiter: u64, error: Error },
    /// What `caller` released is released.
    Released { caller: u64 },
    /// `caller` reads now.
    Downgraded { caller: u64, place: u64, stamp: Stamp },
    /// The session of `place`, which was granted, is over. Who has not taken the grant yet goes on waiting.
    Over { place: u64 },
    /// The grant of `place` is void: the store forgot its entry.
    Forgotten { place: u64 },
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    share: Share,
    patience: Patience,
}

/// What an answer belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    /// The creation of a place.
    Create(u64),
    /// The deletion of `place`, perhaps with the creation of `next`; the read-back is about `about`.
    Leave { place: u64, next: Option<u64>, about: Option<u64> },
    /// The change of a place from the whole to reading.
    Downgrade(u64),
    /// What is ahead of `place`, and what pages before this one have shown of that.
    Ahead { place: u64, look: Option<Look> },
    /// Our own places, after a discontinuity.
    Own(OwnPlaces),
}

/// The state of one lock in one process.
#[derive(Debug)]
pub(super) struct Queue {
    collection: Collection,
    kind: Kind,
    node: Name,
    session: Option<SessionId>,
    closing: bool,
    hold_until: Option<Instant>,
    retry_at: Option<Instant>,
    /// Grants are useless until the next session: the present one has run out.
    stalled: bool,
    waiters: VecDeque<Waiter>,
    places: Vec<Place>,
    /// Those of ours that are gone, each with the last thing that was asked before: what is answered to that can still show it.
    gone: Vec<(Key, u64)>,
    /// Names of the session that can be used again; `None` where each name is used once.
    free: Option<Vec<Name>>,
    asked: Vec<(u64, Asked)>,
    next_tag: u64,
    next_place: u64,
    /// What is watched, by slot.
    watched: Vec<(u8, WatchTarget)>,
    /// A discontinuity is being dealt with; `Own` has to be asked (again).
    reconciling: bool,
    look_again: bool,
}

type Outputs = Vec<Output<Delivery>>;

impl Queue {
    pub(super) fn new(collection: Collection, kind: Kind, node: Name) -> Self {
        Self {
            collection,
            kind,
            node,
            session: None,
            closing: false,
            hold_until: None,
            retry_at: None,
            stalled: false,
            waiters: VecDeque::new(),
            places: Vec::new(),
            gone: Vec::new(),
            free: None,
            asked: Vec::new(),
            next_tag: 0,
            next_place: 0,
            watched: Vec::new(),
            reconciling: false,
            look_again: false,
        }
    }

    /// Uses the names of places again once they are gone, if `reuses`.
    pub(super) fn reusing(mut self, reuses: bool) -> Self {
        self.free = reuses.then(Vec::new);
        self
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
            Input::Watched { slot, event } => self.on_watched(slot, &event, out),
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
            Request::Acquire { waiter, share, patience } => {
                self.on_acquire(Waiter { id: waiter, share, patience }, out);
            }
            Request::Cancel { waiter } => self.waiters.retain(|other| other.id != waiter),
            Request::Release { place, caller } => {
                if planted(Bug::PlaceServedTwice) && self.serve_again(place, out) {
                    out.extend(caller.map(|caller| Output::Deliver(Delivery::Released { caller })));
                } else if !self.leave(place, caller) {
                    // Its session is over, and the place with it.
                    out.extend(caller.map(|caller| Output::Deliver(Delivery::Released { caller })));
                }
            }
            Request::Undelivered { place, waiter, share, patience } => {
                // A place that is not there belongs to a session that is over: the one after it is good.
                self.stalled |= self.leave(place, None);
                let at = self.waiters.partition_point(|other| other.id < waiter);
                self.waiters.insert(at, Waiter { id: waiter, share, patience });
                if self.closing {
                    self.close(out);
                }
            }
            Request::Downgrade { place, caller } => self.on_downgrade(place, caller, out),
        }
    }

    /// A planted defect: the place goes to the next who waits. False if nobody does.
    fn serve_again(&mut self, place: u64, out: &mut Outputs) -> bool {
        let Some(Place { status: Status::Granted { stamp }, share, .. }) = self.place(place) else {
            return false;
        };
        let (stamp, share) = (stamp.clone(), *share);
        let Some(Waiter { id: waiter, patience, .. }) = self.waiters.pop_front() else { return false };
        out.push(Output::Deliver(Delivery::Granted { waiter, place, share, stamp, patience }));
        true
    }

    fn close(&mut self, out: &mut Outputs) {
        self.closing = true;
        let operation = self.kind.acquire();
        self.reject_waiters(out, || {
            Error::new(ErrorKind::Closed, operation).because("the coordinator shuts down")
        });
    }

    fn on_acquire(&mut self, waiter: Waiter, out: &mut Outputs) {
        let error = |kind, reason| Error::new(kind, self.kind.acquire()).on(&self.collection).because(reason);
        let impatient = waiter.patience == Patience::None;
        let answer = if self.closing {
            Delivery::Rejected {
                waiter: waiter.id,
                error: error(ErrorKind::Closed, "the coordinator shuts down"),
            }
        } else if impatient && (self.session.is_none() || self.stalled) {
            let reason = "there is no session now; one is being opened, try again later";
            Delivery::Rejected { waiter: waiter.id, error: error(ErrorKind::Unavailable, reason) }
        } else if impatient && self.is_taken_here(waiter.share) {
            Delivery::Contended { waiter: waiter.id }
        } else {
            self.waiters.push_back(waiter);
            return;
        };
        out.push(Output::Deliver(answer));
    }

    /// Whether what this process holds and waits for leaves no room for another one with that share.
    fn is_taken_here(&self, share: Share) -> bool {
        let mut staying = self.places.iter().filter(|place| !place.is_leaving());
        match (self.kind, share) {
            (Kind::Semaphore { permits }, Share::Permits(weight)) => {
                let granted = staying.filter(|place| !place.is_ungranted()).map(|place| place.share);
                let taken = granted.chain(self.waiters.iter().map(|waiter| waiter.share)).map(Share::weight);
                taken.sum::<u64>() + u64::from(weight) > u64::from(permits)
            }
            (_, Share::Read) => {
                staying.any(|place| place.share.is_whole())
                    || self.waiters.iter().any(|waiter| waiter.share.is_whole())
            }
            _ => !self.waiters.is_empty() || staying.next().is_some(),
        }
    }

    /// Lets go of a place. False if there is none such.
    fn leave(&mut self, place: u64, caller: Option<u64>) -> bool {
        let Some(place) = self.place(place) else { return false };
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
