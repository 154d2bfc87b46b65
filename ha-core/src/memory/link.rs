//! What a session and its streams share: the way to its row in the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::memory::namespace::Namespace;
use crate::memory::store::{NamespaceId, Store, Wakes};
use crate::runtime::{Instant, Runtime};
use crate::spi::{Collection, Listing, Outcome, Page, Renewal, SessionId, SessionRequest, Txn};

/// The client's end of a session.
pub(super) struct Link {
    store: Arc<Store>,
    namespace: NamespaceId,
    id: SessionId,
    ttl: Option<Duration>,
    runtime: Arc<dyn Runtime>,
    /// The session was seen to be over. Final, even if the store forgets it.
    over: AtomicBool,
}

impl Link {
    /// Opens a session.
    pub(super) fn open(store: Arc<Store>, request: SessionRequest) -> Result<Self, Error> {
        let SessionRequest { namespace, node: _, ttl, runtime } = request;
        let now = runtime.now();
        let (namespace, id) = store.with(|state, wakes| {
            let id = state.next_session_id()?;
            let number = state.namespace(&namespace);
            let namespace = state.namespace_mut(number);
            namespace.reap(now, wakes);
            namespace.open_session(id.clone(), ttl, now, wakes);
            Ok::<_, Error>((number, id))
        })?;
        Ok(Self { store, namespace, id, ttl, runtime, over: AtomicBool::new(false) })
    }

    /// The id of the session.
    pub(super) fn id(&self) -> &SessionId {
        &self.id
    }

    /// The granted ttl; `None` for an observer.
    pub(super) fn ttl(&self) -> Option<Duration> {
        self.ttl
    }

    /// The store.
    pub(super) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The number of the namespace.
    pub(super) fn namespace(&self) -> NamespaceId {
        self.namespace
    }

    /// The runtime of the session.
    pub(super) fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// Runs `step` on the namespace, as of now.
    pub(super) fn access<T>(&self, step: impl FnOnce(&mut Namespace, &mut Wakes) -> T) -> T {
        self.store.access(self.namespace, self.runtime.now(), step)
    }

    /// Starts a new ttl.
    pub(super) fn renew(&self) -> Result<Renewal, Error> {
        let now: Instant = self.runtime.now();
        self.alive("renew session", |namespace, _| {
            namespace.renew(&self.id, now);
            Ok(Renewal::new(namespace.lineage()))
        })
    }

    /// Commits a valid transaction.
    pub(super) fn commit(&self, txn: &Txn) -> Result<Outcome, Error> {
        self.alive("commit", |namespace, wakes| namespace.commit(&self.id, txn, wakes))
    }

    /// Reads a page.
    pub(super) fn list(&self, collection: &Collection, page: &Page) -> Result<Listing, Error> {
        self.alive("list", |namespace, _| Ok(namespace.list(collection, page)))
    }

    /// Ends another session.
    pub(super) fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.alive("end session", |namespace, wakes| {
            namespace.end_session(other, wakes);
            Ok(())
        })
    }

    /// Ends this session, if it is not over yet.
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::Release);
        self.access(|namespace, wakes| namespace.end_session(&self.id, wakes));
    }

    /// Refuses `operation` to an observer.
    pub(super) fn refuse_observer(&self, operation: &'static str) -> Result<(), Error> {
        match self.ttl {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::Unsupported, operation)
                .because("an observer reads and watches only; open a session with a ttl")),
        }
    }

    fn alive<T>(
        &self,
        operation: &'static str,
        step: impl FnOnce(&mut Namespace, &mut Wakes) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.over.load(Ordering::Acquire) {
            return Err(self.lost(operation));
        }
        let result = self
            .access(|namespace, wakes| namespace.sessions.is_alive(&self.id).then(|| step(namespace, wakes)));
        result.unwrap_or_else(|| Err(self.lost(operation)))
    }

    /// The error of an operation that found the session over.
    pub(super) fn lost(&self, operation: &'static str) -> Error {
        self.over.store(true, Ordering::Release);
        Error::new(ErrorKind::SessionLost, operation)
            .on(format_args!("of session {}", self.id))
            .because("its ttl has passed, or it was closed or ended; open a new one")
    }
}

impl Drop for Link {
    /// An observer has no ttl to end by.
    fn drop(&mut self) {
        if self.ttl.is_none() {
            self.close();
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("id", &self.id).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
