//! A machine in its engine: what waits to be told to it, and what of that still counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::hub::{Hub, Signal};
use super::lifetime::Lifetime;
use super::machine::{Context, Driver, Input, Output};
use crate::error::Error;
use crate::runtime::Instant;
use crate::spi::{Lineage, Listing, Outcome, WatchEvent};
use crate::zoo::{Bug, planted};

/// Something to be taken in turn. What was asked of an earlier session carries its epoch and is dropped.
pub(super) enum Item<R> {
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
            Self::Committed { outcome: Err(error), .. } => error.lineage(),
            Self::Listed { listing: Ok(listing), .. } => Some(listing.lineage()),
            Self::Watched { event, .. } => lineage_of(event),
            Self::Signal(Signal::SessionDown { .. } | Signal::Closing)
            | Self::Request(_)
            | Self::Listed { .. }
            | Self::Tick { .. } => None,
        }
    }

    /// Whether it tells of a session that was opened before this history began.
    fn session_is_older(&self, lineage: Lineage) -> bool {
        matches!(self, Self::Signal(Signal::SessionUp { life, .. }) if life.generation() < lineage.generation())
    }
}

/// A watch that the machine wants.
pub(super) struct Watch {
    pub(super) id: u64,
    pub(super) stop: CancellationToken,
}

/// The machine, and what is to be told to it.
pub(super) struct Cell<D: Driver> {
    pub(super) machine: D,
    pub(super) queue: VecDeque<Item<D::Request>>,
    pub(super) draining: bool,
    pub(super) life: Option<Arc<Lifetime>>,
    pub(super) epoch: u64,
    pub(super) lineage: Lineage,
    pub(super) watches: BTreeMap<u8, Watch>,
    pub(super) next_watch: u64,
    /// When ticks are under way. Each is earlier than those before it.
    pub(super) armed: BTreeSet<Instant>,
    /// Set while something is to be done, and for a while after: see [`Cell::keep`].
    pub(super) itself: Option<Arc<Engine<D>>>,
    pub(super) idle_since: Option<Instant>,
}

impl<D: Driver> Cell<D> {
    pub(super) fn new(machine: D) -> Self {
        Self {
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
            idle_since: None,
        }
    }

    /// Decides whether the engine outlives its handles. While something is to be done it has to: a refused release is repeated.
    /// For one ttl after that it should, until a renewal has proved that the store went back in none of it: a failover that forgets the
    /// release brings the entry back, and only this engine would delete it. Returns the reference to drop, or until when it stays.
    pub(super) fn keep(&mut self, hub: &Hub) -> (Option<Arc<Engine<D>>>, Option<Instant>) {
        if self.itself.is_none() || !self.machine.is_idle() {
            self.idle_since = None;
            return (None, None);
        }
        let now = hub.runtime().now();
        let since = *self.idle_since.get_or_insert(now);
        let wait = self.life.as_ref().and_then(|life| Some((life, life.session().ttl()?)));
        match wait {
            Some((life, ttl)) if !hub.is_closing() && !hub.is_crowded() => {
                let until = since + ttl;
                if life.renewed_at() >= until {
                    return (self.itself.take(), None);
                }
                (None, Some(if now < until { until } else { now + ttl / 4 }))
            }
            _ => (self.itself.take(), None),
        }
    }

    /// Feeds the machine one item, unless it belongs to a session or a watch that is over.
    pub(super) fn take(&mut self, item: Item<D::Request>, hub: &Hub, out: &mut Vec<Output<D::Delivery>>) {
        let newer = item.lineage().filter(|lineage| lineage.generation() > self.lineage.generation());
        // A newcomer in a session that is older than the history: whatever that brought back, of engines that are no more, is its to find.
        let late = newer.filter(|lineage| item.session_is_older(*lineage));
        // Else, whatever is the first to tell of a newer history: the machine hears of it before anything else.
        if let Some(lineage) = newer.filter(|_| late.is_none()) {
            self.lineage = lineage;
            self.tell(Input::Discontinuity { hold_until: lineage.hold_until() }, hub, out);
        }
        if let Some(input) = self.admit(item) {
            self.tell(input, hub, out);
        }
        if let Some(lineage) = late {
            self.tell(Input::Discontinuity { hold_until: lineage.hold_until() }, hub, out);
        }
    }

    fn tell(&mut self, input: Input<D::Request>, hub: &Hub, out: &mut Vec<Output<D::Delivery>>) {
        let none = AtomicU64::new(0);
        let numbers = self.life.as_ref().map_or(&none, |life| life.numbers());
        let ttl = self.life.as_ref().and_then(|life| life.session().ttl());
        let (now, wall) = (hub.runtime().now(), hub.runtime().wall_clock());
        self.machine.on_input(input, &Context { now, wall, numbers, ttl }, out);
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
        lineage.generation() < self.lineage.generation() && !planted(Bug::OldHistoryBelieved)
    }
}

/// The history that a watch tells of.
pub(super) fn lineage_of(event: &WatchEvent) -> Option<Lineage> {
    match event {
        WatchEvent::Snapshot { lineage, .. }
        | WatchEvent::Changed { lineage, .. }
        | WatchEvent::Discontinuity(lineage) => Some(*lineage),
        WatchEvent::Interrupted => None,
    }
}
