//! Backends with one defect each, to see that tests of real servers catch it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;
use ha_core::Error;
use ha_core::spi::{
    Backend, Capabilities, Collection, Lineage, Listing, Outcome, Page, Renewal, Session, SessionId,
    SessionRequest, Txn, WatchEvent, WatchStream, WatchTarget,
};

/// The node that [renews blindly](Defect::RenewsBlindly), while others of its site do not.
pub const BLIND: &str = "blind";

/// What a backend does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// Each commit is sent once more, a second later.
    Repeats,
    /// What is missed while a watch is interrupted is never told.
    PassesOverGaps,
    /// The node [`BLIND`] takes renewals for answered, and hears nothing of its end.
    RenewsBlindly,
}

/// `backend` with a defect.
#[must_use]
pub fn with(defect: Defect, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(Broken { backend, defect })
}

/// Runs what has to fail, and returns its message.
///
/// # Panics
/// If it passes.
#[track_caller]
pub fn failure_of(what: impl FnOnce()) -> String {
    let failure: Box<dyn Any + Send> = match catch_unwind(AssertUnwindSafe(what)) {
        Ok(()) => panic!("it passes in spite of the defect"),
        Err(failure) => failure,
    };
    match failure.downcast::<String>() {
        Ok(message) => *message,
        Err(other) => other.downcast::<&str>().map(|message| (*message).to_owned()).unwrap_or_default(),
    }
}

#[derive(Debug)]
struct Broken {
    backend: Arc<dyn Backend>,
    defect: Defect,
}

#[async_trait]
impl Backend for Broken {
    fn capabilities(&self) -> &Capabilities {
        self.backend.capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        let is_sound = self.defect == Defect::RenewsBlindly && request.node.as_str() != BLIND;
        let session = self.backend.open_session(request).await?;
        Ok(if is_sound { session } else { Arc::new(BrokenSession { session, defect: self.defect }) })
    }
}

#[derive(Debug)]
struct BrokenSession {
    session: Arc<dyn Session>,
    defect: Defect,
}

#[async_trait]
impl Session for BrokenSession {
    fn id(&self) -> &SessionId {
        self.session.id()
    }

    fn ttl(&self) -> Option<Duration> {
        self.session.ttl()
    }

    async fn renew(&self) -> Result<Renewal, Error> {
        if self.defect == Defect::RenewsBlindly {
            return Ok(Renewal::new(Lineage::default()));
        }
        self.session.renew().await
    }

    async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        let outcome = self.session.commit(txn.clone()).await;
        if self.defect == Defect::Repeats {
            let session = Arc::clone(&self.session);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                drop(session.commit(txn).await);
            });
        }
        outcome
    }

    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error> {
        self.session.list(collection, page).await
    }

    fn watch(&self, target: WatchTarget) -> WatchStream {
        WatchStream::new(BrokenWatch {
            stream: self.session.watch(target),
            defect: self.defect,
            has_begun: false,
        })
    }

    async fn end(&self, other: &SessionId) -> Result<(), Error> {
        self.session.end(other).await
    }

    async fn close(&self) -> Result<(), Error> {
        self.session.close().await
    }
}

struct BrokenWatch {
    stream: WatchStream,
    defect: Defect,
    has_begun: bool,
}

impl Stream for BrokenWatch {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        loop {
            let item = ready!(Pin::new(&mut self.stream).poll_next(cx));
            let is_gap = matches!(item, Some(WatchEvent::Interrupted | WatchEvent::Snapshot { .. }));
            match (self.defect, &item) {
                (Defect::PassesOverGaps, _) if is_gap && self.has_begun => {}
                (Defect::RenewsBlindly, None) => return Poll::Pending,
                _ => {
                    self.has_begun = true;
                    return Poll::Ready(item);
                }
            }
        }
    }
}
