//! A session at the end of a way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ha_core::runtime::Runtime;
use ha_core::spi::{
    Collection, Listing, Outcome, Page, Renewal, Session, SessionId, Txn, WatchStream, WatchTarget,
};
use ha_core::{Error, ErrorKind};
use tokio::sync::oneshot;

use super::untold::{Late, Sent};
use super::watch::Watch;
use super::way::{Way, silence, within};
use crate::faults::CommitFault;

const RENEW: &str = "renew session";
const COMMIT: &str = "commit";
const LIST: &str = "list";
const END: &str = "end another session";
const CLOSE: &str = "close session";

/// How long it takes to find out what became of a request whose reply was lost.
const RESOLVED_AFTER: Duration = Duration::from_millis(5);

/// A session at the end of a way.
#[derive(Debug)]
pub(super) struct WaySession {
    session: Arc<dyn Session>,
    way: Arc<Way>,
    runtime: Arc<dyn Runtime>,
    doubts: AtomicU64,
}

impl WaySession {
    pub(super) fn new(session: Arc<dyn Session>, way: Arc<Way>, runtime: Arc<dyn Runtime>) -> Self {
        Self { session, way, runtime, doubts: AtomicU64::new(0) }
    }
}

#[async_trait]
impl Session for WaySession {
    fn id(&self) -> &SessionId {
        self.session.id()
    }

    fn ttl(&self) -> Option<Duration> {
        self.session.ttl()
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        if self.way.now().renewals_fail {
            return Err(Error::new(ErrorKind::Unavailable, RENEW).because("renewals of this node fail"));
        }
        self.way.ask(&*self.runtime, RENEW, self.session.renew()).await
    }

    /// Once it was sent, it waits for its answer however long that takes: nobody else can say what became of it.
    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        let fault = self.way.next_commit();
        let txn = match fault {
            CommitFault::LoseRequest => {
                let lost = Error::new(ErrorKind::Unavailable, COMMIT);
                return Err(lost.because("the request was lost on the way; it will never arrive"));
            }
            CommitFault::Delay(delay) => {
                let late = Late::new(&self.session, &self.runtime, txn, delay);
                late.arrive().await.ok_or_else(|| silence(COMMIT))?
            }
            CommitFault::Pass | CommitFault::LoseReply => txn,
        };
        self.way.depart(&*self.runtime, COMMIT).await?;
        self.way.take_turns().await;
        let sent = Sent::send(&self.session, &self.runtime, txn).await;
        self.way.take_turns().await;
        if fault == CommitFault::LoseReply {
            self.runtime.sleep_until(self.runtime.now() + RESOLVED_AFTER).await;
            self.doubts.fetch_add(1, Ordering::Relaxed);
        }
        self.way.hear(&*self.runtime).await;
        sent.answer().await
    }

    fn doubts(&self) -> u64 {
        self.session.doubts() + self.doubts.load(Ordering::Relaxed)
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.way.ask(&*self.runtime, LIST, self.session.list(collection, page)).await
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        let (session, way) = (Arc::clone(&self.session), Arc::clone(&self.way));
        WatchStream::new(Watch::open(session, way, Arc::clone(&self.runtime), target))
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.way.ask(&*self.runtime, END, self.session.end(other)).await
    }

    /// Goes on in the background until the store was told, or needs no telling because the ttl has passed.
    async fn close(&self) -> Result<(), Error> {
        let (session, way, runtime) =
            (Arc::clone(&self.session), Arc::clone(&self.way), Arc::clone(&self.runtime));
        let (closed, told) = oneshot::channel();
        let closing = async move {
            let open = way.until(|conduct| !conduct.requests_stop);
            let is_told = within(&*runtime, session.ttl().unwrap_or_default(), open).await.is_some();
            let answer = if is_told { session.close().await } else { Ok(()) };
            way.hear(&*runtime).await;
            // Whoever asked may have stopped waiting.
            closed.send(answer).ok();
        };
        self.runtime.spawn("close a session", Box::pin(closing));
        let waited = within(&*self.runtime, self.way.patience(), told).await;
        waited.and_then(Result::ok).unwrap_or_else(|| Err(silence(CLOSE)))
    }
}
