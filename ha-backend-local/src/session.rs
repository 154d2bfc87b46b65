//! The session of the contract.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::runtime::Runtime;
use ha_core::spi::{
    Collection, Lineage, Listing, Name, Operation, Outcome, Page, Renewal, Session, SessionId, Stamp, Txn,
    WatchStream, WatchTarget,
};
use ha_core::{Error, ErrorKind};
use tokio::sync::oneshot;

use crate::backend::capabilities;
use crate::clock::Moment;
use crate::error::{Failure, is_busy};
use crate::hub::Holder;
use crate::keys::{Number, Place};
use crate::life::{Life, Renewed};
use crate::queue::Unwanted;
use crate::reader::Reader;
use crate::rows;
use crate::site::{Shared, Site};
use crate::step::{Step, is_alive, lost};
use crate::watch::Watch;

const RENEW: &str = "renew session";
const COMMIT: &str = "commit";
const LIST: &str = "list";
const END: &str = "end another session";
const CLOSE: &str = "close session";

/// A session or observer on a local store.
#[derive(Debug)]
pub(crate) struct LocalSession {
    pub(crate) site: Arc<Site>,
    pub(crate) id: SessionId,
    pub(crate) namespace: Name,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) holder: Holder,
    /// It was seen to be over. Final.
    pub(crate) over: Arc<AtomicBool>,
    pub(crate) lease: Option<Lease>,
}

/// What a session has and an observer has not.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) number: Number,
    pub(crate) ttl: Duration,
    pub(crate) life: Arc<Life>,
}

impl LocalSession {
    fn lease(&self, operation: &'static str) -> Result<&Lease, Error> {
        let lease = self.lease.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, operation)
                .because("an observer reads and watches only; open a session with a ttl")
        })?;
        if self.is_over() { Err(self.gone(operation)) } else { Ok(lease) }
    }

    /// Whether it was seen to be over.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn gone(&self, operation: &'static str) -> Error {
        self.site.shared.explain_end(match &self.lease {
            Some(lease) => lost(lease.number, operation),
            None => Error::new(ErrorKind::Closed, operation).because("this observer was closed"),
        })
    }

    /// Does a step on the database, or nothing.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        run: impl FnMut(&mut Step<'_>) -> Result<T, Failure> + Send + 'static,
        unwanted: Option<Unwanted<T>>,
    ) -> Result<T, Error> {
        let shared = &self.site.shared;
        let answer = shared.queue.submit(operation, run, unwanted);
        let explain = || shared.explain_waiting(operation);
        let result = match answer {
            Ok(answer) => answer.within(&*self.runtime, shared.config.timeout, explain).await,
            Err(error) => Err(error),
        };
        self.note(operation, result)
    }

    /// Asks the reader.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&mut Reader) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = &self.site.shared;
        let (answer, receiver) = oneshot::channel();
        // Whoever asked may have stopped waiting.
        let question = Box::new(move |reader: &mut Reader| drop(answer.send(read(reader))));
        if !shared.inbox.ask(question) {
            return Err(self.gone(operation));
        }
        let waited = within(&*self.runtime, shared.config.timeout, receiver).await;
        let result = match waited {
            Some(Ok(result)) => result.map_err(|failure| failure.into_error(operation, &shared.config.path)),
            Some(Err(_gone)) => Err(self.gone(operation)),
            None => Err(shared.explain_waiting(operation)),
        };
        self.note(operation, result)
    }

    /// Remembers that the session is over, and says so instead of everything else.
    fn note<T>(&self, operation: &'static str, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            if error.kind() == ErrorKind::SessionLost {
                self.site.shared.end_holder(self.holder);
            } else if self.is_over() {
                return Err(self.gone(operation));
            }
        }
        result
    }

    /// What becomes of a commit that nobody waited for: the session-owned entries that it created are deleted.
    fn undo(&self, txn: &Txn) -> Unwanted<Outcome> {
        let (site, namespace) = (Arc::clone(&self.site), self.namespace.clone());
        let is_owned = |operation: &Operation| matches!(operation, Operation::Create { owned: true, .. });
        let owned: Vec<bool> = txn.operations().iter().map(is_owned).collect();
        Arc::new(move |outcome: Outcome| {
            let stamps = outcome.committed().map(|committed| committed.stamps).unwrap_or_default();
            let created: Vec<Stamp> = stamps
                .into_iter()
                .zip(&owned)
                .filter(|(_, owned)| **owned)
                .filter_map(|(stamp, _)| stamp)
                .collect();
            if created.is_empty() {
                return;
            }
            let namespace = namespace.clone();
            let undo = move |step: &mut Step<'_>| step.undo(&namespace, &created);
            // Nobody waits for this either; if the store is over, so is the session.
            drop(site.shared.queue.submit("undo a commit that nobody waited for", undo, None));
        })
    }

    /// Under the write lock, where nobody can be ending the session: it is alive, and what was written to its file counts.
    async fn confirm(&self, number: Number) -> Result<(), Error> {
        self.write(RENEW, move |step| step.require_alive(number, RENEW), None).await
    }
}

#[async_trait]
impl Session for LocalSession {
    fn id(&self) -> &SessionId {
        &self.id
    }

    fn ttl(&self) -> Option<Duration> {
        self.lease.as_ref().map(|lease| lease.ttl)
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        let Lease { number, ttl, life } = self.lease(RENEW)?.clone();
        let deadline = self.site.shared.clock.now() + ttl;
        let shared = Arc::clone(&self.site.shared);
        let (renewed, lineage) =
            self.read(RENEW, move |reader| renew(reader, &shared, &life, number, deadline)).await?;
        if renewed == Renewed::Late {
            self.confirm(number).await?;
        }
        Ok(Renewal::new(lineage))
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        let number = self.lease(COMMIT)?.number;
        txn.check(capabilities())?;
        let (namespace, undo) = (self.namespace.clone(), self.undo(&txn));
        let run = move |step: &mut Step<'_>| step.commit(number, &namespace, &txn);
        self.write(COMMIT, run, Some(undo)).await
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        if self.is_over() {
            return Err(self.gone(LIST));
        }
        let number = self.lease.as_ref().map(|lease| lease.number);
        let (place, collection) = (Place::of(&self.namespace, collection), collection.clone());
        let shared = Arc::clone(&self.site.shared);
        let read = move |reader: &mut Reader| {
            reader.read(|connection, state| {
                if let Some(number) = number
                    && !is_alive(connection, number)?
                {
                    return Err(lost(number, LIST).into());
                }
                let (entries, more) = rows::page(connection, &place, &collection, &page)?;
                Ok(Listing::new(
                    entries,
                    more,
                    rows::revision(state.revision),
                    Reader::lineage(&shared, state),
                ))
            })
        };
        self.read(LIST, read).await
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        WatchStream::new(Watch::open(Arc::clone(&self.site), self, target))
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        let own = self.lease(END)?.number;
        let number = Number::parse(other).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, END)
                .on(other)
                .because("no session of this store has such an id")
        })?;
        let run = move |step: &mut Step<'_>| {
            step.require_alive(own, END)?;
            step.end_session(number)
        };
        self.write(END, run, None).await
    }

    async fn close(&self) -> Result<(), Error> {
        let shared = &self.site.shared;
        let was_over = self.is_over();
        shared.end_holder(self.holder);
        self.over.store(true, Ordering::Release);
        let Some(Lease { number, .. }) = self.lease.clone().filter(|_| !was_over) else { return Ok(()) };
        let answer = shared.queue.submit(CLOSE, move |step| step.end_session(number), None);
        // A store that is over has no sessions.
        let Ok(answer) = answer else { return Ok(()) };
        answer.or_later(&*self.runtime, shared.config.timeout, || shared.explain_waiting(CLOSE)).await
    }
}

impl Drop for LocalSession {
    /// An observer leaves nothing; a session ends by its ttl.
    fn drop(&mut self) {
        self.site.shared.end_holder(self.holder);
    }
}

/// Renews on the thread of the reader: the proof first, then whether it counts.
fn renew(
    reader: &mut Reader,
    shared: &Shared,
    life: &Life,
    number: Number,
    deadline: Moment,
) -> Result<(Renewed, Lineage), Failure> {
    let fail = |error: io::Error| {
        Error::new(ErrorKind::Unavailable, RENEW).because(format_args!("its file cannot be written: {error}"))
    };
    let renewed = life.renew(shared.clock, deadline);
    if shared.is_moved() {
        shared.end_moved();
        return Err(shared.explain_end(lost(number, RENEW)).into());
    }
    let renewed = renewed.map_err(fail)?;
    let checked = reader.read(|connection, state| {
        if is_alive(connection, number)? {
            Ok(Reader::lineage(shared, state))
        } else {
            Err(lost(number, RENEW).into())
        }
    });
    match checked {
        Ok(lineage) => Ok((renewed, lineage)),
        // A process that was stopped while it repairs the log keeps everybody from reading, and nobody can have ended the session meanwhile.
        Err(Failure::Database(error)) if is_busy(&error) && renewed == Renewed::InTime => {
            Ok((renewed, reader.last_lineage()))
        }
        Err(failure) => Err(failure),
    }
}

/// The result of `future`, if it is there after at most `patience`.
pub(crate) async fn within<T>(
    runtime: &dyn Runtime,
    patience: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let alarm = runtime.sleep_until(runtime.now() + patience);
    tokio::select! {
        biased;
        result = future => Some(result),
        () = alarm => None,
    }
}
