//! Watches of the server, and what they tell.

use zookeeper_client::{EventType, OneshotWatcher, PersistentWatcher, SessionState, WatchedEvent};

use super::connection::Sign;

/// What a watch of a tree tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The node at this path was created, changed or deleted.
    Node(String),
    /// The connection or the session changed. After an end nothing follows.
    Session(Sign),
}

/// A watch of a node and all below it, as long as the connection lasts: the library forgets to register it again.
#[derive(Debug)]
pub(crate) struct TreeWatcher {
    watcher: PersistentWatcher,
    has_ended: bool,
}

impl TreeWatcher {
    pub(super) fn new(watcher: PersistentWatcher) -> Self {
        Self { watcher, has_ended: false }
    }

    /// The next news; nothing ever after the end of the session.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> News {
        if self.has_ended {
            // The library panics when it is asked again.
            return std::future::pending().await;
        }
        let news = of_event(self.watcher.changed().await);
        self.has_ended = news == News::Session(Sign::Ended);
        news
    }
}

/// A watch of one node that tells one change.
#[derive(Debug)]
pub(crate) struct OneWatcher {
    watcher: OneshotWatcher,
    /// When the node was created that is watched, if there is one.
    created: Option<u64>,
}

impl OneWatcher {
    pub(super) fn new(watcher: OneshotWatcher, created: Option<u64>) -> Self {
        Self { watcher, created }
    }

    /// Waits until the node changes, or the session ends. If the node was deleted, tells when it had been created.
    pub(crate) async fn changed(self) -> Option<u64> {
        let event = self.watcher.changed().await;
        self.created.filter(|_| event.event_type == EventType::NodeDeleted)
    }
}

fn of_event(event: WatchedEvent) -> News {
    match event.event_type {
        EventType::Session => News::Session(of_state(event.session_state)),
        _ => News::Node(event.path),
    }
}

pub(super) fn of_state(state: SessionState) -> Sign {
    match state {
        SessionState::SyncConnected => Sign::Connected,
        SessionState::Disconnected | SessionState::ConnectedReadOnly => Sign::Disconnected,
        SessionState::AuthFailed | SessionState::Expired | SessionState::Closed => Sign::Ended,
    }
}
