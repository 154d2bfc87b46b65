//! What to do next, decided from the whole state after every input.

use std::sync::atomic::Ordering;

use super::place::{Ahead, Place, Status};
use super::{AHEAD, Asked, Delivery, OWN_PLACES, Outputs, PLACE_AND_AHEAD, Patience, Queue};
use crate::coordinator::{Context, Output};
use crate::error::{Error, ErrorKind};
use crate::names::{Key, Name};
use crate::runtime::Instant;
use crate::spi::{Naming, Page, Stamp, Txn, WatchTarget};

impl Queue {
    pub(super) fn advance(&mut self, context: &Context<'_>, out: &mut Outputs) {
        self.pass_time(context.now, out);
        if self.session.is_none() {
            return;
        }
        self.grant_oldest(out);
        self.shrink();
        if self.retry_at.is_none() {
            self.ask_own_places(out);
            self.send_leaving(context, out);
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
        let collection = &self.collection;
        self.waiters.retain(|waiter| {
            let late = matches!(waiter.patience, Patience::Until(deadline) if deadline <= now);
            if late {
                let error = Error::new(ErrorKind::Timeout, "acquire mutex")
                    .on(collection)
                    .because("others hold it or wait before; wait longer, or look who holds it");
                out.push(Output::Deliver(Delivery::Rejected { waiter: waiter.id, error }));
            }
            !late
        });
    }

    /// Grants the place that a view has shown to be the oldest, to whoever waits longest.
    fn grant_oldest(&mut self, out: &mut Outputs) {
        if self.hold_until.is_some() || self.reconciling || self.stalled {
            return;
        }
        let oldest =
            |place: &&mut Place| matches!(place.status, Status::Queued { ahead: Ahead::Nothing, .. });
        let Some(place) = self.places.iter_mut().find(oldest) else { return };
        let Some(waiter) = self.waiters.pop_front() else { return };
        let Status::Queued { stamp, .. } = &place.status else { return };
        let stamp = stamp.clone();
        place.status = Status::Granted { stamp: stamp.clone() };
        let (place, patience) = (place.id, waiter.patience);
        out.push(Output::Deliver(Delivery::Granted { waiter: waiter.id, place, stamp, patience }));
    }

    fn ungranted(&self) -> usize {
        self.places.iter().filter(|place| place.is_ungranted()).count()
    }

    /// Lets go of places that nobody here waits for any more; the youngest first, and only resolved ones.
    fn shrink(&mut self) {
        while self.ungranted() > self.waiters.len() {
            let resolved = |place: &&mut Place| matches!(place.status, Status::Queued { .. });
            let Some(place) = self.places.iter_mut().rev().find(resolved) else { return };
            place.leave(None);
        }
    }

    /// Whether those who wait here need one more place, of at most `limit` that are not granted.
    fn needs_place(&self, limit: usize) -> bool {
        let allowed = !self.closing && !self.stalled && self.hold_until.is_none();
        allowed && self.ungranted() < self.waiters.len().min(limit)
    }

    /// Queues a place for those who wait.
    fn join(&mut self, context: &Context<'_>, out: &mut Outputs) {
        if self.hold_until.is_some() && !self.waiters.is_empty() {
            let error = Error::new(ErrorKind::Recovering, "acquire mutex").on(&self.collection).because(
                "the store may have forgotten a holder; nobody is granted anything until it is over",
            );
            self.reject_impatient(out, &error);
        }
        if !self.needs_place(1) {
            return;
        }
        let Some(key) = self.new_key(context) else { return };
        let txn = self
            .creating(Txn::new(), key.clone())
            .read_back(self.collection.clone(), Page::newest(PLACE_AND_AHEAD));
        let place = self.add_place(key, Status::Creating);
        let tag = self.ask(Asked::Create(place));
        out.push(Output::Commit { tag, txn });
    }

    fn new_key(&self, context: &Context<'_>) -> Option<Key> {
        let session = self.session.as_ref()?;
        let number = context.numbers.fetch_add(1, Ordering::Relaxed);
        Some(self.collection.key(Name::internal(format!("{session}-{number}"))))
    }

    fn creating(&self, txn: Txn, key: Key) -> Txn {
        txn.create_owned(key, self.value.clone(), Naming::Unique)
    }

    /// Deletes what is to be deleted. If others here wait on, their next place is created in the same step.
    fn send_leaving(&mut self, context: &Context<'_>, out: &mut Outputs) {
        let unsent: Vec<(u64, Stamp)> = self.places.iter().filter_map(Place::unsent).collect();
        for (place, stamp) in unsent {
            let mut txn = Txn::new().delete(stamp);
            let first = self.places.iter().find_map(|other| match &other.status {
                Status::Queued { stamp, .. } => Some((other.id, stamp.created())),
                _ => None,
            });
            // The place in the queue serves one waiter; the others share the next one.
            let next = if self.needs_place(2) { self.new_key(context) } else { None };
            let next = next.map(|key| {
                txn = self.creating(std::mem::take(&mut txn), key.clone());
                self.add_place(key, Status::Creating)
            });
            let about = first.map(|(place, _)| place).or(next);
            if let Some((_, created)) = first {
                txn = txn.read_back(self.collection.clone(), Page::newest_up_to(created, PLACE_AND_AHEAD));
            } else if next.is_some() {
                txn = txn.read_back(self.collection.clone(), Page::newest(PLACE_AND_AHEAD));
            }
            if let Some(place) = self.place(place) {
                place.set_sent(true);
            }
            let tag = self.ask(Asked::Leave { place, next, about });
            out.push(Output::Commit { tag, txn });
        }
    }

    /// Asks what is ahead of our first place, if that is not known.
    fn ask_ahead(&mut self, out: &mut Outputs) {
        let first = self.places.iter_mut().find(|place| matches!(place.status, Status::Queued { .. }));
        let Some(Place { id, status: Status::Queued { stamp, ahead }, .. }) = first else { return };
        if *ahead != Ahead::Unknown {
            return;
        }
        *ahead = Ahead::Asked;
        let (id, page) = (*id, Page::newest_up_to(stamp.created(), PLACE_AND_AHEAD));
        let tag = self.ask(Asked::Ahead(id));
        out.push(Output::List { tag, collection: self.collection.clone(), page });
    }

    /// Watches the entry ahead of our first place, and nothing else: a release wakes one waiter (R10).
    fn watch_ahead(&mut self, out: &mut Outputs) {
        let ahead = self.places.iter().find_map(|place| match &place.status {
            Status::Queued { ahead: Ahead::Entry(key), .. } => Some(key),
            _ => None,
        });
        // What is ours is deleted by us: its commit tells.
        let wanted = ahead.filter(|key| self.places.iter().all(|place| place.key != **key)).cloned();
        if wanted == self.watched {
            return;
        }
        self.watched.clone_from(&wanted);
        out.push(match wanted {
            Some(key) => Output::Watch { slot: AHEAD, target: WatchTarget::Entry(key) },
            None => Output::Unwatch { slot: AHEAD },
        });
    }

    /// Asks for our own places, after a discontinuity. Their names begin with the session's id.
    fn ask_own_places(&mut self, out: &mut Outputs) {
        let Some(session) = self.session.clone() else { return };
        if !self.look_again || self.is_asked(&Asked::Own) {
            return;
        }
        self.look_again = false;
        let tag = self.ask(Asked::Own);
        let page = Page::after(Name::internal(format!("{session}-")), OWN_PLACES);
        out.push(Output::List { tag, collection: self.collection.clone(), page });
    }
}
