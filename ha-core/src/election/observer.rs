//! Watching who leads, without standing.

use std::fmt;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::records::{Keys, LeaderRecord, decode};
use crate::coordinator::{Context, Driver, Engine, Hub, Input, Lifetime, Machine, Output};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Entry, Revision, WatchEvent, WatchTarget};
use crate::sync::lock;
use crate::token::Token;
use crate::view::View;

const LEADER: u8 = 0;

/// Who leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Leader {
    /// The leading node.
    pub node: String,
    /// Where it can be reached, if it said so.
    pub address: Option<String>,
    /// Its term: the token that its grant carries.
    pub term: Token,
}

/// What an observer knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation {
    /// Nothing now: no session, or the backend cannot be reached.
    Unknown,
    /// Nobody leads.
    Vacant,
    /// This one leads.
    Leader(Leader),
}

/// The pure state: what the watch on the leader's key has shown.
#[derive(Debug)]
pub(super) struct Observing {
    keys: Keys,
    view: View,
    interrupted: bool,
    /// The newest term seen in this history: a stale snapshot does not take the observer back.
    newest: Revision,
    told: Option<Option<Entry>>,
}

impl Observing {
    fn tell(&mut self, out: &mut Vec<Output<Option<Option<Entry>>>>) {
        let seen = self.view.get(&self.keys.leader).cloned();
        let stale = seen.as_ref().map_or(self.view.revision(), Entry::created) < self.newest;
        let known = self.view.is_known() && !self.interrupted && !stale;
        if let (true, Some(leader)) = (known, &seen) {
            self.newest = leader.created();
        }
        let now = known.then_some(seen);
        if now != self.told {
            self.told.clone_from(&now);
            out.push(Output::Deliver(now));
        }
    }
}

impl Machine for Observing {
    type Request = ();
    type Delivery = Option<Option<Entry>>;

    fn on_input(&mut self, input: Input<()>, _: &Context<'_>, out: &mut Vec<Output<Self::Delivery>>) {
        match input {
            Input::SessionUp { .. } => {
                out.push(Output::Watch {
                    slot: LEADER,
                    target: WatchTarget::Entry(self.keys.leader.clone()),
                });
            }
            Input::SessionDown => self.view.reset(),
            Input::Watched { event, .. } => {
                self.interrupted = match event {
                    WatchEvent::Interrupted => true,
                    WatchEvent::Snapshot { .. } => false,
                    WatchEvent::Changed { .. } | WatchEvent::Discontinuity(_) => self.interrupted,
                };
                self.view.apply(event);
            }
            Input::Discontinuity { .. } => {
                // What was seen belongs to a history that is over; the snapshot of the new one follows.
                self.view.reset();
                self.newest = Revision::default();
                out.push(Output::Reconciled);
            }
            Input::Committed { .. }
            | Input::Listed { .. }
            | Input::Voided { .. }
            | Input::Tick
            | Input::Closing
            | Input::Request(()) => {}
        }
        self.tell(out);
    }

    fn next_wake(&self) -> Option<Instant> {
        None
    }

    fn is_idle(&self) -> bool {
        true
    }
}

/// The latest observation, and how many there were.
#[derive(Debug)]
pub(super) struct Board {
    latest: Mutex<(u64, Observation)>,
    changed: Notify,
}

impl Driver for Observing {
    type Ports = Board;

    fn deliver(engine: &Arc<Engine<Self>>, seen: Self::Delivery, life: Option<&Arc<Lifetime>>) {
        let base = life.map_or(0, |life| life.token_base());
        let observation = match seen {
            None => Observation::Unknown,
            Some(None) => Observation::Vacant,
            Some(Some(entry)) => match decode::<LeaderRecord>(&entry) {
                Ok(record) => Observation::Leader(Leader {
                    node: record.node,
                    address: record.address,
                    term: Token::new(entry.created().as_u64().saturating_add(base)),
                }),
                Err(error) => {
                    tracing::warn!(%error, "the leader cannot be told");
                    Observation::Unknown
                }
            },
        };
        tracing::debug!(node = %engine.hub().identity().node, ?observation, "sees who leads");
        {
            let mut latest = lock(&engine.ports.latest);
            *latest = (latest.0 + 1, observation);
        }
        engine.ports.changed.notify_waiters();
    }
}

/// Follows who leads. Get one from [`Election::observe`](super::Election::observe).
///
/// # Guarantees
/// Within one history of the store the terms seen never go back, "nobody leads" is visible, and the newest state is always delivered in the end;
/// states in between may be skipped. An observer watches one key, whatever the number of candidates.
///
/// # Not promised
/// An observation is news, not a right: the leader may have changed since. Guard writes by the leader's fence or token.
pub struct Observer {
    engine: Arc<Engine<Observing>>,
    seen: u64,
}

impl Observer {
    pub(super) fn new(hub: &Arc<Hub>, name: &Name) -> Self {
        let engine = hub.recipe("election observer", name, || {
            let state = Observing {
                keys: Keys::new("election", name),
                view: View::default(),
                interrupted: false,
                newest: Revision::default(),
                told: None,
            };
            let board = Board { latest: Mutex::new((0, Observation::Unknown)), changed: Notify::new() };
            Engine::start(hub, state, board)
        });
        Self { engine, seen: 0 }
    }

    /// What is known now.
    #[must_use]
    pub fn current(&self) -> Observation {
        lock(&self.engine.ports.latest).1.clone()
    }

    /// The next observation that differs from the one returned last; first the present one, once anything is known. `None`
    /// once the coordinator is shut down.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Observation> {
        loop {
            let changed = self.engine.ports.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let latest = lock(&self.engine.ports.latest);
                if latest.0 != self.seen {
                    self.seen = latest.0;
                    return Some(latest.1.clone());
                }
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = self.engine.hub().until_closed() => return None,
            }
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("current", &self.current()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "observer_test.rs"]
mod tests;
