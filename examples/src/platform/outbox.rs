//! A node's connection to the resource: what was sent is on its way, whatever becomes of its sender.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ha_core::runtime::Runtime;
use tokio::sync::oneshot;

use super::clock::Clock;
use super::gate::Stale;
use super::process::Process;
use super::records::Write;
use super::resource::Resource;

/// How long a write takes to arrive.
const ON_ITS_WAY: Duration = Duration::from_millis(15);

/// Sends writes to the resource.
///
/// A sent write cannot be taken back: losing leadership ends the task that waits for the answer, not the bytes in the
/// connection. That is why checking a grant before sending is not enough, and the resource checks the token.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    node: String,
    process: Process,
    clock: Clock,
    resource: Arc<Resource>,
    ticks_under_way: Arc<AtomicUsize>,
}

impl Outbox {
    /// The connection of `node`, whose tasks run on `process`.
    pub(super) fn new(node: &str, process: Process, clock: Clock, resource: Arc<Resource>) -> Self {
        Self { node: node.into(), process, clock, resource, ticks_under_way: Arc::default() }
    }

    /// The resource at the other end.
    pub(super) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Whether ticks were sent and have not arrived: the worst moment for their sender to be stopped.
    pub(super) fn has_ticks_under_way(&self) -> bool {
        self.ticks_under_way.load(Ordering::Relaxed) > 0
    }

    /// Sends a write. Waiting for its answer is optional.
    pub(super) fn send(&self, token: u64, write: Write) -> Answer {
        let (answer, answered) = oneshot::channel();
        let outbox = self.clone();
        let carries_ticks = matches!(write, Write::Ticks(_));
        if carries_ticks {
            self.ticks_under_way.fetch_add(1, Ordering::Relaxed);
        }
        let delivery = async move {
            outbox.clock.sleep(ON_ITS_WAY).await;
            let result = outbox.resource.write(&outbox.node, token, write);
            if carries_ticks {
                outbox.ticks_under_way.fetch_sub(1, Ordering::Relaxed);
            }
            // Whoever sent it may be gone.
            answer.send(result).ok();
        };
        self.process.spawn("delivery", Box::pin(delivery));
        Answer(answered)
    }
}

/// The answer of the resource to one write.
#[derive(Debug)]
pub(super) struct Answer(oneshot::Receiver<Result<(), Stale>>);

impl Answer {
    /// Waits for the answer.
    pub(super) async fn wait(self) -> Result<(), Stale> {
        match self.0.await {
            Ok(result) => result,
            // The connection is gone, and so is its process with whoever waits here.
            Err(_) => std::future::pending().await,
        }
    }
}
