//! Defects that hardly matter to a mutex, and break locks that several hold.

use std::sync::Arc;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{Change, Listing, Outcome, Session, Txn, WatchStream, WatchTarget};

use super::watches::{Filtering, without_changes};
use super::{Defect, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new("updates_are_not_watched", "downgrade::a_downgrade_lets_readers_in_and_no_writer", || {
        Arc::new(Filtering(|| {
            let is_update = |change: &Change| match change {
                Change::Put(entry) => entry.stamp().modified() != entry.created(),
                _ => false,
            };
            Box::new(move |item| without_changes(item, is_update))
        }))
    }),
    Mutant::new("read_backs_are_cut_in_silence", "semaphore::a_hundred_permits_are_counted", || {
        Arc::new(CutReads)
    }),
    Mutant::new(
        "the_watch_of_a_collection_loses_removals",
        "semaphore::a_hundred_permits_are_counted",
        || Arc::new(Oblivious),
    ),
];

/// Reads back a few entries at most, and says that these are all.
#[derive(Debug)]
struct CutReads;

#[async_trait]
impl Defect for CutReads {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let mut outcome = session.commit(txn).await?;
        if let Outcome::Committed(committed) = &mut outcome {
            for read in &mut committed.reads {
                let (revision, lineage) = (read.revision(), read.lineage());
                let entries = read.entries().iter().take(8).cloned().collect();
                *read = Listing::new(entries, false, revision, lineage);
            }
        }
        Ok(outcome)
    }
}

/// Tells of removals to those who watch a single entry only.
#[derive(Debug)]
struct Oblivious;

#[async_trait]
impl Defect for Oblivious {
    fn watch(&self, session: &Arc<dyn Session>, target: WatchTarget) -> WatchStream {
        if matches!(target, WatchTarget::Entry(_)) {
            return session.watch(target);
        }
        let filtering = Filtering(|| {
            Box::new(|item| without_changes(item, |change| matches!(change, Change::Removed(_))))
        });
        filtering.watch(session, target)
    }
}
