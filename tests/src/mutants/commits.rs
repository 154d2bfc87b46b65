//! Transactions that are not atomic, not exactly once, or numbered wrongly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::spi::{Collection, Listing, Outcome, Page, Session, Txn};
use ha_core::{Error, ErrorKind};

use super::relabel::Relabel;
use super::{Defect, Mutant, rebuild};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "a_conflict_leaves_half_a_transaction",
        "txn::a_failed_guard_leaves_every_operation_undone",
        || Arc::new(NotAtomic),
    ),
    Mutant::new(
        "a_transaction_is_applied_in_two_steps",
        "txn::a_page_never_shows_half_a_transaction",
        || Arc::new(TwoSteps),
    ),
    Mutant::new(
        "too_large_a_transaction_is_cut_in_two",
        "txn::more_operations_than_the_capabilities_say_are_refused_before_sending",
        || Arc::new(TwoSteps),
    ),
    Mutant::new("an_applied_commit_is_repeated", "txn::concurrent_increments_are_never_lost", || {
        Arc::new(Repeating(AtomicU32::new(0)))
    }),
    Mutant::new("a_revision_goes_back", "txn::revisions_grow_with_every_commit_of_any_session", || {
        Arc::new(Backwards)
    }),
    Mutant::new(
        "read_backs_are_read_before_the_commit",
        "reads::a_read_back_shows_the_writes_of_its_own_transaction",
        || Arc::new(ReadsFirst),
    ),
    Mutant::new(
        "read_backs_are_unbounded_by_the_commit",
        "reads::the_newest_of_a_read_back_begin_with_what_the_commit_created",
        || Arc::new(ReadsLater),
    ),
];

/// Applies the operations that it can, whether the guards hold or not.
#[derive(Debug)]
struct NotAtomic;

#[async_trait]
impl Defect for NotAtomic {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let outcome = session.commit(txn.clone()).await?;
        if matches!(outcome, Outcome::Conflict(_)) {
            for operation in txn.operations() {
                drop(session.commit(Txn::new().operation(operation.clone())).await);
            }
        }
        Ok(outcome)
    }
}

/// Commits the first half of the operations, then the second.
#[derive(Debug)]
struct TwoSteps;

#[async_trait]
impl Defect for TwoSteps {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let (first, second) = txn.operations().split_at(txn.operations().len() / 2);
        if first.is_empty() {
            return session.commit(txn).await;
        }
        match session.commit(rebuild(&txn, txn.guards().to_vec(), first.to_vec())).await? {
            Outcome::Committed(mut committed) => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let rest = session.commit(rebuild(&txn, Vec::new(), second.to_vec())).await?;
                Ok(match rest {
                    Outcome::Committed(rest) => {
                        committed.stamps.extend(rest.stamps);
                        Outcome::Committed(committed)
                    }
                    conflict => conflict,
                })
            }
            conflict => Ok(conflict),
        }
    }
}

/// Takes the reply of every third commit for lost, and commits again.
#[derive(Debug)]
struct Repeating(AtomicU32);

#[async_trait]
impl Defect for Repeating {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let outcome = session.commit(txn.clone()).await;
        match self.0.fetch_add(1, Ordering::Relaxed) % 3 {
            2 => session.commit(txn).await,
            _ => outcome,
        }
    }
}

/// Numbers the commits in pairs, the second one first.
#[derive(Debug)]
struct Backwards;

#[async_trait]
impl Defect for Backwards {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let swap = Relabel::revisions(|revision| revision ^ 1);
        Ok(swap.outcome(session.commit(swap.txn(&txn)).await?))
    }

    async fn list(
        &self,
        session: &Arc<dyn Session>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Error> {
        let swap = Relabel::revisions(|revision| revision ^ 1);
        Ok(swap.listing(session.list(collection, page).await?))
    }
}

/// Reads before it commits.
#[derive(Debug)]
struct ReadsFirst;

#[async_trait]
impl Defect for ReadsFirst {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let mut before = Vec::new();
        for read in txn.reads() {
            before.push(session.list(&read.collection, read.page.clone()).await?);
        }
        let mut outcome = session.commit(txn).await?;
        if let Outcome::Committed(committed) = &mut outcome {
            committed.reads = before;
        }
        Ok(outcome)
    }
}

/// Reads some time after the commit, and shows what was created meanwhile also where it was told not to.
#[derive(Debug)]
struct ReadsLater;

#[async_trait]
impl Defect for ReadsLater {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let reads = txn.reads().to_vec();
        let mut outcome = session.commit(txn).await?;
        if let Outcome::Committed(committed) = &mut outcome {
            committed.reads.clear();
            for read in reads {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let listing = session.list(&read.collection, read.page).await;
                let unread =
                    |error: Error| Error::new(ErrorKind::SessionLost, "read back").with_source(error);
                committed.reads.push(listing.map_err(unread)?);
            }
        }
        Ok(outcome)
    }
}
