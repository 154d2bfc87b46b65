//! What all handles of locks have inside: where to wait for a share.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;

use super::driver::Ports;
use super::held::Held;
use super::queue::{Patience, Queue, Request};
use super::record::{Kind, Share, queue};
use crate::coordinator::{Engine, Hub, closed};
use crate::error::Error;
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::Capabilities;
use crate::zoo::{Bug, planted};

/// One lock in this process; cheap to clone.
#[derive(Clone)]
pub(super) struct Handle {
    engine: Arc<Engine<Queue>>,
}

impl Handle {
    pub(super) fn new(hub: &Arc<Hub>, name: Name, kind: Kind) -> Self {
        // Of one name there is an engine for each kind: which of them the queue belongs to is decided there.
        let id: Cow<'static, str> = match kind {
            Kind::Mutex => "mutex".into(),
            Kind::RwLock => "read-write lock".into(),
            Kind::Semaphore { permits } => format!("semaphore of {permits}").into(),
        };
        let engine = hub.recipe(id, &name, || {
            let state = Queue::new(queue(&name), kind, hub.identity().node.clone());
            let Capabilities { remembers_names, sessions_outlive_discontinuity, .. } = *hub.capabilities();
            // A rollback could bring a place back whose name another one has by then.
            let state = state.reusing(remembers_names && !sessions_outlive_discontinuity);
            Engine::start(hub, state, Ports::new(name.clone(), kind))
        });
        Self { engine }
    }

    pub(super) fn name(&self) -> &str {
        self.engine.ports.name().as_str()
    }

    /// Waits as long as it takes.
    pub(super) async fn acquire(&self, share: Share) -> Result<Held, Error> {
        self.acquire_by(share, None).await
    }

    /// Waits at most for `timeout`.
    pub(super) async fn acquire_timeout(&self, share: Share, timeout: Duration) -> Result<Held, Error> {
        self.acquire_by(share, Some(self.engine.hub().runtime().now() + timeout)).await
    }

    /// Waits at most until `deadline`, if there is one.
    pub(super) async fn acquire_by(&self, share: Share, deadline: Option<Instant>) -> Result<Held, Error> {
        let patience = deadline.map_or(Patience::Forever, Patience::Until);
        match self.wait(share, patience).await? {
            Some(held) => Ok(held),
            // Whoever waits is never told that others were first.
            None => Err(closed(self.operation(), self.name())),
        }
    }

    /// Does not wait.
    pub(super) async fn try_acquire(&self, share: Share) -> Result<Option<Held>, Error> {
        self.wait(share, Patience::None).await
    }

    fn operation(&self) -> &'static str {
        self.engine.ports.kind().acquire()
    }

    /// Waits for a guard that is valid when it is handed to the caller: a process that was frozen in between goes on waiting.
    async fn wait(&self, share: Share, patience: Patience) -> Result<Option<Held>, Error> {
        let hub = self.engine.hub();
        let span = tracing::debug_span!("acquire", lock = %self.name(), node = %hub.identity().node, ?share);
        let since = hub.runtime().now();
        let answer = self.take_turn(share, patience).instrument(span).await;
        if let Ok(Some(held)) = &answer {
            hub.meters().waited(held.grant().kind(), hub.runtime().now().saturating_since(since));
        }
        answer
    }

    async fn take_turn(&self, share: Share, patience: Patience) -> Result<Option<Held>, Error> {
        let ports = &self.engine.ports;
        let waiter = ports.call(Some(patience));
        let cancel = CancelOnDrop { engine: &self.engine, waiter: Some(waiter) };
        let held_here = share.is_whole() && ports.is_held();
        self.engine.request(Request::Acquire { waiter, share, patience });
        loop {
            let answer = ports.answer_to(waiter);
            let answer = if held_here && patience != Patience::None {
                // For whoever looks for a task that waits for itself.
                let lock = self.name();
                let span = tracing::warn_span!("waiting for a lock that this process holds", %lock);
                answer.instrument(span).await
            } else {
                answer.await
            };
            match answer {
                Some(Ok(Some(held))) if !held.grant().is_valid() && !planted(Bug::ExpiredGrantHandedOut) => {
                    // In its turn: those of this process that asked later are served later.
                    ports.wait_again(waiter, patience);
                    held.give_back(waiter, patience);
                }
                answer => {
                    cancel.disarm();
                    return answer.unwrap_or_else(|| Err(closed(self.operation(), self.name())));
                }
            }
        }
    }
}

/// Takes a waiter out of the queue when its future is dropped.
struct CancelOnDrop<'a> {
    engine: &'a Arc<Engine<Queue>>,
    waiter: Option<u64>,
}

impl CancelOnDrop<'_> {
    fn disarm(mut self) {
        self.waiter = None;
    }
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.engine.ports.cancel(waiter);
            self.engine.request(Request::Cancel { waiter });
        }
    }
}
