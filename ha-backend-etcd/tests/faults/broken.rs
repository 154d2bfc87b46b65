//! The tests of this target, tested: on a backend with one defect each of these fails.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;
use ha_conformance::history::Recipe;
use ha_conformance::servers::holder::{Holder, Work};
use ha_core::Error;
use ha_core::spi::{
    Backend, Capabilities, Collection, Lineage, Listing, Outcome, Page, Renewal, Session, SessionId,
    SessionRequest, Txn, WatchEvent, WatchStream, WatchTarget,
};

use super::Test;
use super::site::{self, LONG, TTL};
use super::{compaction, late};

pub(crate) const TESTS: &[Test] = &[
    ("broken::a_copy_that_nobody_kills_is_caught", repeats),
    ("broken::a_gap_that_is_passed_over_is_caught", passes_over_gaps),
    ("broken::a_renewal_that_nobody_answered_is_caught", renews_blindly),
];

/// How a URL says that a holder's backend is to renew blindly.
const RENEWS_BLINDLY: &str = "renews-blindly+";

/// The node that does, while others of its site do not.
const BLIND: &str = "blind";

/// What the backend does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    /// Each commit is sent once more, a second later.
    Repeats,
    /// What is missed while a watch is interrupted is never told.
    PassesOverGaps,
    /// The node [`BLIND`] takes renewals for answered, and hears nothing of its end.
    RenewsBlindly,
}

/// The backend that a URL names, with the defect that it names, if any.
pub(crate) fn connect(url: &str) -> Arc<dyn Backend> {
    match url.strip_prefix(RENEWS_BLINDLY) {
        Some(url) => with(Defect::RenewsBlindly, site::connect(url)),
        None => site::connect(url),
    }
}

fn with(defect: Defect, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(Broken { backend, defect })
}

/// Runs what has to fail, and returns its message.
#[track_caller]
fn failure_of(what: impl FnOnce()) -> String {
    let failure: Box<dyn Any + Send> = match catch_unwind(AssertUnwindSafe(what)) {
        Ok(()) => panic!("it passes in spite of the defect"),
        Err(failure) => failure,
    };
    match failure.downcast::<String>() {
        Ok(message) => *message,
        Err(other) => other.downcast::<&str>().map(|message| (*message).to_owned()).unwrap_or_default(),
    }
}

fn repeats() {
    let etcd = site::cluster();
    let failure = failure_of(|| late::late_copies_on(&etcd, &|backend| with(Defect::Repeats, backend)));
    assert!(failure.contains("a late copy was applied"), "it fails for another reason: {failure}");
}

fn passes_over_gaps() {
    let etcd = site::cluster();
    let broken = |backend| with(Defect::PassesOverGaps, backend);
    let failure = failure_of(|| compaction::during_a_gap_of(&etcd, &broken, TTL * 3));
    assert!(failure.contains("the watch does not catch up"), "it fails for another reason: {failure}");
}

fn renews_blindly() {
    let etcd = site::cluster();
    let scene = site::scene_at(format!("{RENEWS_BLINDLY}{}", site::url(&etcd)));
    let mut holders = [BLIND, "sound"].map(|node| {
        let mut holder = scene.start(node, 1, Work::hold(Recipe::Mutex, "kept"));
        // The session of the first one runs out, which it does not hear of; so the second one has its turn.
        holder.wait_for_grant(1, LONG);
        holder
    });
    holders.iter_mut().for_each(Holder::end);
    let failure = failure_of(|| drop(scene.judge(&site::bounds())));
    assert!(failure.contains("L3"), "it fails for another reason: {failure}");
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
