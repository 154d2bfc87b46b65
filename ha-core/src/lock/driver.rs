//! Carries the deliveries of a queue to those who wait for them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex};

use tokio::sync::oneshot;

use super::held::Held;
use super::inbox::{Answer, Inbox};
use super::queue::{Delivery, Patience, Queue, Request};
use super::record::{Kind, Share};
use crate::coordinator::{Driver, Engine, Grant, Lifetime, LossReason};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::spi::Stamp;
use crate::sync::lock;
use crate::zoo::{Bug, planted};

/// Where callers of one lock wait.
pub(super) struct Ports {
    name: Name,
    kind: Kind,
    next: AtomicU64,
    inbox: Inbox,
    releases: StdMutex<BTreeMap<u64, oneshot::Sender<()>>>,
    /// The grants of places that are held, to be ended if the store forgets them.
    grants: StdMutex<BTreeMap<u64, Grant>>,
}

impl Ports {
    pub(super) fn new(name: Name, kind: Kind) -> Self {
        Self {
            name,
            kind,
            next: AtomicU64::new(1),
            inbox: Inbox::default(),
            releases: StdMutex::default(),
            grants: StdMutex::default(),
        }
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Makes a new caller known; for whoever waits for its turn, with its patience.
    pub(super) fn call(&self, patience: Option<Patience>) -> u64 {
        let caller = self.next.fetch_add(1, Ordering::Relaxed);
        self.inbox.open(caller, patience);
        caller
    }

    /// Waits for the answer to `caller`; `None` if there cannot be one.
    pub(super) async fn answer_to(&self, caller: u64) -> Option<Answer> {
        poll_fn(|cx| self.inbox.poll_take(caller, cx)).await
    }

    /// The caller does not wait any more. A guard that was there for it releases itself.
    pub(super) fn cancel(&self, caller: u64) {
        drop(self.inbox.close(caller));
    }

    /// The caller could not use what it was granted, and goes on waiting.
    pub(super) fn wait_again(&self, waiter: u64, patience: Patience) {
        self.inbox.open(waiter, Some(patience));
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

    /// Whether this process holds the lock, or a share of it.
    pub(super) fn is_held(&self) -> bool {
        !lock(&self.grants).is_empty()
    }

    fn answer(&self, waiter: u64, answer: Answer) {
        // A guard that nobody takes any more releases itself when it is dropped here.
        drop(self.inbox.put(waiter, answer));
    }
}

/// Makes the guard of a place that is held.
fn hold(engine: &Arc<Engine<Queue>>, life: &Arc<Lifetime>, place: u64, share: Share, stamp: Stamp) -> Held {
    let ports = &engine.ports;
    let (noun, name) = (ports.kind.noun(share), ports.name.clone());
    let grant = match (ports.kind, share) {
        // Its holder may go on as a reader, in the same entry.
        (Kind::RwLock, Share::Whole) => Grant::of_state(noun, name, stamp, Arc::clone(life)),
        _ => Grant::new(noun, name, stamp, Arc::clone(life)),
    };
    engine.hub().granted(noun, &grant);
    lock(&ports.grants).insert(place, grant.clone());
    Held::new(Arc::clone(engine), place, share, grant)
}

fn granted(
    engine: &Arc<Engine<Queue>>,
    life: Option<&Arc<Lifetime>>,
    (waiter, place, stamp): (u64, u64, Stamp),
    (share, patience): (Share, Patience),
) {
    match life.filter(|life| life.is_valid() || planted(Bug::ExpiredGrantHandedOut)) {
        Some(life) => {
            let held = hold(engine, life, place, share, stamp);
            // If the waiter is gone the guard is dropped, which releases the place.
            engine.ports.answer(waiter, Ok(Some(held)));
        }
        None => engine.request(Request::Undelivered { place, waiter, share, patience }),
    }
}

fn downgraded(
    engine: &Arc<Engine<Queue>>,
    life: Option<&Arc<Lifetime>>,
    caller: u64,
    place: u64,
    stamp: Stamp,
) {
    let answer = match life.filter(|life| life.is_valid()) {
        Some(life) => Ok(Some(hold(engine, life, place, Share::Read, stamp))),
        None => {
            engine.request(Request::Release { place, caller: None });
            let error = Error::new(ErrorKind::SessionLost, "downgrade write lock");
            Err(error
                .on(format_args!("{:?}", engine.ports.name.as_str()))
                .because("the session ran out meanwhile; nothing is held, acquire it again"))
        }
    };
    engine.ports.answer(caller, answer);
}

impl Driver for Queue {
    type Ports = Ports;

    fn deliver(engine: &Arc<Engine<Self>>, delivery: Delivery, life: Option<&Arc<Lifetime>>) {
        let ports = &engine.ports;
        match delivery {
            Delivery::Granted { waiter, place, share, stamp, patience } => {
                granted(engine, life, (waiter, place, stamp), (share, patience));
            }
            Delivery::Downgraded { caller, place, stamp } => downgraded(engine, life, caller, place, stamp),
            Delivery::Contended { waiter } => ports.answer(waiter, Ok(None)),
            Delivery::Rejected { waiter, error } => ports.answer(waiter, Err(error)),
            Delivery::Released { caller } => {
                let sender = lock(&ports.releases).remove(&caller);
                if let Some(sender) = sender {
                    // Whoever released may have stopped waiting.
                    sender.send(()).unwrap_or_default();
                }
            }
            Delivery::Over { place } => {
                if let Some((waiter, patience, held)) = ports.inbox.take_back(place) {
                    held.give_back(waiter, patience);
                }
            }
            Delivery::Forgotten { place } => {
                if let Some(grant) = ports.end(place, LossReason::Forgotten) {
                    engine.hub().ended(grant.kind(), &grant);
                }
            }
        }
    }
}
