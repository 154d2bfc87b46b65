//! Carries what an owner is told to those who wait for it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use super::assignor::{self, Assignor};
use super::owned::{OwnedPartition, Partition};
use super::owner::{Delivery, Owner, Request};
use crate::coordinator::{Driver, Engine, Grant, Hub, Lifetime, LossReason};
use crate::names::Name;
use crate::spi::{Guard, Stamp};
use crate::sync::lock;

/// A partition that was handed out.
#[derive(Debug)]
struct Handed {
    number: u64,
    partition: Partition,
    grant: Grant,
}

#[derive(Debug, Default)]
struct Queue {
    order: VecDeque<u32>,
    waiting: BTreeMap<u32, OwnedPartition>,
}

/// Where whoever consumes partitions waits.
pub(super) struct Ports {
    name: Name,
    next: AtomicU64,
    /// Partitions that nobody has taken yet, and in which order they are taken.
    queue: Mutex<Queue>,
    pub(super) changed: Notify,
    handed: Mutex<BTreeMap<u32, Handed>>,
    standby: Mutex<Vec<u32>>,
    callers: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
    /// Is told as which members nothing runs here any more.
    ceased: Mutex<Option<Ceased>>,
}

type Ceased = Box<dyn Fn(Stamp) + Send + Sync>;

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Ports {
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            next: AtomicU64::new(1),
            queue: Mutex::default(),
            changed: Notify::new(),
            handed: Mutex::default(),
            standby: Mutex::default(),
            callers: Mutex::default(),
            ceased: Mutex::default(),
        }
    }

    /// `ceased` is told from now on.
    pub(super) fn when_ceased(&self, ceased: impl Fn(Stamp) + Send + Sync + 'static) {
        *lock(&self.ceased) = Some(Box::new(ceased));
    }

    /// The partition that waits longest for somebody to take it.
    pub(super) fn take(&self) -> Option<OwnedPartition> {
        let mut queue = lock(&self.queue);
        while let Some(partition) = queue.order.pop_front() {
            // One that was withdrawn is not there any more.
            if let Some(owned) = queue.waiting.remove(&partition) {
                return Some(owned);
            }
        }
        None
    }

    /// Nobody takes partitions any more.
    pub(super) fn discard(&self) {
        let queue = std::mem::take(&mut *lock(&self.queue));
        drop(queue);
    }

    pub(super) fn standby(&self) -> Vec<u32> {
        lock(&self.standby).clone()
    }

    pub(super) fn wait(&self) -> (u64, oneshot::Receiver<()>) {
        let (caller, (sender, receiver)) = (self.next.fetch_add(1, Ordering::Relaxed), oneshot::channel());
        lock(&self.callers).insert(caller, sender);
        (caller, receiver)
    }

    fn answer(&self, caller: u64) {
        if let Some(sender) = lock(&self.callers).remove(&caller) {
            // Whoever asked may have stopped waiting.
            sender.send(()).unwrap_or_default();
        }
    }

    /// The grant of a partition ends, if it has not ended before.
    pub(super) fn let_go(&self, hub: &Hub, partition: u32, number: u64, reason: LossReason) {
        let ended = {
            let mut handed = lock(&self.handed);
            let same = handed.get(&partition).is_some_and(|handed| handed.number == number);
            if same { handed.remove(&partition) } else { None }
        };
        if let Some(Handed { grant, .. }) = ended {
            grant.end(reason);
            hub.ended("partition", &grant);
        }
    }

    fn revoke(&self, hub: &Hub, partition: u32, number: u64, drain: std::time::Duration) {
        let handed = lock(&self.handed);
        if let Some(handed) = handed.get(&partition).filter(|handed| handed.number == number) {
            handed.partition.revoke(hub.runtime().now(), drain);
        }
    }

    /// What nobody has taken yet need not be handed out any more.
    fn withdraw(&self, partition: u32) {
        let unwanted = lock(&self.queue).waiting.remove(&partition);
        drop(unwanted);
    }
}

fn start(engine: &Arc<Engine<Owner>>, life: Option<&Arc<Lifetime>>, of: (u32, u64), member: Stamp) {
    let (partition, token) = of;
    let Some(life) = life.filter(|life| life.is_valid()) else {
        engine.request(Request::Stopped { partition, token });
        return;
    };
    let (ports, hub) = (&engine.ports, engine.hub());
    let guard = Guard::Held(member);
    let grant = Grant::numbered("partition", ports.name.clone(), token, guard, Arc::clone(life));
    tracing::debug!(partitions = %ports.name, partition, token = %grant.token(), "assigned");
    hub.granted("partition", &grant);
    let handle = Partition::new(partition);
    let handed = Handed { number: token, partition: handle.clone(), grant: grant.clone() };
    lock(&ports.handed).insert(partition, handed);
    let owned = OwnedPartition::new(Arc::clone(engine), handle, grant, token);
    let before = {
        let mut queue = lock(&ports.queue);
        queue.order.push_back(partition);
        queue.waiting.insert(partition, owned)
    };
    drop(before);
    ports.changed.notify_waiters();
}

impl Driver for Owner {
    type Ports = Ports;

    fn deliver(engine: &Arc<Engine<Self>>, delivery: Delivery, life: Option<&Arc<Lifetime>>) {
        let ports = &engine.ports;
        match delivery {
            Delivery::Start { partition, token, member } => start(engine, life, (partition, token), member),
            Delivery::Revoke { partition, token, drain } => {
                ports.revoke(engine.hub(), partition, token, drain);
                ports.withdraw(partition);
            }
            Delivery::End { partition, token, reason } => {
                ports.let_go(engine.hub(), partition, token, reason);
                ports.withdraw(partition);
            }
            Delivery::Standby(partitions) => {
                *lock(&ports.standby) = partitions;
                ports.changed.notify_waiters();
            }
            Delivery::Announced { caller } | Delivery::Left { caller } => ports.answer(caller),
            Delivery::Ceased(member) => {
                if let Some(ceased) = &*lock(&ports.ceased) {
                    ceased(member);
                }
            }
            Delivery::Corrupt(error) => tracing::error!(%error, "cannot read what this member is assigned"),
        }
    }
}

impl Driver for Assignor {
    type Ports = Name;

    fn deliver(engine: &Arc<Engine<Self>>, delivery: assignor::Delivery, _: Option<&Arc<Lifetime>>) {
        let name = engine.ports.as_str();
        match delivery {
            assignor::Delivery::Planned { moves, unplaced, reason } => {
                tracing::debug!(partitions = name, moves, unplaced, reason, "assigned a step");
                engine.hub().meters().planned(name, moves, unplaced);
            }
            assignor::Delivery::Forced { member, evicted } => {
                tracing::warn!(partitions = name, %member, evicted, "took partitions from a member that did not give them up");
            }
            assignor::Delivery::Corrupt(error) => {
                tracing::error!(partitions = name, %error, "nothing is assigned");
            }
        }
    }
}
