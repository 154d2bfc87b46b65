//! Guards that are checked too loosely, and conflicts that say too little.

use std::sync::Arc;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{Guard, Operation, Outcome, Session, Txn};

use super::{Defect, Mutant, now_at, rebuild};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("absent_is_not_checked", "guards::absent_refuses_an_existing_entry", || {
        Arc::new(Loose(|guard| match guard {
            Guard::Absent(_) => None,
            guard => Some(guard),
        }))
    }),
    Mutant::new("present_is_not_checked", "guards::present_refuses_a_missing_entry", || {
        Arc::new(Loose(|guard| match guard {
            Guard::Present(_) => None,
            guard => Some(guard),
        }))
    }),
    Mutant::new("unchanged_is_checked_as_held", "guards::unchanged_refuses_a_state_that_was_updated", || {
        Arc::new(Loose(|guard| match guard {
            Guard::Unchanged(stamp) => Some(Guard::Held(stamp)),
            guard => Some(guard),
        }))
    }),
    Mutant::new("held_is_checked_as_unchanged", "guards::held_survives_an_update_of_the_entry", || {
        Arc::new(Loose(|guard| match guard {
            Guard::Held(stamp) => Some(Guard::Unchanged(stamp)),
            guard => Some(guard),
        }))
    }),
    Mutant::new(
        "held_is_checked_by_key_only",
        "incarnations::held_refuses_the_stamp_of_an_earlier_incarnation",
        || {
            Arc::new(Loose(|guard| match guard {
                Guard::Held(stamp) => Some(Guard::Present(stamp.key().clone())),
                guard => Some(guard),
            }))
        },
    ),
    Mutant::new("only_the_first_guard_is_checked", "guards::every_one_of_many_guards_counts", || {
        Arc::new(FirstGuardOnly)
    }),
    Mutant::new("an_update_overwrites", "guards::an_update_refuses_a_state_that_was_updated", || {
        Arc::new(Overwriting { updates: true, deletions: false })
    }),
    Mutant::new(
        "a_deletion_goes_by_key",
        "incarnations::a_deletion_refuses_the_stamp_of_an_earlier_incarnation",
        || Arc::new(Overwriting { updates: false, deletions: true }),
    ),
    Mutant::new(
        "an_update_goes_by_key",
        "incarnations::an_update_refuses_the_stamp_of_an_earlier_incarnation",
        || Arc::new(Overwriting { updates: true, deletions: false }),
    ),
    Mutant::new("a_conflict_names_no_key", "guards::a_conflict_names_a_key_whose_guard_failed", || {
        Arc::new(Mute)
    }),
];

/// Checks other guards than it was asked to.
#[derive(Debug)]
struct Loose(fn(Guard) -> Option<Guard>);

#[async_trait]
impl Defect for Loose {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let guards = txn.guards().iter().cloned().filter_map(self.0).collect();
        session.commit(rebuild(&txn, guards, txn.operations().to_vec())).await
    }
}

#[derive(Debug)]
struct FirstGuardOnly;

#[async_trait]
impl Defect for FirstGuardOnly {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let guards = txn.guards().iter().take(1).cloned().collect();
        session.commit(rebuild(&txn, guards, txn.operations().to_vec())).await
    }
}

/// Changes whatever is at the key, instead of what the stamp says.
#[derive(Debug)]
struct Overwriting {
    updates: bool,
    deletions: bool,
}

#[async_trait]
impl Defect for Overwriting {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let mut operations = txn.operations().to_vec();
        for operation in &mut operations {
            let stamp = match operation {
                Operation::Update { stamp, .. } if self.updates => stamp,
                Operation::Delete { stamp } if self.deletions => stamp,
                _ => continue,
            };
            if let Some(entry) = now_at(&**session, stamp.key()).await {
                *stamp = entry.stamp().clone();
            }
        }
        session.commit(rebuild(&txn, txn.guards().to_vec(), operations)).await
    }
}

#[derive(Debug)]
struct Mute;

#[async_trait]
impl Defect for Mute {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let mut outcome = session.commit(txn).await?;
        if let Outcome::Conflict(conflict) = &mut outcome {
            conflict.keys.clear();
        }
        Ok(outcome)
    }
}
