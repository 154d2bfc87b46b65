//! Runs the pure state machine of a recipe: feeds it what happened, does what it asks for.
//!
//! One engine serves all handles of one recipe name in one coordinator. It owns every commit that it sends; a caller's
//! future only waits for an answer, so dropping that future drops no commit (R5). Inputs are taken one at a time, by whichever
//! thread brought one; where the backend commits inline that is the caller's own thread, so that an uncontended lock costs no switch of threads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context as TaskContext, Poll, Waker};

use tokio_util::sync::CancellationToken;

use super::hub::{Hub, Listener, Signal};
use super::lifetime::Lifetime;
use super::machine::{Context, Driver, Input, Output};
use crate::error::Error;
use crate::names::Collection;
use crate::runtime::{BoxFuture, Instant};
use crate::spi::{Lineage, Listing, Outcome, Page, Txn, WatchEvent, WatchTarget};
use crate::sync::lock;

/// Something to be taken in turn. What was asked of an earlier session carries its epoch and is dropped.
enum Item<R> {
    Signal(Signal),
    Request(R),
    Committed { epoch: u64, tag: u64, outcome: Result<Outcome, Error> },
    Listed { epoch: u64, tag: u64, listing: Result<Listing, Error> },
    Watched { epoch: u64, slot: u8, watch: u64, event: WatchEvent },
    Tick { armed: Instant },
}

impl<R> Item<R> {
    /// The history of the store that it tells of.
    fn lineage(&self) -> Option<Lineage> {
        match self {
            Self::Signal(Signal::SessionUp { lineage, .. } | Signal::Discontinuity(lineage)) => {
                Some(*lineage)
            }
            Self::Committed { outcome: Ok(outcome), .. } => Some(outcome.lineage()),
            Self::Listed { listing: Ok(listing), .. } => Some(listing.lineage()),
            Self::Watched { event, .. } => lineage_of(event),
            Self::Signal(Signal::SessionDown { .. } | Signal::Closing)
            | Self::Request(_)
            | Self::Committed { .. }
            | Self::Listed { .. }
            | Self::Tick { .. } => None,
        }
    }
}

struct Watch {
    id: u64,
    stop: CancellationToken,
}

struct Cell<D: Driver> {
    machine: D,
    queue: VecDeque<Item<D::Request>>,
    draining: bool,
    life: Option<Arc<Lifetime>>,
    epoch: u64,
    lineage: Lineage,
    watches: BTreeMap<u8, Watch>,
    next_watch: u64,
    /// When ticks are under way. Each is earlier than those before it.
    armed: BTreeSet<Instant>,
    /// Set while something is to be done: a release has to be finished also when nobody has a handle any more.
    itself: Option<Arc<Engine<D>>>,
}

/// The engine of one recipe name.
pub(crate) struct Engine<D: Driver> {
    pub(crate) ports: D::Ports,
    hub: Arc<Hub>,
    id: u64,
    cell: Mutex<Cell<D>>,
}

impl<D: Driver> Engine<D> {
    /// Starts an engine and tells it of the present session.
    pub(crate) fn start(hub: &Arc<Hub>, machine: D, ports: D::Ports) -> Arc<Self> {
        let id = hub.next_listener();
        let engine = Arc::new(Self {
            ports,
            hub: Arc::clone(hub),
            id,
            cell: Mutex::new(Cell {
                machine,
                queue: VecDeque::new(),
                draining: false,
                life: None,
                epoch: 0,
                lineage: Lineage::default(),
                watches: BTreeMap::new(),
                next_watch: 0,
                armed: BTreeSet::new(),
                itself: None,
            }),
        });
        let weak: Weak<Self> = Arc::downgrade(&engine);
        for signal in hub.register(id, weak) {
            engine.feed(Item::Signal(signal));
        }
        engine
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Takes a caller's request.
    pub(crate) fn request(self: &Arc<Self>, request: D::Request) {
        self.feed(Item::Request(request));
    }

    fn feed(self: &Arc<Self>, item: Item<D::Request>) {
        {
            let mut cell = lock(&self.cell);
            cell.queue.push_back(item);
            if cell.draining {
                return;
            }
            cell.draining = true;
        }
        self.drain();
    }

    /// Takes items until none is left. Only one thread at a time; the others leave theirs in the queue.
    fn drain(self: &Arc<Self>) {
        let mut out = Vec::new();
        loop {
            let (life, lineage) = {
                let mut cell = lock(&self.cell);
                let Some(item) = cell.queue.pop_front() else {
                    cell.draining = false;
                    let idle = cell.machine.is_idle();
                    let itself = (!idle).then(|| Arc::clone(self));
                    let before = std::mem::replace(&mut cell.itself, itself);
                    drop(cell);
                    drop(before);
                    self.hub.on_drained(idle);
                    return;
                };
                cell.take(item, &self.hub, &mut out);
                (cell.life.clone(), cell.lineage)
            };
            for output in out.drain(..) {
                self.carry_out(output, life.as_ref(), lineage);
            }
            self.arm();
        }
    }

    fn carry_out(
        self: &Arc<Self>,
        output: Output<D::Delivery>,
        life: Option<&Arc<Lifetime>>,
        lineage: Lineage,
    ) {
        match (output, life) {
            (Output::Deliver(delivery), life) => D::deliver(self, delivery, life),
            (Output::Reconciled, _) => self.hub.reconciled(self.id, lineage.generation()),
            (Output::Commit { tag, txn }, Some(life)) => self.commit(tag, txn, life),
            (Output::List { tag, collection, page }, Some(life)) => self.list(tag, collection, page, life),
            (Output::Watch { slot, target }, Some(life)) => self.watch(slot, target, life),
            (Output::Unwatch { slot }, _) => self.unwatch(slot),
            // Without a session there is nobody to ask; the next `SessionUp` starts anew.
            (Output::Commit { .. } | Output::List { .. } | Output::Watch { .. }, None) => {}
        }
    }

    fn commit(self: &Arc<Self>, tag: u64, txn: Txn, life: &Arc<Lifetime>) {
        let (epoch, session) = (life.epoch(), Arc::clone(life.session()));
        let mut commit: BoxFuture<'static, _> = Box::pin(async move { session.commit(txn).await });
        if self.hub.capabilities().commits_inline {
            let mut cx = TaskContext::from_waker(Waker::noop());
            if let Poll::Ready(outcome) = pin!(&mut commit).poll(&mut cx) {
                self.committed(epoch, tag, outcome);
                return;
            }
        }
        let engine = Arc::clone(self);
        let task = async move {
            let outcome = commit.await;
            engine.committed(epoch, tag, outcome);
        };
        self.hub.runtime().spawn("commit", Box::pin(task));
    }

    fn committed(self: &Arc<Self>, epoch: u64, tag: u64, outcome: Result<Outcome, Error>) {
        match &outcome {
            Ok(outcome) => self.hub.observe(outcome.lineage()),
            Err(error) => self.hub.observe_error(epoch, error),
        }
        self.feed(Item::Committed { epoch, tag, outcome });
    }

    fn list(self: &Arc<Self>, tag: u64, collection: Collection, page: Page, life: &Arc<Lifetime>) {
        let (epoch, session, engine) = (life.epoch(), Arc::clone(life.session()), Arc::clone(self));
        let task = async move {
            let listing = session.list(&collection, page).await;
            match &listing {
                Ok(listing) => engine.hub.observe(listing.lineage()),
                Err(error) => engine.hub.observe_error(epoch, error),
            }
            engine.feed(Item::Listed { epoch, tag, listing });
        };
        self.hub.runtime().spawn("list", Box::pin(task));
    }

    fn watch(self: &Arc<Self>, slot: u8, target: WatchTarget, life: &Arc<Lifetime>) {
        let stop = CancellationToken::new();
        let watch = {
            let mut cell = lock(&self.cell);
            cell.next_watch += 1;
            let id = cell.next_watch;
            if let Some(old) = cell.watches.insert(slot, Watch { id, stop: stop.clone() }) {
                old.stop.cancel();
            }
            id
        };
        let (epoch, session, engine) = (life.epoch(), Arc::clone(life.session()), Arc::downgrade(self));
        let task = async move {
            let mut events = session.watch(target);
            loop {
                let event = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    event = events.next() => event,
                };
                let (Some(event), Some(engine)) = (event, engine.upgrade()) else { return };
                if let Some(lineage) = lineage_of(&event) {
                    engine.hub.observe(lineage);
                }
                engine.feed(Item::Watched { epoch, slot, watch, event });
            }
        };
        self.hub.runtime().spawn("watch", Box::pin(task));
    }

    fn unwatch(&self, slot: u8) {
        if let Some(watch) = lock(&self.cell).watches.remove(&slot) {
            watch.stop.cancel();
        }
    }

    /// Sees to it that a `Tick` comes at the instant that the machine wants one.
    fn arm(self: &Arc<Self>) {
        let at = {
            let mut cell = lock(&self.cell);
            let Some(at) = cell.machine.next_wake() else { return };
            if cell.armed.first().is_some_and(|armed| *armed <= at) {
                return;
            }
            cell.armed.insert(at);
            at
        };
        let engine = Arc::downgrade(self);
        let sleep = self.hub.runtime().sleep_until(at);
        let task = async move {
            sleep.await;
            if let Some(engine) = engine.upgrade() {
                engine.feed(Item::Tick { armed: at });
            }
        };
        self.hub.runtime().spawn("tick", Box::pin(task));
    }
}

fn lineage_of(event: &WatchEvent) -> Option<Lineage> {
    match event {
        WatchEvent::Snapshot { lineage, .. }
        | WatchEvent::Changed { lineage, .. }
        | WatchEvent::Discontinuity(lineage) => Some(*lineage),
        WatchEvent::Interrupted => None,
    }
}

impl<D: Driver> Cell<D> {
    /// Feeds the machine one item, unless it belongs to a session or a watch that is over.
    fn take(&mut self, item: Item<D::Request>, hub: &Hub, out: &mut Vec<Output<D::Delivery>>) {
        // Whatever is the first to tell of a newer history: the machine hears of it before anything else.
        let newer = item.lineage().filter(|lineage| lineage.generation() > self.lineage.generation());
        if let Some(lineage) = newer {
            self.lineage = lineage;
            self.tell(Input::Discontinuity { hold_until: lineage.hold_until() }, hub, out);
        }
        if let Some(input) = self.admit(item) {
            self.tell(input, hub, out);
        }
    }

    fn tell(&mut self, input: Input<D::Request>, hub: &Hub, out: &mut Vec<Output<D::Delivery>>) {
        let none = AtomicU64::new(0);
        let numbers = self.life.as_ref().map_or(&none, |life| life.numbers());
        self.machine.on_input(input, &Context { now: hub.runtime().now(), numbers }, out);
    }

    fn admit(&mut self, item: Item<D::Request>) -> Option<Input<D::Request>> {
        match item {
            Item::Request(request) => Some(Input::Request(request)),
            Item::Tick { armed } => {
                self.armed.remove(&armed);
                Some(Input::Tick)
            }
            Item::Signal(signal) => self.admit_signal(signal),
            Item::Committed { epoch, tag, outcome } if epoch == self.epoch && self.life.is_some() => {
                let old = outcome.as_ref().is_ok_and(|outcome| self.is_void(outcome.lineage()));
                Some(if old { Input::Voided { tag } } else { Input::Committed { tag, outcome } })
            }
            Item::Listed { epoch, tag, listing } if epoch == self.epoch && self.life.is_some() => {
                let old = listing.as_ref().is_ok_and(|listing| self.is_void(listing.lineage()));
                Some(if old { Input::Voided { tag } } else { Input::Listed { tag, listing } })
            }
            Item::Watched { epoch, slot, watch, event } if epoch == self.epoch && self.life.is_some() => {
                let current = self.watches.get(&slot).is_some_and(|current| current.id == watch);
                let old = lineage_of(&event).is_some_and(|lineage| self.is_void(lineage));
                (current && !old).then_some(Input::Watched { slot, event })
            }
            Item::Committed { .. } | Item::Listed { .. } | Item::Watched { .. } => None,
        }
    }

    fn admit_signal(&mut self, signal: Signal) -> Option<Input<D::Request>> {
        match signal {
            Signal::SessionUp { life, lineage } => {
                if life.epoch() <= self.epoch {
                    return None;
                }
                if !self.is_void(lineage) {
                    self.lineage = lineage;
                }
                self.epoch = life.epoch();
                let session = life.session().id().clone();
                self.life = Some(life);
                Some(Input::SessionUp { session, hold_until: self.lineage.hold_until() })
            }
            Signal::SessionDown { epoch } => {
                let known = self.life.take().is_some();
                self.epoch = self.epoch.max(epoch);
                std::mem::take(&mut self.watches).into_values().for_each(|watch| watch.stop.cancel());
                known.then_some(Input::SessionDown)
            }
            // It has been told already, if it was news.
            Signal::Discontinuity(_) => None,
            Signal::Closing => Some(Input::Closing),
        }
    }

    fn is_void(&self, lineage: Lineage) -> bool {
        lineage.generation() < self.lineage.generation()
    }
}

impl<D: Driver> Listener for Engine<D> {
    fn signal(self: Arc<Self>, signal: Signal) {
        self.feed(Item::Signal(signal));
    }

    fn is_idle(&self) -> bool {
        let cell = lock(&self.cell);
        cell.queue.is_empty() && cell.machine.is_idle()
    }
}

impl<D: Driver> Drop for Engine<D> {
    fn drop(&mut self) {
        let watches = std::mem::take(&mut lock(&self.cell).watches);
        watches.into_values().for_each(|watch| watch.stop.cancel());
        self.hub.deregister(self.id);
    }
}

impl<D: Driver> fmt::Debug for Engine<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "engine_test.rs"]
mod tests;
