//! After a discontinuity: give up what the store forgot, delete what it resurrected.

use super::place::{Place, Status};
use super::{Asked, Delivery, Outputs, Queue};
use crate::coordinator::Output;
use crate::lock::record::share_of;
use crate::names::Key;
use crate::runtime::Instant;
use crate::spi::{Entry, Listing, Page, Revision, SessionId, Stamp};
use crate::zoo::{Bug, planted};

/// Our own places, as the pages so far have shown them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnPlaces {
    found: Vec<Entry>,
    /// The age of the first page.
    since: Option<Revision>,
}

impl Queue {
    pub(super) fn on_discontinuity(&mut self, hold_until: Option<Instant>, out: &mut Outputs) {
        self.hold_until = hold_until;
        // At once, whatever was refused before.
        self.retry_at = None;
        self.reconciling = true;
        self.forget_names();
        // The next session owns nothing yet that could be forgotten or come back.
        self.look_again = self.session.is_some();
        for place in &mut self.places {
            place.forget_view();
        }
        if self.session.is_none() {
            self.finish_reconciling(out);
        }
    }

    /// Takes a page of our own places; the last one decides.
    pub(super) fn on_own_places(&mut self, asked: OwnPlaces, listing: &Listing, out: &mut Outputs) {
        let Some(session) = self.session.clone() else { return };
        let OwnPlaces { mut found, since } = asked;
        let since = since.unwrap_or(listing.revision());
        let before = found.len();
        let own = listing.entries().iter().take_while(|entry| is_place_of(entry.key(), &session));
        found.extend(own.cloned());
        let cut = listing.has_more() && found.len() - before == listing.entries().len();
        match found.last() {
            Some(last) if cut => {
                let page = Page::after(last.key().name().clone(), Page::MAX_LIMIT);
                let tag = self.ask(Asked::Own(OwnPlaces { found, since: Some(since) }));
                out.push(Output::List { tag, collection: self.collection.clone(), page });
            }
            _ => self.compare(&found, since, out),
        }
    }

    /// Compares our places with what the store still knows: gives up what it forgot, deletes what it resurrected.
    fn compare(&mut self, found: &[Entry], since: Revision, out: &mut Outputs) {
        let as_found = |stamp: &Stamp| found.iter().find(|entry| entry.stamp().is_same_incarnation(stamp));
        // A place that was created after the first page was made need not be in any.
        let exists = |stamp: &Stamp| {
            stamp.created() > since || as_found(stamp).is_some() || planted(Bug::ForgottenGrantsKept)
        };
        let places = std::mem::take(&mut self.places).into_iter();
        let (kept, gone): (Vec<Place>, Vec<Place>) =
            places.partition(|place| place.is_leaving() || place.stamp().is_none_or(exists));
        self.places = kept;
        for place in gone {
            if matches!(place.status, Status::Granted { .. }) {
                out.push(Output::Deliver(Delivery::Forgotten { place: place.id }));
            }
            self.reject_downgrade(place.downgrade, out);
        }
        for entry in found {
            if let Some(place) = self.place_at(entry.key()).map(|place| place.id) {
                self.review_downgrade(place, entry, out);
            } else if let (Ok(share), false) =
                (share_of(entry, self.kind), planted(Bug::ResurrectedPlacesKept))
            {
                let status = Status::Leaving { stamp: entry.stamp().clone(), sent: false, caller: None };
                self.add_place(entry.key().clone(), share, status);
            }
            // Of another kind it is a place of another engine of this process.
        }
        self.finish_reconciling(out);
    }

    pub(super) fn finish_reconciling(&mut self, out: &mut Outputs) {
        if std::mem::take(&mut self.reconciling) {
            out.push(Output::Reconciled);
        }
    }
}

fn is_place_of(key: &Key, session: &SessionId) -> bool {
    key.name().as_str().strip_prefix(session.as_str()).is_some_and(|rest| rest.starts_with('-'))
}
