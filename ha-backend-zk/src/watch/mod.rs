//! Watches: what is told of an entry or a collection.
//!
//! A stream does its reading when its consumer asks for more. What the server tells meanwhile is kept as the names of what has changed, so a consumer that does not
//! read costs no more than that. After each change of the connection everything begins anew: the library forgets watches, and the server tells nothing of
//! what happened without them.

mod dirty;
mod node;
mod tree;
mod view;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use ha_core::runtime::{Backoff, BoxFuture};
use ha_core::spi::{Change, Key, Lineage, Revision, WatchEvent, WatchStream, WatchTarget};
use tokio::sync::watch;

use crate::client::Failure;
use crate::link::Link;
use crate::over::Why;
use crate::pulse::Pulse;
use node::NodeWatch;
use tree::TreeWatch;
use view::View;

/// What is watched at the server.
enum Source {
    Node(NodeWatch),
    Tree(TreeWatch),
}

/// How a watch stands.
enum Stage {
    /// Nothing is watched.
    Idle,
    /// The view is complete, as long as the connection is that of this epoch.
    Live { source: Source, epoch: u64 },
    /// The session is over.
    Ended,
}

/// One watch.
struct Watch {
    link: Arc<Link>,
    target: Target,
    pulse: watch::Receiver<Pulse>,
    stage: Stage,
    view: View,
    backoff: Backoff,
}

/// What to watch.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Entry(Key),
    Collection(ha_core::spi::Collection),
    /// The contract may grow; of what is not understood nothing can be shown.
    Unknown,
}

impl Link {
    /// Watches `target` until the stream is dropped or the session is over.
    pub(crate) fn watch(self: &Arc<Self>, target: WatchTarget) -> WatchStream {
        let target = match target {
            WatchTarget::Entry(key) => Target::Entry(key),
            WatchTarget::Collection(collection) => Target::Collection(collection),
            _ => Target::Unknown,
        };
        let stage = if matches!(target, Target::Unknown) { Stage::Ended } else { Stage::Idle };
        let watch = Watch {
            pulse: self.pulse.subscribe(),
            link: Arc::clone(self),
            target,
            stage,
            view: View::default(),
            backoff: Backoff::urgent(),
        };
        WatchStream::new(Events { next: Some(Box::pin(watch.next())) })
    }
}

impl Watch {
    /// The next event, and the watch for the one after it.
    async fn next(mut self) -> Option<(WatchEvent, Self)> {
        loop {
            if matches!(self.stage, Stage::Ended) {
                return None;
            }
            if self.link.over.why().is_some() {
                self.stage = Stage::Ended;
                let event = self.farewell()?;
                return Some((event, self));
            }
            if let Some(event) = self.step().await {
                return Some((event, self));
            }
        }
    }

    /// What is told last: that the history is over, if it is.
    fn farewell(&self) -> Option<WatchEvent> {
        let is_history = self.link.over.why() == Some(Why::History);
        is_history.then(|| WatchEvent::Discontinuity(self.link.lineage()))
    }

    async fn step(&mut self) -> Option<WatchEvent> {
        let over = Arc::clone(&self.link);
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Ended => None,
            Stage::Idle => {
                tokio::select! {
                    biased;
                    () = over.over.begun() => None,
                    event = self.begin() => event,
                }
            }
            Stage::Live { mut source, epoch } => {
                let mut pulse = self.pulse.clone();
                let told = tokio::select! {
                    biased;
                    () = over.over.begun() => return None,
                    // It cannot be gone: the link has it.
                    _ = pulse.wait_for(|pulse| pulse.epoch != epoch) => None,
                    told = self.tell(&mut source) => Some(told),
                };
                match told {
                    Some(Ok(event)) => {
                        self.stage = Stage::Live { source, epoch };
                        event
                    }
                    Some(Err(failure)) => {
                        tracing::debug!(session = %self.link.id, %failure, "a watch begins anew");
                        Some(WatchEvent::Interrupted)
                    }
                    None => Some(WatchEvent::Interrupted),
                }
            }
        }
    }

    /// Watches and reads, once there is a connection.
    async fn begin(&mut self) -> Option<WatchEvent> {
        let Ok(connected) = self.pulse.wait_for(|pulse| pulse.is_connected).await.map(|pulse| *pulse) else {
            return None;
        };
        match self.open().await {
            Ok(Some(source)) if self.pulse.borrow().epoch == connected.epoch => {
                self.stage = Stage::Live { source, epoch: connected.epoch };
                self.backoff = Backoff::urgent();
                let (revision, lineage) = self.as_of();
                Some(WatchEvent::Snapshot { entries: self.view.entries(), revision, lineage })
            }
            Ok(_) => None,
            Err(failure) => {
                tracing::debug!(session = %self.link.id, %failure, "cannot watch yet");
                self.backoff.wait(&*self.link.runtime).await;
                None
            }
        }
    }

    /// `None` if the session has lost its connection or its marker.
    async fn open(&mut self) -> Result<Option<Source>, Failure> {
        let Some(connection) = self.link.connection() else { return Ok(None) };
        let source = match &self.target {
            Target::Entry(key) => {
                Some(Source::Node(NodeWatch::open(&self.link, &connection, key, &mut self.view).await?))
            }
            Target::Collection(collection) => {
                TreeWatch::open(&self.link, &connection, collection, &mut self.view).await?.map(Source::Tree)
            }
            Target::Unknown => None,
        };
        if source.is_none() && self.link.ttl.is_some() {
            self.link.end(Why::Lost);
        }
        Ok(source)
    }

    /// Waits for news and reads what has changed; `None` if that is nothing for the consumer.
    async fn tell(&mut self, source: &mut Source) -> Result<Option<WatchEvent>, Failure> {
        let changes = match (source, &self.target) {
            (Source::Node(watch), Target::Entry(key)) => {
                watch.changed(&self.link, key, &mut self.view).await?
            }
            (Source::Tree(watch), Target::Collection(collection)) => {
                match watch.changed(&self.link, collection, &mut self.view).await? {
                    Some(changes) => changes,
                    None => {
                        let (revision, lineage) = self.as_of();
                        let entries = self.view.entries();
                        return Ok(Some(WatchEvent::Snapshot { entries, revision, lineage }));
                    }
                }
            }
            _ => Vec::new(),
        };
        let (revision, lineage) = self.as_of();
        Ok(some_changes(changes, revision, lineage))
    }

    fn as_of(&self) -> (Revision, Lineage) {
        (Revision::new(self.view.revision()), self.link.lineage())
    }
}

fn some_changes(changes: Vec<Change>, revision: Revision, lineage: Lineage) -> Option<WatchEvent> {
    (!changes.is_empty()).then_some(WatchEvent::Changed { changes, revision, lineage })
}

/// The stream of a watch.
struct Events {
    next: Option<BoxFuture<'static, Option<(WatchEvent, Watch)>>>,
}

impl Stream for Events {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        match ready!(next.as_mut().poll(cx)) {
            Some((event, watch)) => {
                self.next = Some(Box::pin(watch.next()));
                Poll::Ready(Some(event))
            }
            None => {
                self.next = None;
                Poll::Ready(None)
            }
        }
    }
}
