//! What the backend says: commits, listings, the watch.

use super::place::{Ahead, Place, Status};
use super::{Asked, Delivery, Outputs, Patience, Queue};
use crate::coordinator::Output;
use crate::error::{Error, ErrorKind};
use crate::runtime::Instant;
use crate::spi::{Change, Committed, Listing, Outcome, Stamp, WatchEvent};

impl Queue {
    pub(super) fn on_session_down(&mut self, out: &mut Outputs) {
        self.session = None;
        self.stalled = false;
        self.asked.clear();
        self.look_again = false;
        self.watched = None;
        for place in self.places.drain(..) {
            if let Status::Leaving { caller: Some(caller), .. } = place.status {
                out.push(Output::Deliver(Delivery::Released { caller }));
            }
        }
        let error = Error::new(ErrorKind::SessionLost, "acquire mutex")
            .on(&self.collection)
            .because("nothing is held; a new session is being opened, try again");
        self.reject_impatient(out, &error);
        self.finish_reconciling(out);
    }

    pub(super) fn on_committed(
        &mut self,
        tag: u64,
        outcome: Result<Outcome, Error>,
        now: Instant,
        out: &mut Outputs,
    ) {
        match (self.answered(tag), outcome) {
            (None, _) => {}
            (Some(Asked::Leave { place, next, about }), Ok(outcome)) => {
                self.on_left(place, next, about, outcome.committed(), out);
            }
            (Some(Asked::Leave { place, next, .. }), Err(error)) => {
                if let Some(place) = self.place(place) {
                    place.set_sent(false);
                }
                match next {
                    // Perhaps it is the creation that was refused; the deletion is tried without it if nobody waits.
                    Some(next) => {
                        self.drop_place(Some(next));
                        self.on_create_failed(&error, now, out);
                    }
                    None => self.pause(now),
                }
            }
            (Some(Asked::Create(place)), Ok(outcome)) => match outcome.committed() {
                Some(committed) => {
                    let stamp = committed.stamps.into_iter().flatten().next();
                    self.on_created(place, stamp);
                    self.on_ahead(place, committed.reads.first(), out);
                }
                // The name is taken, by somebody who makes up our names: take another.
                None => self.drop_place(Some(place)),
            },
            (Some(Asked::Create(place)), Err(error)) => {
                self.drop_place(Some(place));
                self.on_create_failed(&error, now, out);
            }
            (Some(Asked::Ahead(_) | Asked::Own), _) => {}
        }
    }

    pub(super) fn on_create_failed(&mut self, error: &Error, now: Instant, out: &mut Outputs) {
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Recovering | ErrorKind::SessionLost | ErrorKind::Timeout => {
                self.reject_impatient(out, error);
                match error.until().filter(|until| *until > now) {
                    // Only what grants is refused until then: deletions go on.
                    Some(until) => self.hold_until = self.hold_until.max(Some(until)),
                    None => self.pause(now),
                }
            }
            _ => self.reject_waiters(out, || error.duplicate()),
        }
    }

    pub(super) fn on_created(&mut self, place: u64, stamp: Option<Stamp>) {
        let Some(stamp) = stamp else { return };
        if let Some(place) = self.place(place) {
            place.status = Status::Queued { stamp, ahead: Ahead::Unknown };
            // Of two that were under way at once the later one may be the older one.
            self.places.sort_by_key(Place::age);
        }
    }

    /// `place` is gone, deleted by us or by somebody else; `next` was created in the same step if there is a commit.
    pub(super) fn on_left(
        &mut self,
        place: u64,
        next: Option<u64>,
        about: Option<u64>,
        committed: Option<Committed>,
        out: &mut Outputs,
    ) {
        if let Some(at) = self.places.iter().position(|other| other.id == place) {
            let left = self.places.remove(at);
            self.forget_ahead(&left.key);
            if let Status::Leaving { caller: Some(caller), .. } = left.status {
                out.push(Output::Deliver(Delivery::Released { caller }));
            }
        }
        let Some(mut committed) = committed else {
            // It had vanished already, so nothing was created.
            self.drop_place(next);
            return;
        };
        if let Some(next) = next {
            let stamp = committed.stamps.pop().flatten();
            self.on_created(next, stamp);
        }
        if let Some(about) = about {
            self.on_ahead(about, committed.reads.first(), out);
        }
    }

    pub(super) fn on_listed(
        &mut self,
        tag: u64,
        listing: Result<Listing, Error>,
        now: Instant,
        out: &mut Outputs,
    ) {
        match (self.answered(tag), listing) {
            (Some(Asked::Ahead(place)), Ok(listing)) => self.on_ahead(place, Some(&listing), out),
            (Some(Asked::Ahead(place)), Err(error)) => {
                self.set_ahead(place, Ahead::Unknown);
                tracing::debug!(%error, "cannot list the queue; trying again");
                self.pause(now);
            }
            (Some(Asked::Own), Ok(listing)) => self.on_own_places(&listing, out),
            (Some(Asked::Own), Err(error)) => {
                self.look_again = true;
                tracing::debug!(%error, "cannot list the queue; trying again");
                self.pause(now);
            }
            (Some(Asked::Create(_) | Asked::Leave { .. }) | None, _) => {}
        }
    }

    /// Takes a view of `place` and of the entry ahead of it.
    pub(super) fn on_ahead(&mut self, place: u64, view: Option<&Listing>, out: &mut Outputs) {
        let Some(Place { status: Status::Queued { stamp, .. }, .. }) = self.place(place) else { return };
        let stamp = stamp.clone();
        let mut entries = view.map_or(&[][..], Listing::entries).iter();
        let own = entries.next().is_some_and(|entry| entry.stamp().is_same_incarnation(&stamp));
        if !own {
            // The view that decides has to show the place itself. It is gone: start over with another one.
            self.drop_place(Some(place));
            return;
        }
        let Some(ahead) = entries.next() else {
            self.set_ahead(place, Ahead::Nothing);
            return;
        };
        if let Err(error) = self.record.check_kind(ahead) {
            self.reject_waiters(out, || error.duplicate());
        }
        let ours = self.places.iter().any(|other| other.key == *ahead.key());
        self.set_ahead(place, Ahead::Entry(ahead.key().clone()));
        if !ours {
            self.contended(out);
        }
    }

    /// Somebody else is ahead: answers those who do not wait.
    pub(super) fn contended(&mut self, out: &mut Outputs) {
        self.waiters.retain(|waiter| {
            let impatient = waiter.patience == Patience::None;
            if impatient {
                out.push(Output::Deliver(Delivery::Contended { waiter: waiter.id }));
            }
            !impatient
        });
    }

    pub(super) fn on_watched(&mut self, event: &WatchEvent) {
        let Some(watched) = self.watched.clone() else { return };
        let gone = match event {
            WatchEvent::Snapshot { entries, .. } => entries.iter().all(|entry| *entry.key() != watched),
            WatchEvent::Changed { changes, .. } => changes
                .iter()
                .any(|change| matches!(change, Change::Removed(stamp) if *stamp.key() == watched)),
            WatchEvent::Interrupted | WatchEvent::Discontinuity(_) => false,
        };
        if gone {
            // A vanished predecessor may have died in mid-queue: list again.
            self.forget_ahead(&watched);
        }
    }

    pub(super) fn on_voided(&mut self, tag: u64) {
        match self.answered(tag) {
            Some(Asked::Create(place)) => self.drop_place(Some(place)),
            Some(Asked::Leave { place, next, .. }) => {
                self.drop_place(next);
                if let Some(place) = self.place(place) {
                    place.set_sent(false);
                }
            }
            Some(Asked::Ahead(place)) => self.set_ahead(place, Ahead::Unknown),
            Some(Asked::Own) | None => {}
        }
        // What the void answer was about may exist or not.
        self.look_again = true;
    }
}
