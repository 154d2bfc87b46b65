//! Carries the deliveries of an election to those who wait for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::leadership::Leadership;
use super::state::{Delivery, Elected, Predecessor, Request, State};
use crate::coordinator::{Driver, Engine, Grant, Lifetime, LossReason};
use crate::error::Error;
use crate::names::Name;
use crate::sync::lock;
use crate::zoo::{Bug, planted};

/// Callers of one kind, by number.
type Callers<T> = Mutex<BTreeMap<u64, oneshot::Sender<T>>>;

/// Where callers of one election wait.
pub(super) struct Ports {
    /// What its grants are called.
    office: &'static str,
    name: Name,
    next: AtomicU64,
    campaigns: Callers<Result<Leadership, Error>>,
    resignations: Callers<()>,
    transfers: Callers<Result<(), Error>>,
    /// The grant that is held, to be ended when the state says so.
    grants: Mutex<BTreeMap<u64, Grant>>,
    /// Fires when the engine is gone; ends the monitors of its heartbeats.
    pub(super) gone: CancellationToken,
}

impl Drop for Ports {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

impl Ports {
    pub(super) fn new(office: &'static str, name: Name) -> Self {
        Self {
            office,
            name,
            next: AtomicU64::new(1),
            campaigns: Callers::default(),
            resignations: Callers::default(),
            transfers: Callers::default(),
            grants: Mutex::default(),
            gone: CancellationToken::new(),
        }
    }

    pub(super) fn office(&self) -> &'static str {
        self.office
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    fn register<T>(&self, callers: &Callers<T>) -> (u64, oneshot::Receiver<T>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(callers).insert(id, sender);
        (id, receiver)
    }

    pub(super) fn wait_campaign(&self) -> (u64, oneshot::Receiver<Result<Leadership, Error>>) {
        self.register(&self.campaigns)
    }

    pub(super) fn cancel_campaign(&self, caller: u64) {
        lock(&self.campaigns).remove(&caller);
    }

    pub(super) fn wait_resignation(&self) -> (u64, oneshot::Receiver<()>) {
        self.register(&self.resignations)
    }

    pub(super) fn wait_transfer(&self) -> (u64, oneshot::Receiver<Result<(), Error>>) {
        self.register(&self.transfers)
    }

    /// Ends the grant `leadership`, if it has not ended before.
    pub(super) fn end(&self, leadership: u64, reason: LossReason) -> Option<Grant> {
        let grant = lock(&self.grants).remove(&leadership)?;
        grant.end(reason);
        Some(grant)
    }
}

/// Answers a caller, who may have stopped waiting.
fn answer<T>(callers: &Callers<T>, caller: u64, value: T) {
    let sender = lock(callers).remove(&caller);
    if let Some(sender) = sender {
        // What comes back undelivered is dropped: a leadership resigns itself.
        drop(sender.send(value).err());
    }
}

fn elect(engine: &Arc<Engine<State>>, life: Option<&Arc<Lifetime>>, elected: Elected) {
    let Elected { caller, candidacy, leadership, stamp, predecessor, vacant_since } = elected;
    let Some(life) = life.filter(|life| life.is_valid() || planted(Bug::ExpiredGrantHandedOut)) else {
        engine.request(Request::Undelivered { leadership, caller, candidacy });
        return;
    };
    let ports = &engine.ports;
    let grant = Grant::new(ports.office, ports.name.clone(), stamp, Arc::clone(life));
    let node = &engine.hub().identity().node;
    tracing::info!(election = %ports.name, %node, term = %grant.token(), ?predecessor, "elected");
    let hub = engine.hub();
    hub.granted(ports.office, &grant);
    if let (Some(since), true) = (vacant_since, predecessor != Predecessor::First) {
        hub.meters().took_over(ports.office, &grant, hub.runtime().now().saturating_since(since));
    }
    lock(&ports.grants).insert(leadership, grant.clone());
    let held = Leadership::new(Arc::clone(engine), leadership, grant, predecessor);
    answer(&ports.campaigns, caller, Ok(held));
}

impl Driver for State {
    type Ports = Ports;

    fn deliver(engine: &Arc<Engine<Self>>, delivery: Delivery, life: Option<&Arc<Lifetime>>) {
        let ports = &engine.ports;
        match delivery {
            Delivery::Elected(elected) => elect(engine, life, elected),
            Delivery::Rejected { caller, error } => answer(&ports.campaigns, caller, Err(error)),
            Delivery::Resigned { caller } => answer(&ports.resignations, caller, ()),
            Delivery::Transferred { caller, result } => answer(&ports.transfers, caller, result),
            Delivery::Ended { leadership, reason } => {
                if let Some(grant) = ports.end(leadership, reason) {
                    engine.hub().ended(ports.office, &grant);
                }
            }
        }
    }
}
