//! Carries the requests of users to the backend, on the coordinator's runtime, and the answers back.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use crate::coordinator::{Hub, Lifetime, Listener, Signal, closed};
use crate::error::{Effect, Error, ErrorKind};
use crate::names::Collection;
use crate::runtime::BoxFuture;
use crate::spi::{Listing, Outcome, Page, Txn};

/// How often a read is repeated because the store forgot something while its answer was on its way.
const ROUNDS: usize = 8;

/// One for all handles of a coordinator's store.
pub(crate) struct Desk {
    hub: Arc<Hub>,
    id: u64,
    under_way: AtomicUsize,
}

impl Desk {
    pub(crate) fn open(hub: &Arc<Hub>) -> Arc<Self> {
        let id = hub.next_listener();
        let desk = Arc::new(Self { hub: Arc::clone(hub), id, under_way: AtomicUsize::new(0) });
        let weak: Weak<Self> = Arc::downgrade(&desk);
        // What it has missed does not concern it: it asks for the session when it needs one.
        drop(hub.register(id, weak));
        desk
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Commits; whoever waits may leave, the commit goes on.
    pub(super) async fn commit(self: &Arc<Self>, txn: Txn) -> Result<Outcome, Error> {
        if self.hub.identity().observer {
            return Err(Error::new(ErrorKind::Unsupported, "commit")
                .because("this coordinator is an observer and can only read; connect without `observer()`"));
        }
        let life = self.life("commit")?;
        let unresolved = if txn.writes_persistent() { Effect::Unknown } else { Effect::NotApplied };
        let work = Work::begin(self);
        let mut commit: BoxFuture<'static, _> = Box::pin(async move {
            let outcome = life.session().commit(txn).await;
            work.desk.note(&life, outcome.as_ref().map(Outcome::lineage));
            outcome
        });
        if self.hub.capabilities().commits_inline
            && let Poll::Ready(outcome) = pin!(&mut commit).poll(&mut Context::from_waker(Waker::noop()))
        {
            return outcome;
        }
        let (answer, result) = oneshot::channel();
        // Whoever asked may have stopped waiting.
        let task = async move { drop(answer.send(commit.await)) };
        self.hub.runtime().spawn("store commit", Box::pin(task));
        result.await.unwrap_or_else(|_gone| {
            Err(Error::new(ErrorKind::SessionLost, "commit")
                .because("the coordinator was shut down while the commit was under way")
                .with_effect(unresolved))
        })
    }

    /// Reads a page.
    pub(crate) async fn list(self: &Arc<Self>, collection: Collection, page: Page) -> Result<Listing, Error> {
        let (answer, result) = oneshot::channel();
        let life = self.life("list")?;
        let desk = Arc::clone(self);
        let subject = collection.to_string();
        let task = async move { drop(answer.send(desk.read(&life, &collection, page).await)) };
        self.hub.runtime().spawn("store list", Box::pin(task));
        result.await.unwrap_or_else(|_gone| Err(closed("list", &subject)))
    }

    async fn read(&self, life: &Lifetime, collection: &Collection, page: Page) -> Result<Listing, Error> {
        for _ in 0..ROUNDS {
            let listing = life.session().list(collection, page.clone()).await;
            self.note(life, listing.as_ref().map(Listing::lineage));
            match listing {
                // Of a history that was over before the answer was here.
                Ok(listing) if listing.lineage().generation() < self.hub.lineage().generation() => {}
                Err(error) if error.kind() == ErrorKind::SessionLost => {
                    return Err(Error::new(ErrorKind::Unavailable, "list")
                        .on(collection)
                        .because("the session was lost meanwhile; try again with the next one")
                        .with_source(error));
                }
                answer => return answer,
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "list")
            .on(collection)
            .because("the server still answers from a history that is over; try again later"))
    }

    /// Tells the coordinator what an answer says about the store or the session.
    fn note(&self, life: &Lifetime, lineage: Result<crate::spi::Lineage, &Error>) {
        match lineage {
            Ok(lineage) => self.hub.observe(lineage),
            Err(error) => self.hub.observe_error(life.epoch(), error),
        }
    }

    /// The present session.
    fn life(&self, operation: &'static str) -> Result<Arc<Lifetime>, Error> {
        match self.hub.life() {
            Some(life) => Ok(life),
            None if self.hub.is_closing() => Err(closed(operation, "store")),
            None => Err(Error::new(ErrorKind::Unavailable, operation)
                .because("there is no session now; try again later")),
        }
    }
}

impl Listener for Desk {
    fn signal(self: Arc<Self>, signal: Signal) {
        // It holds nothing that could have been forgotten.
        if let Signal::Discontinuity(lineage) = signal {
            self.hub.reconciled(self.id, lineage.generation());
        }
    }

    fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.hub.deregister(self.id);
    }
}

/// A commit under way: a shutdown waits for it.
struct Work {
    desk: Arc<Desk>,
}

impl Work {
    fn begin(desk: &Arc<Desk>) -> Self {
        desk.under_way.fetch_add(1, Ordering::AcqRel);
        Self { desk: Arc::clone(desk) }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let is_last = self.desk.under_way.fetch_sub(1, Ordering::AcqRel) == 1;
        self.desk.hub.on_drained(is_last);
    }
}
