//! Sessions that live too long, too short, or leave something behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{
    Backend, Entry, Operation, Outcome, Page, Renewal, Session, SessionId, SessionRequest, Txn,
};

use super::{Defect, Mutant, rebuild};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "an_entry_outlives_its_session",
        "sessions::what_a_session_owns_vanishes_when_it_is_closed",
        || Arc::new(Outliving),
    ),
    Mutant::new(
        "a_session_vanishes_entry_by_entry",
        "sessions::what_a_session_owns_vanishes_at_once_and_as_a_whole",
        || Arc::new(OneByOne::default()),
    ),
    Mutant::new("closing_does_nothing", "sessions::a_closed_session_writes_nothing_any_more", || {
        Arc::new(Unclosed::default())
    }),
    Mutant::new("ending_deletes_the_entries_only", "sessions::another_session_is_ended_as_a_whole", || {
        Arc::new(EntriesOnly)
    }),
    Mutant::new(
        "ending_another_session_does_nothing",
        "takeover::a_node_whose_predecessor_is_proven_dead_is_back_at_once",
        || Arc::new(Unended),
    ),
    Mutant::new("ending_leaves_members_behind", "takeover::nothing_of_the_dead_is_left", || {
        Arc::new(MembersLeft)
    }),
    Mutant::new("session_ids_are_repeated", "sessions::session_ids_are_never_repeated", || {
        Arc::new(OneId::default())
    }),
    Mutant::new("a_session_expires_early", "expiry::a_session_does_not_expire_before_its_ttl", || {
        Arc::new(OtherTtl { granted: |ttl| ttl / 2, reported: |ttl| ttl * 2 })
    }),
    Mutant::new("a_session_expires_late", "expiry::a_session_expires_within_its_ttl_and_the_slack", || {
        Arc::new(OtherTtl { granted: |ttl| ttl * 50, reported: |ttl| ttl / 50 })
    }),
    Mutant::new("a_renewal_is_answered_by_a_cache", "expiry::renewals_keep_a_session_alive", || {
        Arc::new(CachedRenewal::default())
    }),
    Mutant::new(
        "a_renewal_of_a_lost_session_succeeds",
        "expiry::an_expired_session_cannot_be_renewed",
        || Arc::new(CachedRenewal::default()),
    ),
    Mutant::new("a_commit_renews_as_well", "expiry::commits_and_listings_do_not_replace_renewals", || {
        Arc::new(EagerRenewal)
    }),
];

/// Creates every entry as a persistent one.
#[derive(Debug)]
struct Outliving;

#[async_trait]
impl Defect for Outliving {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let mut operations = txn.operations().to_vec();
        for operation in &mut operations {
            if let Operation::Create { owned, .. } = operation {
                *owned = false;
            }
        }
        session.commit(rebuild(&txn, txn.guards().to_vec(), operations)).await
    }
}

/// The entries that `session` has created and that are still there.
async fn owned(session: &dyn Session, created: &[ha_core::spi::Collection], owner: &SessionId) -> Vec<Entry> {
    let mut owned = Vec::new();
    for collection in created {
        if let Ok(listing) = session.list(collection, Page::by_name(Page::MAX_LIMIT)).await {
            owned.extend(listing.into_entries().into_iter().filter(|entry| entry.owner() == Some(owner)));
        }
    }
    owned
}

/// Deletes what a session owns before it closes it.
#[derive(Debug, Default)]
struct OneByOne(Mutex<Vec<ha_core::spi::Collection>>);

#[async_trait]
impl Defect for OneByOne {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        let used = txn.operations().iter().map(|operation| operation.key().collection().clone());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(used);
        session.commit(txn).await
    }

    async fn close(&self, session: &Arc<dyn Session>) -> Result<(), Error> {
        let used = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for entry in owned(&**session, &used, session.id()).await {
            drop(session.commit(Txn::new().delete(entry.stamp().clone())).await);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        session.close().await
    }
}

/// Closes nothing, but says so.
#[derive(Debug, Default)]
struct Unclosed(Mutex<Vec<Arc<dyn Session>>>);

#[async_trait]
impl Defect for Unclosed {
    async fn close(&self, session: &Arc<dyn Session>) -> Result<(), Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(session));
        Ok(())
    }
}

/// Deletes the entries of a session that it is to end, in the collections that it knows.
#[derive(Debug)]
struct EntriesOnly;

#[async_trait]
impl Defect for EntriesOnly {
    async fn end(&self, session: &Arc<dyn Session>, other: &SessionId) -> Result<(), Error> {
        for segment in ["c", "d"] {
            let collection = ha_core::spi::Collection::parse(&["conformance", segment])?;
            for entry in owned(&**session, &[collection], other).await {
                drop(session.commit(Txn::new().delete(entry.stamp().clone())).await?);
            }
        }
        Ok(())
    }
}

/// Says that it has ended a session, and lets it live.
#[derive(Debug)]
struct Unended;

#[async_trait]
impl Defect for Unended {
    async fn end(&self, _: &Arc<dyn Session>, _: &SessionId) -> Result<(), Error> {
        Ok(())
    }
}

/// Deletes the name of a node that it is to end, and nothing else of its session.
#[derive(Debug)]
struct MembersLeft;

#[async_trait]
impl Defect for MembersLeft {
    async fn end(&self, session: &Arc<dyn Session>, other: &SessionId) -> Result<(), Error> {
        let names = ha_core::spi::Collection::parse(&["_ha", "nodes", "box-1"])?;
        for entry in owned(&**session, &[names], other).await {
            drop(session.commit(Txn::new().delete(entry.stamp().clone())).await?);
        }
        Ok(())
    }
}

/// Calls every session by the id of the first one.
#[derive(Debug, Default)]
struct OneId(OnceLock<SessionId>);

#[async_trait]
impl Defect for OneId {
    fn id<'a>(&'a self, session: &'a dyn Session) -> &'a SessionId {
        self.0.get_or_init(|| session.id().clone())
    }
}

/// Opens sessions with another ttl than it reports.
#[derive(Debug)]
struct OtherTtl {
    granted: fn(Duration) -> Duration,
    reported: fn(Duration) -> Duration,
}

#[async_trait]
impl Defect for OtherTtl {
    async fn open(&self, backend: &dyn Backend, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let ttl = request.ttl;
        match ttl {
            Some(ttl) => backend.open_session(request.with_ttl((self.granted)(ttl))).await,
            None => backend.open_session(request).await,
        }
    }

    fn ttl(&self, session: &dyn Session) -> Option<Duration> {
        session.ttl().map(self.reported)
    }
}

/// Asks the store once, and then answers by itself.
#[derive(Debug, Default)]
struct CachedRenewal(Mutex<BTreeMap<SessionId, Renewal>>);

#[async_trait]
impl Defect for CachedRenewal {
    async fn open(&self, backend: &dyn Backend, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let session = backend.open_session(request).await?;
        if session.ttl().is_some() {
            let renewal = session.renew().await?;
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(session.id().clone(), renewal);
        }
        Ok(session)
    }

    async fn renew(&self, session: &Arc<dyn Session>) -> Result<Renewal, Error> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(session.id()).copied();
        match cached {
            Some(renewal) => Ok(renewal),
            None => session.renew().await,
        }
    }
}

/// Renews the session with everything that it does.
#[derive(Debug)]
struct EagerRenewal;

#[async_trait]
impl Defect for EagerRenewal {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        session.renew().await?;
        session.commit(txn).await
    }
}
