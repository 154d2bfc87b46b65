//! Carries the deliveries of a membership to those who wait for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::membership::Membership;
use super::state::{Delivery, State};
use crate::coordinator::{Driver, Engine, Event, Lifetime, LossReason};
use crate::error::Error;
use crate::names::Name;
use crate::spi::Stamp;
use crate::sync::lock;
use crate::token::Token;

/// Callers of one kind, by number.
type Callers<T> = Mutex<BTreeMap<u64, oneshot::Sender<T>>>;

/// Whether this node is in the group.
#[derive(Clone, Debug)]
pub(crate) enum Presence {
    /// By this entry, from now on.
    Entered(Stamp),
    /// Not by this entry any more.
    Gone(Stamp),
}

/// Is told whether this node is in the group.
type Follower = Box<dyn Fn(Presence) + Send + Sync>;

/// Where callers of one group wait.
pub(super) struct Ports {
    name: Name,
    next: AtomicU64,
    joins: Callers<Result<Membership, Error>>,
    updates: Callers<Result<(), Error>>,
    leaves: Callers<()>,
    /// The membership that is in the group now, and as which incarnation.
    present: Mutex<Option<(u64, Token)>>,
    /// The entry of that, and whoever else wants to know.
    entry: Mutex<Option<Stamp>>,
    follower: Mutex<Option<Follower>>,
    /// Fires when the engine is gone; ends the monitors of its health checks.
    pub(super) gone: CancellationToken,
}

impl Drop for Ports {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

impl Ports {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            next: AtomicU64::new(1),
            joins: Callers::default(),
            updates: Callers::default(),
            leaves: Callers::default(),
            present: Mutex::default(),
            entry: Mutex::default(),
            follower: Mutex::default(),
            gone: CancellationToken::new(),
        }
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn follow(&self, follower: Follower) {
        *lock(&self.follower) = Some(follower);
    }

    fn tell(&self, presence: Presence) {
        if let Some(follower) = &*lock(&self.follower) {
            follower(presence);
        }
    }

    /// A number for a caller or a membership.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn register<T>(&self, callers: &Callers<T>) -> (u64, oneshot::Receiver<T>) {
        let (id, (sender, receiver)) = (self.number(), oneshot::channel());
        lock(callers).insert(id, sender);
        (id, receiver)
    }

    pub(super) fn wait_join(&self) -> (u64, oneshot::Receiver<Result<Membership, Error>>) {
        self.register(&self.joins)
    }

    pub(super) fn cancel_join(&self, caller: u64) {
        lock(&self.joins).remove(&caller);
    }

    pub(super) fn wait_update(&self) -> (u64, oneshot::Receiver<Result<(), Error>>) {
        self.register(&self.updates)
    }

    pub(super) fn wait_leave(&self) -> (u64, oneshot::Receiver<()>) {
        self.register(&self.leaves)
    }

    /// As which incarnation the membership is in the group now, if it is.
    pub(super) fn incarnation(&self, membership: u64) -> Option<Token> {
        lock(&self.present).filter(|(present, _)| *present == membership).map(|(_, token)| token)
    }
}

/// Answers a caller, who may have stopped waiting.
fn answer<T>(callers: &Callers<T>, caller: u64, value: T) {
    let sender = lock(callers).remove(&caller);
    if let Some(sender) = sender {
        // What comes back undelivered is dropped: a membership leaves by itself.
        drop(sender.send(value).err());
    }
}

impl Driver for State {
    type Ports = Ports;

    fn deliver(engine: &Arc<Engine<Self>>, delivery: Delivery, life: Option<&Arc<Lifetime>>) {
        let ports = &engine.ports;
        match delivery {
            Delivery::Rejected { caller, error } => answer(&ports.joins, caller, Err(error)),
            Delivery::Updated { caller, result } => answer(&ports.updates, caller, result),
            Delivery::Left { caller } => answer(&ports.leaves, caller, ()),
            Delivery::Entered { membership, stamp, caller } => {
                let base = life.map_or(0, |life| life.token_base());
                let token = Token::new(stamp.created().as_u64().saturating_add(base));
                *lock(&ports.present) = Some((membership, token));
                *lock(&ports.entry) = Some(stamp.clone());
                ports.tell(Presence::Entered(stamp));
                tracing::info!(group = %ports.name, incarnation = %token, "joined");
                let group = ports.name.as_str().to_owned();
                engine.hub().emit(Event::Joined { group, incarnation: token });
                if let Some((caller, profile)) = caller {
                    let held = Membership::new(Arc::clone(engine), membership, *profile);
                    answer(&ports.joins, caller, Ok(held));
                }
            }
            Delivery::Gone { membership, reason } => {
                let gone = lock(&ports.present).take_if(|(present, _)| *present == membership);
                let Some((_, incarnation)) = gone else { return };
                let entry = lock(&ports.entry).take();
                entry.into_iter().for_each(|entry| ports.tell(Presence::Gone(entry)));
                let closing = reason == LossReason::Released && engine.hub().is_closing();
                let reason = if closing { LossReason::Shutdown } else { reason };
                tracing::info!(group = %ports.name, %incarnation, %reason, "left");
                let group = ports.name.as_str().to_owned();
                engine.hub().emit(Event::Left { group, incarnation, reason });
            }
        }
    }
}
