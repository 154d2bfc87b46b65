//! What a session and its streams share: the way to its row in the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::memory::namespace::Namespace;
use crate::memory::store::{NamespaceId, Store, Wakes};
use crate::runtime::Runtime;
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
    #[cfg(feature = "test-util")]
    node: crate::spi::Name,
}

/// What a session asks of its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Renew,
    Commit,
    List,
    End,
    #[cfg(feature = "test-util")]
    Close,
}

impl Request {
    /// The operation, for errors.
    pub(super) fn operation(self) -> &'static str {
        match self {
            Self::Renew => "renew session",
            Self::Commit => "commit",
            Self::List => "list",
            Self::End => "end another session",
            #[cfg(feature = "test-util")]
            Self::Close => "close session",
        }
    }
}

impl Link {
    /// Opens a session.
    pub(super) fn open(store: Arc<Store>, request: SessionRequest) -> Result<Self, Error> {
        let SessionRequest { namespace, node, ttl, runtime } = request;
        let now = runtime.now();
        let (namespace, id) = store.with(|state, wakes| {
            #[cfg(feature = "test-util")]
            state.faults.add_clock(&runtime);
            let id = state.next_session_id()?;
            let number = state.namespace(&namespace);
            let namespace = state.namespace_mut(number);
            namespace.reap(now, wakes);
            namespace.open_session(id.clone(), node.clone(), ttl, now, wakes);
            Ok::<_, Error>((number, id))
        })?;
        #[cfg(feature = "test-util")]
        store.counters.sessions_opened.add();
        Ok(Self {
            store,
            namespace,
            id,
            ttl,
            runtime,
            over: AtomicBool::new(false),
            #[cfg(feature = "test-util")]
            node,
        })
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

    /// The node that opened the session.
    #[cfg(feature = "test-util")]
    pub(super) fn node(&self) -> &crate::spi::Name {
        &self.node
    }

    /// Runs `step` on the namespace, as of now.
    pub(super) fn access<T>(&self, step: impl FnOnce(&mut Namespace, &mut Wakes) -> T) -> T {
        self.store.access(self.namespace, self.runtime.now(), step)
    }

    /// Starts a new ttl.
    pub(super) fn renew(&self) -> Result<Renewal, Error> {
        #[cfg(feature = "test-util")]
        self.store.counters.renewals.add();
        let now = self.runtime.now();
        self.alive(Request::Renew, |namespace, _| {
            namespace.renew(&self.id, now);
            Ok(Renewal::new(namespace.lineage()))
        })
    }

    /// Commits a valid transaction.
    pub(super) fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        let outcome = self.alive(Request::Commit, |namespace, wakes| namespace.commit(&self.id, txn, wakes));
        #[cfg(feature = "test-util")]
        match &outcome {
            Ok(Outcome::Committed(_)) => self.store.counters.commits.add(),
            Ok(Outcome::Conflict(_)) => self.store.counters.conflicts.add(),
            Err(_) => {}
        }
        outcome
    }

    /// Reads a page.
    pub(super) fn list(&self, collection: &Collection, page: &Page) -> Result<Listing, Error> {
        #[cfg(feature = "test-util")]
        self.store.counters.lists.add();
        self.alive(Request::List, |namespace, _| Ok(namespace.list(collection, page)))
    }

    /// Ends another session.
    pub(super) fn end(&self, other: &SessionId) -> Result<(), Error> {
        #[cfg(feature = "test-util")]
        self.store.counters.sessions_ended.add();
        self.alive(Request::End, |namespace, wakes| {
            namespace.end_session(other, wakes);
            Ok(())
        })
    }

    /// Ends this session, if it is not over yet.
    pub(super) fn close(&self) {
        #[cfg(feature = "test-util")]
        self.store.counters.sessions_ended.add();
        self.over.store(true, Ordering::Release);
        self.access(|namespace, wakes| namespace.end_session(&self.id, wakes));
    }

    /// Refuses a request to an observer.
    pub(super) fn refuse_observer(&self, request: Request) -> Result<(), Error> {
        match self.ttl {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::Unsupported, request.operation())
                .because("an observer reads and watches only; open a session with a ttl")),
        }
    }

    fn alive<T>(
        &self,
        request: Request,
        step: impl FnOnce(&mut Namespace, &mut Wakes) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.over.load(Ordering::Acquire) {
            return Err(self.lost(request));
        }
        let result = self
            .access(|namespace, wakes| namespace.sessions.is_alive(&self.id).then(|| step(namespace, wakes)));
        result.unwrap_or_else(|| Err(self.lost(request)))
    }

    /// The error of a request that found the session over.
    pub(super) fn lost(&self, request: Request) -> Error {
        self.over.store(true, Ordering::Release);
        Error::new(ErrorKind::SessionLost, request.operation())
            .on(format_args!("of session {}", self.id))
            .because("its ttl has passed, or it was closed or ended; open a new one")
    }
}

impl Drop for Link {
    /// An observer has no ttl to end by.
    fn drop(&mut self) {
        if self.ttl.is_none() {
            self.access(|namespace, wakes| namespace.end_session(&self.id, wakes));
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("id", &self.id).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
