//! Answers that say less or other than what happened: after lost replies, dropped futures, forgotten commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use ha_core::spi::{
    Collection, Lineage, Listing, Operation, Outcome, Page, Renewal, Session, Txn, WatchEvent,
};
use ha_core::{Error, ErrorKind};

use super::watches::Filtering;
use super::{Defect, Mutant, rebuild};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "an_applied_commit_is_reported_as_not_applied",
        "exactly_once::a_counter_is_exact_under_lost_requests_and_replies",
        || Arc::new(Denying(AtomicU32::new(0))),
    ),
    Mutant::new(
        "own_success_is_taken_for_somebody_elses",
        "exactly_once::a_creation_whose_reply_is_lost_is_no_conflict",
        || Arc::new(Distrustful),
    ),
    Mutant::new("a_dropped_commit_leaves_a_ghost", "exactly_once::a_dropped_commit_leaves_no_ghost", || {
        Arc::new(Detached)
    }),
    Mutant::new("the_hold_grants", "discontinuity::the_hold_refuses_session_owned_creations", || {
        Arc::new(Generous)
    }),
    Mutant::new("the_hold_refuses_everything", "discontinuity::the_hold_lets_everything_else_pass", || {
        Arc::new(Strict)
    }),
    Mutant::new(
        "a_late_request_of_an_earlier_history_is_applied",
        "discontinuity::what_was_asked_for_in_an_earlier_history_is_refused",
        || Arc::new(Timeless),
    ),
    Mutant::new(
        "renewals_hide_a_discontinuity",
        "discontinuity::every_answer_carries_the_new_generation",
        || Arc::new(Hiding { renewals: true }),
    ),
    Mutant::new(
        "listings_hide_a_discontinuity",
        "discontinuity::every_answer_carries_the_new_generation",
        || Arc::new(Hiding { renewals: false }),
    ),
    Mutant::new(
        "a_watch_hides_a_discontinuity",
        "discontinuity::a_watch_tells_of_it_and_shows_the_older_state",
        || {
            Arc::new(Filtering(|| {
                Box::new(|item| (!matches!(item, WatchEvent::Discontinuity(_))).then_some(item))
            }))
        },
    ),
];

/// Applies every third commit and reports that it could not be sent.
#[derive(Debug)]
struct Denying(AtomicU32);

#[async_trait]
impl Defect for Denying {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let outcome = session.commit(txn).await?;
        match self.0.fetch_add(1, Ordering::Relaxed) % 3 {
            2 => Err(Error::new(ErrorKind::Unavailable, "commit").because("no reply")),
            _ => Ok(outcome),
        }
    }
}

/// Sends each commit twice, as if its reply were lost, and believes the second answer.
#[derive(Debug)]
struct Distrustful;

#[async_trait]
impl Defect for Distrustful {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        drop(session.commit(txn.clone()).await);
        session.commit(txn).await
    }
}

/// Sends commits from a task of its own, which nobody tells that its caller is gone.
#[derive(Debug)]
struct Detached;

#[async_trait]
impl Defect for Detached {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let session = Arc::clone(session);
        match tokio::spawn(async move { session.commit(txn).await }).await {
            Ok(outcome) => outcome,
            Err(error) => Err(Error::new(ErrorKind::Closed, "commit").with_source(error)),
        }
    }
}

/// Grants during a hold, by entries that do not look like grants.
#[derive(Debug)]
struct Generous;

#[async_trait]
impl Defect for Generous {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        match session.commit(txn.clone()).await {
            Err(error) if error.kind() == ErrorKind::Recovering => {}
            answer => return answer,
        }
        let mut operations = txn.operations().to_vec();
        for operation in &mut operations {
            if let Operation::Create { owned, .. } = operation {
                *owned = false;
            }
        }
        let plain = operations.into_iter().fold(Txn::new(), Txn::operation);
        session.commit(txn.guards().iter().cloned().fold(plain, Txn::guard)).await
    }
}

/// Takes every change for a grant.
#[derive(Debug)]
struct Strict;

#[async_trait]
impl Defect for Strict {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let granting = rebuild(&txn, txn.guards().to_vec(), txn.operations().to_vec()).granting();
        session.commit(granting).await
    }
}

/// Applies what was asked for in whatever history.
#[derive(Debug)]
struct Timeless;

#[async_trait]
impl Defect for Timeless {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        session.commit(txn.asked_in(Lineage::new(u64::MAX))).await
    }
}

/// Tells of a new generation only in the answers to commits, and in those to either renewals or listings.
#[derive(Debug)]
struct Hiding {
    renewals: bool,
}

#[async_trait]
impl Defect for Hiding {
    async fn renew(&self, session: &Arc<dyn Session>) -> Result<Renewal, Error> {
        let renewal = session.renew().await?;
        Ok(if self.renewals { Renewal::new(Lineage::default()) } else { renewal })
    }

    async fn list(
        &self,
        session: &Arc<dyn Session>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Error> {
        let listing = session.list(collection, page).await?;
        if self.renewals {
            return Ok(listing);
        }
        let (more, revision) = (listing.has_more(), listing.revision());
        Ok(Listing::new(listing.into_entries(), more, revision, Lineage::default()))
    }
}
