//! Backends on which the store of the service itself, or a fence, would not hold what it promises.

use std::sync::Arc;

use async_trait::async_trait;
use ha_core::spi::{Collection, Guard, Listing, Name, Order, Outcome, Page, Session, Txn, WatchEvent};
use ha_core::{Effect, Error, ErrorKind};

use super::watches::Filtering;
use super::{Defect, Mutant, rebuild};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "a_fence_is_not_checked",
        "store_fence::a_holder_that_does_not_know_of_its_loss_is_refused",
        || Arc::new(Unfenced(|_| None)),
    ),
    Mutant::new(
        "a_fence_of_an_expired_holder_is_not_checked",
        "store_fence::a_holder_whose_session_expired_is_refused_in_the_next_session_too",
        || Arc::new(Unfenced(|_| None)),
    ),
    Mutant::new("a_fence_admits_whoever_leads", "store_fence::a_leader_writes_while_it_leads", || {
        Arc::new(Unfenced(|guard| match guard {
            Guard::Held(stamp) => Some(Guard::Present(stamp.key().clone())),
            guard => Some(guard),
        }))
    }),
    Mutant::new("one_fence_of_several_is_checked", "store_fence::several_fences_count_each", || {
        Arc::new(LastGuardOnly)
    }),
    Mutant::new(
        "an_unresolved_write_is_called_not_applied",
        "store_doubt::a_write_that_outlives_its_session_says_what_is_known",
        || Arc::new(Sure),
    ),
    Mutant::new("a_long_name_is_cut_in_a_page", "store::get_shows_the_entry_of_exactly_that_name", || {
        Arc::new(Cutting)
    }),
    Mutant::new("a_watch_skips_deletions", "store_watch::a_gap_ends_in_a_snapshot", || {
        Arc::new(Filtering(|| {
            Box::new(|item| match item {
                WatchEvent::Changed { mut changes, revision, lineage } => {
                    changes.retain(|change| matches!(change, ha_core::spi::Change::Put(_)));
                    Some(WatchEvent::Changed { changes, revision, lineage })
                }
                item => Some(item),
            })
        }))
    }),
];

/// Checks other guards than it was asked to, in transactions that write.
#[derive(Debug)]
struct Unfenced(fn(Guard) -> Option<Guard>);

#[async_trait]
impl Defect for Unfenced {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        if !txn.writes_persistent() {
            return session.commit(txn).await;
        }
        let guards = txn.guards().iter().cloned().filter_map(self.0).collect();
        session.commit(rebuild(&txn, guards, txn.operations().to_vec())).await
    }
}

#[derive(Debug)]
struct LastGuardOnly;

#[async_trait]
impl Defect for LastGuardOnly {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let guards = txn.guards().last().cloned().into_iter().collect();
        session.commit(rebuild(&txn, guards, txn.operations().to_vec())).await
    }
}

/// Says of every write of a lost session that it was not applied.
#[derive(Debug)]
struct Sure;

#[async_trait]
impl Defect for Sure {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let outcome = session.commit(txn).await;
        outcome.map_err(|error| match error.kind() {
            ErrorKind::SessionLost => error.with_effect(Effect::NotApplied),
            _ => error,
        })
    }
}

/// Takes the first letter of the name that is asked for, or behind which a page begins, for the whole.
#[derive(Debug)]
struct Cutting;

#[async_trait]
impl Defect for Cutting {
    async fn list(
        &self,
        session: &Arc<dyn Session>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Error> {
        let cut = |name: &Name| Name::parse(&name.as_str().chars().take(1).collect::<String>());
        let page = match page.order() {
            Order::Name { after: Some(after) } => Page::after(cut(after)?, page.limit()),
            Order::Only { name } => Page::only(cut(name)?),
            _ => page,
        };
        session.list(collection, page).await
    }
}
