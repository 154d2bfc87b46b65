//! What a coordinator tells an operator.

use std::time::Duration;

use tokio::sync::broadcast;

use super::identity::Death;
use super::lifetime::LossReason;
use crate::token::Token;

/// Something that happened to a coordinator or to one of its recipes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A session was opened: the first one, or a new one after a loss.
    SessionOpened {
        /// The backend's id of the session.
        session: String,
        /// The ttl that the backend granted; `None` for an observer.
        ttl: Option<Duration>,
    },
    /// A renewal is late or failed. Grants stay valid for `remaining`.
    Suspect {
        /// How much longer grants are valid without a successful renewal.
        remaining: Duration,
        /// What the backend said, if it said anything.
        cause: Option<String>,
    },
    /// A renewal succeeded after all.
    Recovered,
    /// The session is lost, and every grant with it. The coordinator opens a new one by itself.
    SessionLost(LossReason),
    /// Opening a session failed; it is tried again.
    OpenFailed {
        /// What the backend said.
        cause: String,
    },
    /// The store may have forgotten commits. Nobody is granted anything for `hold`.
    Discontinuity {
        /// The generation of the store's history.
        generation: u64,
        /// How long new grants are held back.
        hold: Duration,
    },
    /// This node was granted something.
    Granted {
        /// The kind of recipe, such as `"election"`.
        kind: &'static str,
        /// The name of the election, lock, …
        name: String,
        /// The fencing token.
        token: Token,
    },
    /// This node no longer holds something.
    Ended {
        /// The kind of recipe, such as `"election"`.
        kind: &'static str,
        /// The name of the election, lock, …
        name: String,
        /// The fencing token.
        token: Token,
        /// Why it ended.
        reason: LossReason,
    },
    /// Another session has the name of this node. With a proof that its process is dead it is ended at once; otherwise this node waits until it is over.
    Predecessor {
        /// The backend's id of that session.
        session: String,
        /// Why its process is known to be dead, if it is.
        death: Option<Death>,
    },
    /// This node is a member of a group from now on: for the first time, or again after a loss.
    Joined {
        /// The name of the group.
        group: String,
        /// The incarnation, larger than all before it.
        incarnation: Token,
    },
    /// This node is no longer a member of a group. If it is not for its own leaving or shutting down, it joins again by itself.
    Left {
        /// The name of the group.
        group: String,
        /// The incarnation that ended.
        incarnation: Token,
        /// Why it ended.
        reason: LossReason,
    },
    /// Work guarded by a grant went on after the grant was lost, up to the instant at which others may hold it.
    Overrun {
        /// What the work is guarded by.
        what: String,
    },
    /// This many events were missed, because they were not read in time.
    Missed(u64),
    /// The coordinator was shut down; the last event.
    Closed,
}

/// The events of one coordinator, from the call of `events()` on.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// How many events are kept for a reader that is late.
    pub(super) const CAPACITY: usize = 256;

    pub(super) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Self(receiver)
    }

    /// The next event; `None` once the coordinator is gone.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
