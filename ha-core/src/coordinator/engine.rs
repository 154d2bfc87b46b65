//! Runs the pure state machine of a recipe: feeds it what happened, does what it asks for.
//!
//! One engine serves all handles of one recipe name in one coordinator. It owns every commit that it sends; a caller's
//! future only waits for an answer, so dropping that future drops no commit (R5). Inputs are taken one at a time, by whichever
//! thread brought one; where the backend commits inline that is the caller's own thread, so that an uncontended lock costs no switch of threads.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context as TaskContext, Poll, Waker};

use tokio_util::sync::CancellationToken;

use super::cell::{Cell, Item, Watch, lineage_of};
use super::hub::{Control, Hub, Listener, Signal};
use super::lifetime::Lifetime;
use super::machine::{Driver, Output};
use crate::error::Error;
use crate::names::Collection;
use crate::runtime::{BoxFuture, Instant};
use crate::spi::{Lineage, Outcome, Page, Txn, WatchTarget};
use crate::sync::lock;
use crate::zoo::{Bug, planted};

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
        let engine = Arc::new(Self { ports, hub: Arc::clone(hub), id, cell: Mutex::new(Cell::new(machine)) });
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
                    let (useless, until) = cell.keep(&self.hub);
                    drop(cell);
                    drop(useless);
                    until.into_iter().for_each(|until| self.arm(until));
                    self.hub.on_drained(idle);
                    return;
                };
                cell.take(item, &self.hub, &mut out);
                if cell.itself.is_none() && !cell.machine.is_idle() {
                    cell.itself = Some(Arc::clone(self));
                }
                (cell.life.clone(), cell.lineage)
            };
            for output in out.drain(..) {
                self.carry_out(output, life.as_ref(), lineage);
            }
            let wake = lock(&self.cell).machine.next_wake();
            wake.into_iter().for_each(|at| self.arm(at));
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
            (Output::Commit { tag, txn }, Some(life)) => self.commit(tag, txn.asked_in(lineage), life),
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
        // For whoever asks what a node waits for: the entry of the one ahead, or of the leader.
        tracing::debug!(node = %self.hub.identity().node, ?target, "waits for a change");
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
                let Some(engine) = engine.upgrade() else { return };
                let Some(event) = event else {
                    engine.watch_ended(epoch);
                    return;
                };
                if let Some(lineage) = lineage_of(&event) {
                    engine.hub.observe(lineage);
                }
                engine.feed(Item::Watched { epoch, slot, watch, event });
            }
        };
        self.hub.runtime().spawn("watch", Box::pin(task));
    }

    /// The stream of a session ends with it. A session that came back (the store forgot its end) has no watch any more, so it is of no use
    /// either.
    fn watch_ended(&self, epoch: u64) {
        if !planted(Bug::WatchEndIgnored) {
            self.hub.control(Control::SessionLost { epoch });
        }
    }

    fn unwatch(&self, slot: u8) {
        if let Some(watch) = lock(&self.cell).watches.remove(&slot) {
            watch.stop.cancel();
        }
    }

    /// Sees to it that a `Tick` comes at the instant `at` or before.
    fn arm(self: &Arc<Self>, at: Instant) {
        {
            let mut cell = lock(&self.cell);
            if cell.armed.first().is_some_and(|armed| *armed <= at) {
                return;
            }
            cell.armed.insert(at);
        }
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
