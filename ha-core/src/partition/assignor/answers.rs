//! What the backend says: pages of the records, and steps.

use super::{Asked, Assignor, Delivery, Loading, Outputs, PAUSE};
use crate::coordinator::Output;
use crate::error::Error;
use crate::partition::table::Table;
use crate::runtime::Instant;
use crate::spi::{Listing, Outcome, Page};

impl Assignor {
    /// Reads the plan, then all records. A step of anybody else after the first answer makes the first step of our own fail.
    pub(super) fn load(&mut self, out: &mut Outputs) {
        if self.loading.is_none() {
            self.loading = Some(Loading::default());
            let (collection, page) =
                (self.keys.plan.collection().clone(), Page::only(self.keys.plan.name().clone()));
            let tag = self.ask(Asked::Plan);
            out.push(Output::List { tag, collection, page });
            return;
        }
        let last = self.loading.as_ref().and_then(|loading| loading.entries.last());
        let page = match last {
            Some(entry) => Page::after(entry.key().name().clone(), Page::MAX_LIMIT),
            None => Page::by_name(Page::MAX_LIMIT),
        };
        let tag = self.ask(Asked::Page);
        out.push(Output::List { tag, collection: self.keys.assigned.clone(), page });
    }

    pub(super) fn on_listed(
        &mut self,
        tag: u64,
        listing: Result<Listing, Error>,
        now: Instant,
        out: &mut Outputs,
    ) {
        let Some(asked) = self.answered(tag) else { return };
        let (listing, loading) = match (listing, self.loading.as_mut()) {
            (Ok(listing), Some(loading)) => (listing, loading),
            (Ok(_), None) => return,
            (Err(error), _) => {
                tracing::debug!(%error, "cannot list what is assigned; trying again");
                self.forget();
                self.retry_at = Some(now + PAUSE);
                return;
            }
        };
        if let Asked::Plan = asked {
            loading.plan = listing.into_entries().into_iter().find(|entry| *entry.key() == self.keys.plan);
            return;
        }
        let (more, reached) = (listing.has_more(), listing.revision());
        loading.entries.extend(listing.into_entries());
        if more {
            return;
        }
        let loaded = Table::load(loading.plan.as_ref(), &loading.entries, reached);
        self.loading = None;
        match loaded {
            Ok(table) => self.table = Some(table),
            Err(error) => {
                // Looked at again now and then: an operator may have mended it.
                self.retry_at = Some(now + PAUSE * 20);
                out.push(Output::Deliver(Delivery::Corrupt(error)));
            }
        }
    }

    pub(super) fn on_committed(
        &mut self,
        tag: u64,
        outcome: Result<Outcome, Error>,
        now: Instant,
        out: &mut Outputs,
    ) {
        let Some(Asked::Step { written }) = self.answered(tag) else { return };
        match outcome {
            Ok(Outcome::Committed(committed)) => {
                if let Some(table) = &mut self.table {
                    table.committed(&written, committed.revision, committed.stamps);
                    let moves = table.record.moves;
                    let unplaced = self.aim.as_ref().map(|aim| aim.plan.unplaced()).unwrap_or_default();
                    let reason = unplaced.first().map(|unplaced| unplaced.reason);
                    let unplaced = unplaced.len();
                    out.push(Output::Deliver(Delivery::Planned { moves, unplaced, reason }));
                }
            }
            Ok(Outcome::Conflict(_)) => {
                // A member came or went, or somebody else leads: what is known is old.
                self.forget();
                self.retry_at = Some(now + PAUSE / 5);
            }
            Err(error) => {
                self.forget();
                tracing::debug!(%error, "cannot write what is assigned; trying again");
                match error.until().filter(|until| *until > now) {
                    Some(until) => self.hold_until = self.hold_until.max(Some(until)),
                    None => self.retry_at = Some(now + PAUSE),
                }
            }
        }
    }

    fn answered(&mut self, tag: u64) -> Option<Asked> {
        self.asked.take_if(|(asked, _)| *asked == tag).map(|(_, asked)| asked)
    }
}
