//! What became of a request whose answer is lost: kill, look, repeat.
//!
//! There is at most one copy of a transaction that can be done. Without its answer the copy is killed first:
//! the marker of the session, which guards it, gets another version. Then a look at its slot shows whether it was done before
//! that; if not it is sent again. "Time out, read, conclude" would be wrong: what is absent now can appear later.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ha_core::runtime::Backoff;

use crate::client::{Connection, Failure, FailureKind};
use crate::link::Link;
use crate::over::Why;
use crate::plan::Plan;

/// The session is over, so that nothing can be found out any more, and nothing can be done either.
#[derive(Debug)]
pub(crate) struct Lost(pub(crate) Why);

impl Link {
    /// Finds out what became of a request that was guarded by `fence`: at which revision it was done, or `None` if it was not and will not be.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        plan: &Plan,
        slot: &str,
        fence: i32,
    ) -> Result<Option<u64>, Lost> {
        let resolved = match self.kill(fence).await {
            Some(()) => self.look(plan, slot).await,
            None => None,
        };
        let Some(found) = resolved else {
            // A request that is under way cannot be done any more once the session is over, and not before.
            self.over.completed().await;
            return Err(Lost(self.over.why().unwrap_or(Why::Lost)));
        };
        self.doubts.fetch_add(1, Ordering::Relaxed);
        Ok(found)
    }

    /// Kills every copy of a request that was guarded by `fence` and is not done yet; `None` if the session ends.
    ///
    /// All copies of this kill are guarded by the same fence, so that only one is done, whatever becomes of the answers.
    async fn kill(self: &Arc<Self>, fence: i32) -> Option<()> {
        let _one_at_a_time = self.killing.lock().await;
        let mut backoff = Backoff::urgent();
        while self.over.why().is_none() {
            if self.fence.load(Ordering::Acquire) != fence {
                return Some(());
            }
            let Ok(connection) = self.connected(self.give_up_at()).await else { continue };
            let failure = match connection.set(&self.marker, &self.label, fence).await {
                Ok(stat) => {
                    self.saw(stat.modified);
                    self.fence.store(stat.version, Ordering::Release);
                    return Some(());
                }
                Err(failure) => failure,
            };
            let failure = match failure.kind {
                FailureKind::NoNode => {
                    self.end(Why::Lost);
                    return None;
                }
                FailureKind::OtherVersion => self.learn_fence(&connection, fence).await.err(),
                _ => Some(failure),
            };
            if let Some(failure) = failure {
                tracing::debug!(session = %self.id, %failure, "cannot resolve yet");
                backoff.wait(&*self.runtime).await;
            }
        }
        None
    }

    /// The marker is in another version than `sent`: learns which one, for all that is sent from now on.
    pub(crate) async fn learn_fence(
        self: &Arc<Self>,
        connection: &Connection,
        sent: i32,
    ) -> Result<(), Failure> {
        match connection.get(&self.marker).await? {
            Some(node) => {
                // Whoever modified the marker meanwhile may have been here before.
                let learned =
                    self.fence.compare_exchange(sent, node.stat.version, Ordering::AcqRel, Ordering::Acquire);
                tracing::debug!(session = %self.id, version = node.stat.version, is_news = learned.is_ok(), "fenced");
            }
            None => self.end(Why::Lost),
        }
        Ok(())
    }

    /// Looks for what the request left, now that every copy of it is dead; `None` if the session ends.
    async fn look(self: &Arc<Self>, plan: &Plan, slot: &str) -> Option<Option<u64>> {
        let mut backoff = Backoff::patient();
        while self.over.why().is_none() {
            let Ok(connection) = self.connected(self.give_up_at()).await else { continue };
            match connection.get(slot).await {
                Ok(node) => {
                    // Without a slot it was not done: its last step writes there.
                    let own = node.filter(|node| node.data == plan.operation.as_bytes());
                    return Some(own.map(|node| node.stat.modified));
                }
                Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot look yet"),
            }
            backoff.wait(&*self.runtime).await;
        }
        None
    }
}
