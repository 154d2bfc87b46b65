//! What to do next, decided from the whole state after every input.

use std::sync::atomic::Ordering;

use super::admission::Look;
use super::place::{Ahead, Place, Status};
use super::reconcile::OwnPlaces;
use super::{Asked, BURST, Delivery, OWN_PLACES, Outputs, Patience, Queue};
use crate::coordinator::{Context, Output};
use crate::error::{Error, ErrorKind};
use crate::lock::record::{Kind, Record, Share};
use crate::names::{Key, Name};
use crate::runtime::Instant;
use crate::spi::{Naming, Page, Stamp, Txn};
use crate::zoo::{Bug, planted};

impl Queue {
    pub(super) fn advance(&mut self, context: &Context<'_>, out: &mut Outputs) {
        self.pass_time(context.now, out);
        if self.session.is_none() {
            return;
        }
        self.grant_ready(out);
        self.answer_contended(out);
        self.shrink();
        if self.retry_at.is_none() {
            self.ask_own_places(out);
            self.send_leaving(context, out);
            self.send_downgrades(out);
            self.join(context, out);
            self.ask_ahead(out);
        }
        self.watch_ahead(out);
    }

    fn pass_time(&mut self, now: Instant, out: &mut Outputs) {
        self.retry_at = self.retry_at.filter(|at| now < *at);
        if self.hold_until.is_some_and(|until| now >= until) {
            self.hold_until = None;
            // Whoever was seen ahead before the hold may have been forgotten, or may be back: look again.
            for place in &mut self.places {
                place.forget_view();
            }
        }
        let (operation, collection) = (self.kind.acquire(), &self.collection);
        self.waiters.retain(|waiter| {
            let late = matches!(waiter.patience, Patience::Until(deadline) if deadline <= now);
            if late {
                let error = Error::new(ErrorKind::Timeout, operation)
                    .on(collection)
                    .because("others hold it or wait before; wait longer, or look who holds it");
                out.push(Output::Deliver(Delivery::Rejected { waiter: waiter.id, error }));
            }
            !late
        });
    }

    /// Grants places that a view has shown to be kept out by nobody, to whoever waits longest.
    fn grant_ready(&mut self, out: &mut Outputs) {
        if self.hold_until.is_some() || self.reconciling || self.stalled {
            return;
        }
        while let Some(share) = self.waiters.front().map(|waiter| waiter.share) {
            let ready = |place: &&mut Place| {
                place.share == share && matches!(place.status, Status::Queued { ahead: Ahead::Nobody, .. })
            };
            let Some(place) = self.places.iter_mut().find(ready) else { return };
            let Status::Queued { stamp, .. } = &place.status else { return };
            let (id, stamp) = (place.id, stamp.clone());
            place.status = Status::Granted { stamp: stamp.clone() };
            let Some(waiter) = self.waiters.pop_front() else { return };
            let (waiter, patience) = (waiter.id, waiter.patience);
            out.push(Output::Deliver(Delivery::Granted { waiter, place: id, share, stamp, patience }));
        }
    }

    /// Answers those who do not wait, once others keep out the places that would have served them.
    fn answer_contended(&mut self, out: &mut Outputs) {
        let (mut kept_out, mut hopeful) = (false, 0);
        for place in self.places.iter().filter(|place| place.is_ungranted()) {
            kept_out |= self.is_kept_out(place);
            // Nobody passes the one that is kept out. A place whose creation is under way may turn out to be older.
            hopeful += usize::from(!kept_out || place.status == Status::Creating);
        }
        if !kept_out {
            return;
        }
        // These may yet serve those who came first.
        let mut at = 0;
        self.waiters.retain(|waiter| {
            at += 1;
            let contended = at > hopeful && waiter.patience == Patience::None;
            if contended {
                out.push(Output::Deliver(Delivery::Contended { waiter: waiter.id }));
            }
            !contended
        });
    }

    /// Whether others keep the place out. Where one of those ahead is ours and being left, the view that comes once it is gone tells.
    fn is_kept_out(&self, place: &Place) -> bool {
        let leaves = |stamp: &Stamp| self.place_at(stamp.key()).is_some_and(Place::is_leaving);
        matches!(&place.status, Status::Queued { ahead: Ahead::Entries(entries), .. } if !entries.iter().any(leaves))
    }

    /// Lets go of places that nobody here waits for any more, or not in this order. The first place serves the first waiter, and so on, so that
    /// nobody is overtaken by a later call of his own process.
    fn shrink(&mut self) {
        loop {
            if planted(Bug::CreationForgotten) && self.waiters.is_empty() {
                self.places.retain(|place| place.status != Status::Creating);
            }
            let mut waiters = self.waiters.iter();
            let mut ungranted = self.places.iter_mut().filter(|place| place.is_ungranted());
            let surplus =
                ungranted.find(|place| waiters.next().is_none_or(|waiter| waiter.share != place.share));
            match surplus {
                Some(Place { status: Status::Queued { ahead: Ahead::Nobody, .. }, .. })
                    if planted(Bug::OldestPlaceKept) =>
                {
                    return;
                }
                Some(place) if place.status != Status::Creating => place.leave(None),
                // One whose creation is under way is let go once that is resolved.
                _ => return,
            }
        }
    }

    /// The share of the next waiter for whom a place may be created now: of `limit` that are not granted anyway, of more where nobody
    /// is known to keep them out.
    fn next_share(&self, limit: usize) -> Option<Share> {
        if self.closing || self.stalled || self.hold_until.is_some() {
            return None;
        }
        let mut waiters = self.waiters.iter().map(|waiter| waiter.share);
        let mut ungranted = 0;
        for place in self.places.iter().filter(|place| place.is_ungranted()) {
            // One whose creation is under way may be of no use any more: wait until that is resolved.
            waiters.next().filter(|share| *share == place.share)?;
            ungranted += 1;
        }
        let share = waiters.next()?;
        let creating = || self.places.iter().filter(|place| place.status == Status::Creating);
        // Creations arrive in any order: only those that are alike are under way at once.
        if creating().any(|place| place.share != share) {
            return None;
        }
        let room = creating().count() < BURST && !self.places.iter().any(Place::is_blocked);
        (ungranted < limit || room && self.has_room(share)).then_some(share)
    }

    /// Whether a place with that share goes together with all those that this process has.
    fn has_room(&self, share: Share) -> bool {
        let mut staying = self.places.iter().filter(|place| !place.is_leaving()).map(|place| place.share);
        match (self.kind, share) {
            (_, Share::Whole) | (Kind::Mutex, _) => false,
            (Kind::Semaphore { permits }, _) => {
                staying.map(Share::weight).sum::<u64>() + share.weight() <= u64::from(permits)
            }
            (Kind::RwLock, _) => !staying.any(|other| other.is_whole()),
        }
    }

    /// Queues places for those who wait.
    fn join(&mut self, context: &Context<'_>, out: &mut Outputs) {
        if self.hold_until.is_some() && !self.waiters.is_empty() {
            let error = Error::new(ErrorKind::Recovering, self.kind.acquire()).on(&self.collection).because(
                "the store may have forgotten a holder; nobody is granted anything until it is over",
            );
            self.reject_impatient(out, &error);
        }
        while let Some(share) = self.next_share(1) {
            let Some(key) = self.new_key(context) else { return };
            let page = Page::newest(Look::entries(self.kind, share));
            let txn = self.creating(Txn::new(), key.clone(), share).read_back(self.collection.clone(), page);
            let place = self.add_place(key, share, Status::Creating);
            let tag = self.ask(Asked::Create(place));
            out.push(Output::Commit { tag, txn });
        }
    }

    fn new_key(&mut self, context: &Context<'_>) -> Option<Key> {
        let session = self.session.as_ref()?;
        let free = self.free.iter().flatten().map(|name| self.collection.key(name.clone()));
        // What was asked before a place was gone can still show it under its name.
        let reused = free.enumerate().find(|(_, key)| !self.is_gone(key));
        if let (Some((at, key)), Some(free)) = (reused, &mut self.free) {
            free.swap_remove(at);
            return Some(key);
        }
        let number = context.numbers.fetch_add(1, Ordering::Relaxed);
        Some(self.collection.key(Name::internal(format!("{session}-{number}"))))
    }

    fn creating(&self, txn: Txn, key: Key, share: Share) -> Txn {
        let value = Record::new(self.kind, &self.node, share).encode();
        txn.create_owned(key, value, Naming::Unique)
    }

    /// Deletes what is to be deleted. If others here wait on, their next place is created in the same step.
    fn send_leaving(&mut self, context: &Context<'_>, out: &mut Outputs) {
        let unsent: Vec<(u64, Stamp)> = self.places.iter().filter_map(Place::unsent).collect();
        for (place, stamp) in unsent {
            let mut txn = Txn::new().delete(stamp);
            let first = self.lookout(|_| true);
            // The place in the queue serves one waiter; the others share the next one.
            let next = self.next_share(2).and_then(|share| Some((share, self.new_key(context)?)));
            let next = next.map(|(share, key)| {
                txn = self.creating(std::mem::take(&mut txn), key.clone(), share);
                (self.add_place(key, share, Status::Creating), share)
            });
            let about = first.as_ref().map(|(place, _)| *place).or(next.map(|(place, _)| place));
            if let Some((_, page)) = first {
                txn = txn.read_back(self.collection.clone(), page);
            } else if let Some((_, share)) = next {
                let page = Page::newest(Look::entries(self.kind, share));
                txn = txn.read_back(self.collection.clone(), page);
            }
            if let Some(place) = self.place(place) {
                place.set_sent(true);
            }
            let tag = self.ask(Asked::Leave { place, next: next.map(|(place, _)| place), about });
            out.push(Output::Commit { tag, txn });
        }
    }

    /// Asks what is ahead of our first places, if that is not known.
    fn ask_ahead(&mut self, out: &mut Outputs) {
        if self.is_asked(|asked| matches!(asked, Asked::Ahead { .. })) {
            return;
        }
        let Some((place, page)) = self.lookout(|ahead| *ahead == Ahead::Unknown) else { return };
        let tag = self.ask(Asked::Ahead { place, look: None });
        // Who is ahead of a place only vanishes: what an older state lets through, the present one does.
        out.push(Output::List { tag, collection: self.collection.clone(), page: page.relaxed() });
    }

    /// The place to look ahead from, and the page that shows it: our first one in the queue, if it fits. If that shares, the
    /// last of those behind it that share as well, because the page tells about all of them.
    fn lookout(&self, fits: impl Fn(&Ahead) -> bool) -> Option<(u64, Page)> {
        let queued = self.places.iter().filter_map(|place| match &place.status {
            Status::Queued { stamp, ahead } => Some((place, stamp, ahead)),
            _ => None,
        });
        let mut fitting = queued.take_while(|(_, _, ahead)| fits(ahead));
        let first = fitting.next()?;
        let (place, stamp, _) = match first.0.share {
            Share::Whole => first,
            _ => fitting.take_while(|(place, ..)| !place.share.is_whole()).last().unwrap_or(first),
        };
        let entries = Look::entries(self.kind, place.share);
        Some((place.id, Page::newest_up_to(stamp.created(), entries)))
    }

    /// Asks for our own places, after a discontinuity. Their names begin with the session's id.
    fn ask_own_places(&mut self, out: &mut Outputs) {
        let Some(session) = self.session.clone() else { return };
        if !self.look_again || self.is_asked(|asked| matches!(asked, Asked::Own(_))) {
            return;
        }
        self.look_again = false;
        let tag = self.ask(Asked::Own(OwnPlaces::default()));
        let page = Page::after(Name::internal(format!("{session}-")), OWN_PLACES);
        out.push(Output::List { tag, collection: self.collection.clone(), page });
    }
}
