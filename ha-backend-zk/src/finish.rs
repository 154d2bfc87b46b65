//! A commit under way, which does not end because nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ha_core::Error;
use ha_core::runtime::{Backoff, BoxFuture};
use ha_core::spi::{Committed, Outcome, Stamp, Txn};

use crate::link::Link;
use crate::stamp::Detail;

/// A commit under way. Dropped, it goes on in the background, and the entries that it created and that vanish with the session are deleted.
pub(crate) struct Finish {
    link: Arc<Link>,
    work: Option<BoxFuture<'static, Result<Outcome, Error>>>,
}

impl Finish {
    pub(crate) fn new(link: Arc<Link>, work: BoxFuture<'static, Result<Outcome, Error>>) -> Self {
        Self { link, work: Some(work) }
    }
}

impl Future for Finish {
    type Output = Result<Outcome, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let outcome = ready!(work.as_mut().poll(cx));
        self.work = None;
        Poll::Ready(outcome)
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let link = Arc::clone(&self.link);
        self.link.spawn("zk-abandoned", async move {
            if let Ok(Outcome::Committed(committed)) = work.await {
                link.undo(created_owned(committed)).await;
            }
        });
    }
}

impl Link {
    /// Deletes incarnations that this session created and nobody was told of.
    async fn undo(self: &Arc<Self>, created: Vec<Stamp>) {
        for stamp in created {
            let mut backoff = Backoff::patient();
            while self.over.why().is_none() {
                // A conflict means that somebody else has deleted it.
                let deleting = self.commit(Txn::new().delete(stamp.clone()));
                let Ok(deleting) = deleting else { break };
                match deleting.await {
                    Ok(_) => break,
                    Err(error) => tracing::debug!(session = %self.id, %error, "cannot undo yet"),
                }
                backoff.wait(&*self.runtime).await;
            }
        }
    }
}

/// What a commit created that vanishes with the session: an update keeps the revision of creation, a persistent entry has no owner.
fn created_owned(committed: Committed) -> Vec<Stamp> {
    let revision = committed.revision;
    let is_own = |stamp: &Stamp| stamp.created() == revision && Detail::of(stamp).owner != 0;
    committed.stamps.into_iter().flatten().filter(is_own).collect()
}
