//! What the backend says: commits and listings.

use super::admission::{Finding, Look};
use super::place::{Ahead, Place, Status};
use super::{Asked, Delivery, Outputs, Queue};
use crate::coordinator::Output;
use crate::error::{Error, ErrorKind};
use crate::lock::record::Share;
use crate::runtime::Instant;
use crate::spi::{Committed, Entry, Listing, Outcome, Page, Stamp};
use crate::zoo::{Bug, planted};

impl Queue {
    pub(super) fn on_session_down(&mut self, out: &mut Outputs) {
        self.session = None;
        self.stalled = false;
        self.asked.clear();
        self.forget_names();
        self.look_again = false;
        self.watched.clear();
        for place in std::mem::take(&mut self.places) {
            if matches!(place.status, Status::Granted { .. }) {
                out.push(Output::Deliver(Delivery::Over { place: place.id }));
            }
            if let Status::Leaving { caller: Some(caller), .. } = place.status {
                out.push(Output::Deliver(Delivery::Released { caller }));
            }
            self.reject_downgrade(place.downgrade, out);
        }
        let error = Error::new(ErrorKind::SessionLost, self.kind.acquire())
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
                    self.on_view(place, committed.reads.first(), out);
                }
                // The name is taken, by somebody who makes up our names: take another.
                None => self.drop_place(Some(place)),
            },
            (Some(Asked::Create(place)), Err(error)) => {
                self.drop_place(Some(place));
                self.on_create_failed(&error, now, out);
            }
            (Some(Asked::Downgrade(place)), outcome) => self.on_downgraded(place, outcome, now, out),
            (Some(Asked::Ahead { .. } | Asked::Own(_)), _) => {}
        }
    }

    pub(super) fn on_create_failed(&mut self, error: &Error, now: Instant, out: &mut Outputs) {
        let is_held_back = error.until().is_some_and(|until| until > now);
        if error.lineage().is_some() && !is_held_back {
            // Nobody had heard yet that the store went back, and that is over: it is asked for again, in the history that there is now.
            return;
        }
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
            let left = self.remove(at);
            if let (Some(free), true) = (&mut self.free, committed.is_some()) {
                free.push(left.key.name().clone());
            }
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
            if planted(Bug::HandOverIsGrant) {
                self.set_ahead(next, Ahead::Nobody);
                return;
            }
        }
        if let Some(about) = about {
            self.on_view(about, committed.reads.first(), out);
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
            (Some(Asked::Ahead { place, look: None }), Ok(listing)) => {
                self.on_view(place, Some(&listing), out);
            }
            (Some(Asked::Ahead { place, look: Some(look) }), Ok(listing)) => {
                self.look_on(place, look, &listing, out);
            }
            (Some(Asked::Ahead { .. }), Err(error)) => {
                tracing::debug!(%error, "cannot list the queue; trying again");
                self.pause(now);
            }
            (Some(Asked::Own(asked)), Ok(listing)) => self.on_own_places(asked, &listing, out),
            (Some(Asked::Own(_)), Err(error)) => {
                self.look_again = true;
                tracing::debug!(%error, "cannot list the queue; trying again");
                self.pause(now);
            }
            (Some(Asked::Create(_) | Asked::Leave { .. } | Asked::Downgrade(_)) | None, _) => {}
        }
    }

    /// Takes a view that begins with `place`: it tells what is ahead of each of our places that it shows.
    pub(super) fn on_view(&mut self, place: u64, view: Option<&Listing>, out: &mut Outputs) {
        let Some(Place { status: Status::Queued { stamp, .. }, .. }) = self.place(place) else { return };
        let stamp = stamp.clone();
        let entries = view.map_or(&[][..], Listing::entries);
        let own = entries.first().is_some_and(|entry| entry.stamp().is_same_incarnation(&stamp));
        if planted(Bug::ForeignViewDecides) && !own && entries.len() < 2 {
            self.set_ahead(place, Ahead::Nobody);
            return;
        }
        if !own {
            // The view that decides has to show the place itself. It is gone: start over with another one.
            self.drop_place(Some(place));
            return;
        }
        let more = view.is_some_and(Listing::has_more);
        let queued: Vec<(u64, Share, Stamp)> = self.places.iter().filter_map(Place::queued).collect();
        for (shown, share, stamp) in queued {
            let is_it = |entry: &Entry| entry.stamp().is_same_incarnation(&stamp);
            if let Some(at) = entries.iter().position(is_it) {
                let look = Look::new(self.kind, share, stamp.created());
                self.look_at(shown, look, &entries[at + 1..], more, shown == place, out);
            }
        }
    }

    /// Takes a further page of what is ahead of `place`. Its entries were there when the first one was made, and only vanish: what both show
    /// together is not less than what is there now.
    fn look_on(&mut self, place: u64, look: Look, listing: &Listing, out: &mut Outputs) {
        if self.place(place).is_some_and(|place| place.is_ungranted()) {
            self.look_at(place, look, listing.entries(), listing.has_more(), true, out);
        }
    }

    /// Looks at the next older entries. Goes on with another page if these do not tell, and the place `asked` for it.
    fn look_at(
        &mut self,
        place: u64,
        mut look: Look,
        older: &[Entry],
        more: bool,
        asked: bool,
        out: &mut Outputs,
    ) {
        let is_held = |place: &Place| matches!(place.status, Status::Granted { .. });
        match look.take(older, more, |key| self.place_at(key).is_some_and(is_held)) {
            Ok(Finding::Free) => self.set_ahead(place, Ahead::Nobody),
            // A view from before one of our own places was gone: the next one tells what is behind it.
            Ok(Finding::Behind(entries)) if entries.iter().any(|entry| self.is_gone(entry.key())) => {
                self.set_ahead(place, Ahead::Unknown);
            }
            Ok(Finding::Behind(entries)) => self.set_ahead(place, Ahead::Entries(entries)),
            Ok(Finding::More(up_to)) if asked => {
                let tag = self.ask(Asked::Ahead { place, look: Some(look) });
                let page = Page::newest_up_to(up_to, Page::MAX_LIMIT).relaxed();
                out.push(Output::List { tag, collection: self.collection.clone(), page });
            }
            Ok(Finding::More(_)) => {}
            // Nobody here can have it; the places go with those who wait.
            Err(error) => self.reject_waiters(out, || error.duplicate()),
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
            Some(Asked::Downgrade(place)) => self.set_downgrade_sent(place, false),
            Some(Asked::Ahead { .. } | Asked::Own(_)) | None => {}
        }
        // What the void answer was about may exist or not.
        self.look_again = true;
    }
}
