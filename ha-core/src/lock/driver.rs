//! Carries the deliveries of a queue to those who wait for them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex};

use tokio::sync::oneshot;

use super::mutex::MutexGuard;
use super::queue::{Delivery, Patience, Queue, Request};
use crate::coordinator::{Driver, Engine, Grant, Lifetime, LossReason};
use crate::error::Error;
use crate::names::Name;
use crate::spi::Stamp;
use crate::sync::lock;

/// The answer to an acquire: a guard, or `None` for a caller that does not wait.
type Answer = Result<Option<MutexGuard>, Error>;

/// Where callers of one mutex wait.
pub(super) struct Ports {
    name: Name,
    next: AtomicU64,
    waiters: StdMutex<BTreeMap<u64, oneshot::Sender<Answer>>>,
    releases: StdMutex<BTreeMap<u64, oneshot::Sender<()>>>,
    /// The grants of places that are held, to be ended if the store forgets them.
    grants: StdMutex<BTreeMap<u64, Grant>>,
}

impl Ports {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            next: AtomicU64::new(1),
            waiters: StdMutex::default(),
            releases: StdMutex::default(),
            grants: StdMutex::default(),
        }
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn wait(&self) -> (u64, oneshot::Receiver<Answer>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiters).insert(id, sender);
        (id, receiver)
    }

    pub(super) fn cancel(&self, waiter: u64) {
        lock(&self.waiters).remove(&waiter);
    }

    pub(super) fn wait_release(&self) -> (u64, oneshot::Receiver<()>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        lock(&self.releases).insert(id, sender);
        (id, receiver)
    }

    /// Ends the grant of `place`, if it is still there.
    pub(super) fn end(&self, place: u64, reason: LossReason) -> Option<Grant> {
        let grant = lock(&self.grants).remove(&place)?;
        grant.end(reason);
        Some(grant)
    }

    /// Whether this process holds the lock.
    pub(super) fn is_held(&self) -> bool {
        !lock(&self.grants).is_empty()
    }

    fn answer(&self, waiter: u64, answer: Answer) {
        let sender = lock(&self.waiters).remove(&waiter);
        if let Some(sender) = sender {
            // A guard that nobody takes any more releases itself when it is dropped here.
            drop(sender.send(answer));
        }
    }
}

fn grant(engine: &Arc<Engine<Queue>>, life: &Arc<Lifetime>, delivery: (u64, u64, Stamp, Patience)) {
    let (waiter, place, stamp, patience) = delivery;
    if !life.is_valid() {
        engine.request(Request::Undelivered { place, waiter, patience });
        return;
    }
    let ports = &engine.ports;
    let grant = Grant::new("mutex", ports.name.clone(), stamp, Arc::clone(life));
    engine.hub().granted("mutex", &grant);
    lock(&ports.grants).insert(place, grant.clone());
    // If the waiter is gone the guard is dropped, which releases the place.
    ports.answer(waiter, Ok(Some(MutexGuard::new(Arc::clone(engine), place, grant))));
}

impl Driver for Queue {
    type Ports = Ports;

    fn deliver(engine: &Arc<Engine<Self>>, delivery: Delivery, life: Option<&Arc<Lifetime>>) {
        let ports = &engine.ports;
        match delivery {
            Delivery::Granted { waiter, place, stamp, patience } => match life {
                Some(life) => grant(engine, life, (waiter, place, stamp, patience)),
                None => engine.request(Request::Undelivered { place, waiter, patience }),
            },
            Delivery::Contended { waiter } => ports.answer(waiter, Ok(None)),
            Delivery::Rejected { waiter, error } => ports.answer(waiter, Err(error)),
            Delivery::Released { caller } => {
                let sender = lock(&ports.releases).remove(&caller);
                if let Some(sender) = sender {
                    // Whoever released may have stopped waiting.
                    sender.send(()).unwrap_or_default();
                }
            }
            Delivery::Forgotten { place } => {
                if let Some(grant) = ports.end(place, LossReason::Forgotten) {
                    engine.hub().ended("mutex", &grant);
                }
            }
        }
    }
}
