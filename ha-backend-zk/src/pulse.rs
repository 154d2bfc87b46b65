//! Whether a session is connected, and how often that has changed.

use std::sync::Arc;

use ha_core::runtime::Backoff;

use crate::client::{News, Sign, TreeWatcher};
use crate::link::Link;
use crate::over::Why;

/// The connection of a session as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pulse {
    /// And the servers have shown that they forgot nothing.
    pub(crate) is_connected: bool,
    /// Grows with every change, so that who looks away for a while sees that there was one. What was watched before a change is not watched any more.
    pub(crate) epoch: u64,
}

impl Link {
    /// Follows the connection until the session ends. The library tells every change to those who watch something, so the marker is watched; whether the server
    /// still knows of that watch does not matter.
    pub(crate) async fn follow_pulse(self: Arc<Self>, mut watcher: TreeWatcher) {
        let mut is_unproven = false;
        loop {
            let news = tokio::select! {
                biased;
                () = self.over.begun() => return,
                news = watcher.next() => news,
                () = self.wait_for_proof(), if is_unproven => {
                    is_unproven = false;
                    self.pulse.send_modify(|pulse| pulse.is_connected = true);
                    continue;
                }
            };
            match news {
                News::Session(Sign::Ended) => {
                    self.end(Why::Lost);
                    return;
                }
                News::Session(sign) => {
                    is_unproven = sign == Sign::Connected;
                    self.pulse.send_modify(|pulse| {
                        pulse.is_connected = false;
                        pulse.epoch += 1;
                    });
                }
                News::Node(_) => self.look_at_marker().await,
            }
        }
    }

    /// Waits until the servers that it is connected to again have shown that they forgot nothing: before that, nothing else is said to them. The proof is a write, so what is read behind
    /// it is not older than what a watch has told before: a notification leaves no trace of its age, by which a server that is behind would be told from the others. What is only read grants
    /// nothing, so an observer does no more than write.
    async fn wait_for_proof(self: &Arc<Self>) {
        let mut backoff = Backoff::urgent();
        while let Some(connection) = self.connection() {
            let proven = match self.ttl {
                Some(_) => self.prove(&connection).await.map(drop),
                None => self.barrier(&connection).await.map(drop),
            };
            match proven {
                // If it failed, the end of the session has begun.
                Ok(()) => return,
                Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot prove anything yet"),
            }
            drop(connection);
            backoff.wait(&*self.runtime).await;
        }
    }

    /// Ends the session if its marker is gone: somebody has ended it.
    async fn look_at_marker(self: &Arc<Self>) {
        let Some(connection) = self.connection() else { return };
        if let Ok(None) = connection.get(&self.marker).await
            && self.ttl.is_some()
        {
            self.end(Why::Lost);
        }
    }
}
