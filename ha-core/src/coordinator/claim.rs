//! Takes the name of the node for a session: at once where nobody has it or its owner is proven dead, otherwise once it is free.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::cell::lineage_of;
use super::events::Event;
use super::hub::Hub;
use super::identity::{self, Death, Identified, Record};
use crate::error::{Error, ErrorKind};
use crate::names::Key;
use crate::runtime::Instant;
use crate::spi::{
    Entry, Lineage, Naming, Outcome, Page, Session, SessionId, Txn, WatchEvent, WatchStream, WatchTarget,
};
use crate::view::View;
use crate::zoo::{Bug, planted};

/// How long to wait before asking a backend again that could not be reached.
const PAUSE: Duration = Duration::from_millis(50);
/// How many rounds follow each other without a pause: the owner, its end, our entry.
const ROUNDS: usize = 3;
/// How often it is looked whether an owner that lived has died: it may have been about to.
const LOOK: Duration = Duration::from_millis(200);

/// One session's claim to the name of its node.
pub(super) struct Claim {
    hub: Arc<Hub>,
    session: Arc<dyn Session>,
    identified: Identified,
    /// The sessions that this coordinator had before.
    own: Vec<SessionId>,
    key: Key,
    record: Record,
}

/// What is at the name.
pub(super) type Found = (Option<Entry>, Lineage);

/// Reads who has the name of `node`.
pub(super) async fn read(session: &dyn Session, key: &Key) -> Result<Found, Error> {
    let listing = session.list(key.collection(), Page::by_name(1)).await?;
    let lineage = listing.lineage();
    Ok((listing.into_entries().into_iter().find(|entry| entry.key() == key), lineage))
}

impl Claim {
    pub(super) fn new(
        hub: Arc<Hub>,
        session: Arc<dyn Session>,
        identified: Identified,
        own: Vec<SessionId>,
    ) -> Self {
        let key = identity::key(&hub.identity().node);
        let record = Record::new(session.ttl().unwrap_or_default(), identified.process().clone());
        Self { hub, session, identified, own, key, record }
    }

    /// Takes the name. `found` is what was there when the session was opened, if that was looked at.
    pub(super) async fn take(&self, mut found: Option<Found>) -> Result<(), Error> {
        let mut rounds = 0;
        loop {
            rounds += 1;
            if rounds > ROUNDS {
                // What was ended is still shown: its end takes its time.
                self.hub.runtime().sleep_until(self.now() + PAUSE).await;
            }
            let now = match found.take() {
                Some(found) => Ok(found),
                None => read(&*self.session, &self.key).await,
            };
            let step = match now {
                Ok((None, _)) => self.create().await,
                Ok((Some(entry), _)) if entry.owner() == Some(self.session.id()) => return Ok(()),
                Ok((Some(entry), lineage)) => self.succeed(entry, lineage).await,
                Err(error) => Err(error),
            };
            match step {
                Ok(ControlFlow::Break(())) => return Ok(()),
                Ok(ControlFlow::Continue(())) => {}
                Err(error) if error.is_transient() => self.pause(&error).await,
                Err(error) => return Err(error),
            }
        }
    }

    async fn pause(&self, error: &Error) {
        tracing::debug!(%error, "cannot take the name of the node; trying again");
        let soon = self.now() + PAUSE;
        self.hub.runtime().sleep_until(error.until().map_or(soon, |until| until.max(soon))).await;
    }

    fn now(&self) -> Instant {
        self.hub.runtime().now()
    }

    /// Creates our entry, if there is none.
    async fn create(&self) -> Result<ControlFlow<()>, Error> {
        let txn = Txn::new().create_owned(self.key.clone(), self.record.encode(), Naming::Reusable);
        let outcome = self.session.commit(txn).await?;
        self.hub.observe(outcome.lineage());
        Ok(match outcome {
            Outcome::Committed(_) => ControlFlow::Break(()),
            Outcome::Conflict(_) => ControlFlow::Continue(()),
        })
    }

    /// Somebody has the name: takes it over from the dead, waits for everybody else.
    async fn succeed(&self, entry: Entry, lineage: Lineage) -> Result<ControlFlow<()>, Error> {
        let Some(owner) = entry.owner().cloned() else {
            let error = Error::new(ErrorKind::Corrupt, "take the name of the node").on(entry.key());
            return Err(error.because("it belongs to no session, so it never goes; delete it"));
        };
        let proof = self.proof(&entry, &owner);
        self.hub.emit(Event::Predecessor { session: owner.to_string(), death: proof });
        if let Some(death) = proof {
            tracing::info!(session = %owner, reason = %death, "a dead predecessor has the name of this node");
            match self.take_over(&entry, &owner, death).await {
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                result => return result,
            }
        } else {
            tracing::warn!(session = %owner, "the name of this node is in use; waiting for its session to end");
        }
        self.wait(&entry, &owner, lineage).await?;
        Ok(ControlFlow::Continue(()))
    }

    fn proof(&self, entry: &Entry, owner: &SessionId) -> Option<Death> {
        if self.own.contains(owner) || planted(Bug::NameProvesDeath) {
            return Some(Death::Own);
        }
        self.identified.proof(Record::of(entry).as_ref())
    }

    /// Ends the session of a dead owner, as a whole: of single entries one that is created late would stay as a ghost. Our own entry is sent right
    /// behind it; should it arrive first, nothing is lost but a round trip.
    async fn take_over(
        &self,
        entry: &Entry,
        owner: &SessionId,
        death: Death,
    ) -> Result<ControlFlow<()>, Error> {
        if self.hub.capabilities().ends_sessions {
            let (ended, created) = tokio::join!(biased; self.session.end(owner), self.create());
            return match (ended, created) {
                (_, Ok(ControlFlow::Break(()))) => Ok(ControlFlow::Break(())),
                (Err(error), _) | (Ok(()), Err(error)) => Err(error),
                (Ok(()), Ok(ControlFlow::Continue(()))) => Ok(ControlFlow::Continue(())),
            };
        }
        if death == Death::Own {
            // Nothing that we know is in flight can create this entry again: the name alone may go before its session.
            let outcome = self.session.commit(Txn::new().delete(entry.stamp().clone())).await?;
            self.hub.observe(outcome.lineage());
            return Ok(ControlFlow::Continue(()));
        }
        Err(Error::new(ErrorKind::Unsupported, "end the session of a dead predecessor"))
    }

    /// Waits until the incarnation of `entry` is gone, its owner has died, or a dead owner would have gone.
    async fn wait(&self, entry: &Entry, owner: &SessionId, lineage: Lineage) -> Result<(), Error> {
        let slack = self.hub.capabilities().expiry_slack;
        let patience = Record::of(entry).unwrap_or_else(|| self.record.clone()).patience(slack);
        let mut until = self.now() + patience;
        // A hold ends no session, so the wait begins anew after it.
        let hold = |until: Instant, lineage: Lineage| {
            lineage.hold_until().map_or(until, |hold| until.max(hold + patience))
        };
        until = hold(until, lineage);
        let mut watch = self.session.watch(WatchTarget::Entry(self.key.clone()));
        let mut view = View::default();
        while self.now() < until {
            let look = until.min(self.now() + LOOK);
            if let Some(event) = self.next(&mut watch, look).await? {
                if let Some(lineage) = lineage_of(&event) {
                    until = hold(until, lineage);
                }
                view.apply(event);
            }
            let there = view.get(&self.key).is_some_and(|e| e.stamp().is_same_incarnation(entry.stamp()));
            let died = self.hub.capabilities().ends_sessions && self.proof(entry, owner).is_some();
            if (view.is_known() && !there) || died {
                return Ok(());
            }
        }
        let (now, lineage) = read(&*self.session, &self.key).await?;
        let same = now.is_some_and(|now| now.stamp().is_same_incarnation(entry.stamp()));
        let held = lineage.hold_until().is_some_and(|hold| self.now() < hold + patience);
        if same && !held { Err(self.duplicate(owner, patience)) } else { Ok(()) }
    }

    /// What the watch says next, if it says anything before `until`.
    async fn next(&self, watch: &mut WatchStream, until: Instant) -> Result<Option<WatchEvent>, Error> {
        tokio::select! {
            biased;
            event = watch.next() => event.map(Some).ok_or_else(|| {
                Error::new(ErrorKind::SessionLost, "take the name of the node").on(&self.key)
            }),
            () = self.hub.runtime().sleep_until(until) => Ok(None),
        }
    }

    fn duplicate(&self, owner: &SessionId, waited: Duration) -> Error {
        let node = &self.hub.identity().node;
        Error::new(ErrorKind::DuplicateNode, "take the name of the node").on(format_args!("\"{node}\"")).because(
            format_args!(
                "session {owner} still has it after {waited:?}: either a live process has the same name, then give each process a name of \
                 its own; or a dead one's session is late to expire, then try again"
            ),
        )
    }
}
