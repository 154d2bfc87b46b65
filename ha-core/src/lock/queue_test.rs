//! The queue of a lock: its rules one by one, and random interleavings of several processes.

#[path = "queue_test/downgrades.rs"]
mod downgrades;
#[path = "queue_test/forgetting.rs"]
mod forgetting;
#[path = "queue_test/interleavings.rs"]
mod interleavings;
#[path = "queue_test/permits.rs"]
mod permits;
#[path = "queue_test/readers.rs"]
mod readers;
#[path = "queue_test/rules.rs"]
mod rules;

use std::time::Duration;

use super::{Delivery, Patience, Queue, Request};
use crate::coordinator::model_test::{News, Play, Random, Scene};
use crate::coordinator::{Context, Input, Machine, Output};
use crate::lock::record::{Kind, Share, queue, share_of};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::Entry;

fn scene(processes: usize) -> Scene<Queue> {
    Scene::of(processes)
}

fn acquire(waiter: u64) -> Request {
    Request::Acquire { waiter, share: Share::Whole, patience: Patience::Forever }
}

fn patience(random: &mut Random, now: Instant) -> Patience {
    match random.below(8) {
        0 => Patience::None,
        1 => Patience::Until(now + Duration::from_millis(500)),
        _ => Patience::Forever,
    }
}

fn create(node: usize, kind: Kind) -> Queue {
    Queue::new(queue(&Name::parse("l").unwrap()), kind, Name::parse(&format!("n{node}")).unwrap())
}

fn news(delivery: Delivery, weight: impl Fn(Share) -> u64) -> News<Request> {
    match delivery {
        Delivery::Granted { waiter, place, share, stamp, patience } => {
            let undelivered = Request::Undelivered { place, waiter, share, patience };
            News::Granted { caller: waiter, grant: place, weight: weight(share), stamp, undelivered }
        }
        Delivery::Downgraded { caller, place, stamp } => {
            let undelivered = Request::Release { place, caller: None };
            News::Weakened { caller, grant: place, weight: weight(Share::Read), stamp, undelivered }
        }
        Delivery::Contended { waiter } => News::Answered { caller: waiter, error: None },
        Delivery::Rejected { waiter, error } => News::Answered { caller: waiter, error: Some(error.kind()) },
        Delivery::Released { caller } => News::Answered { caller, error: None },
        Delivery::Over { place } | Delivery::Forgotten { place } => News::Ended { grant: place },
    }
}

impl Play for Queue {
    fn create(node: usize) -> Self {
        create(node, Kind::Mutex)
    }

    fn want(waiter: u64, random: &mut Random, now: Instant) -> Request {
        Request::Acquire { waiter, share: Share::Whole, patience: patience(random, now) }
    }

    fn give_up(waiter: u64) -> Request {
        Request::Cancel { waiter }
    }

    fn let_go(place: u64, caller: Option<u64>) -> Request {
        Request::Release { place, caller }
    }

    fn takes(entry: &Entry) -> Option<u64> {
        share_of(entry, Kind::Mutex).is_ok().then_some(1)
    }

    fn meddle(_: u64, _: &mut Random) -> Option<(Request, bool)> {
        None
    }

    fn soothe() -> Option<Request> {
        None
    }

    fn news(delivery: Delivery) -> News<Request> {
        news(delivery, |_| 1)
    }
}

/// A lock that several can hold: a semaphore with so many permits, or with 0 a read-write lock. It may use the names of its places again.
#[derive(Debug)]
struct Shared<const PERMITS: u32, const REUSES: bool = false>(Queue);

impl<const PERMITS: u32, const REUSES: bool> Shared<PERMITS, REUSES> {
    const KIND: Kind = if PERMITS == 0 { Kind::RwLock } else { Kind::Semaphore { permits: PERMITS } };

    fn weight(share: Share) -> u64 {
        match share {
            Share::Whole => Self::CAPACITY,
            Share::Read => 1,
            Share::Permits(weight) => weight.into(),
        }
    }
}

impl<const PERMITS: u32, const REUSES: bool> Machine for Shared<PERMITS, REUSES> {
    type Request = Request;
    type Delivery = Delivery;

    fn on_input(&mut self, input: Input<Request>, context: &Context<'_>, out: &mut Vec<Output<Delivery>>) {
        self.0.on_input(input, context, out);
    }

    fn next_wake(&self) -> Option<Instant> {
        self.0.next_wake()
    }

    fn is_idle(&self) -> bool {
        self.0.is_idle()
    }
}

impl<const PERMITS: u32, const REUSES: bool> Play for Shared<PERMITS, REUSES> {
    /// More readers than any of these tests has.
    const CAPACITY: u64 = if PERMITS == 0 { 1_000 } else { PERMITS as u64 };

    fn create(node: usize) -> Self {
        Self(create(node, Self::KIND).reusing(REUSES))
    }

    fn want(waiter: u64, random: &mut Random, now: Instant) -> Request {
        let share = match PERMITS {
            0 if random.one_in(3) => Share::Whole,
            0 => Share::Read,
            _ if random.one_in(2) => Share::Permits(1),
            permits => Share::Permits(1 + u32::try_from(random.below(permits as usize)).unwrap()),
        };
        Request::Acquire { waiter, share, patience: patience(random, now) }
    }

    fn give_up(waiter: u64) -> Request {
        Request::Cancel { waiter }
    }

    fn let_go(place: u64, caller: Option<u64>) -> Request {
        Request::Release { place, caller }
    }

    fn weaken(place: u64, caller: u64) -> Option<Request> {
        (PERMITS == 0).then_some(Request::Downgrade { place, caller })
    }

    fn takes(entry: &Entry) -> Option<u64> {
        share_of(entry, Self::KIND).ok().map(Self::weight)
    }

    fn meddle(_: u64, _: &mut Random) -> Option<(Request, bool)> {
        None
    }

    fn soothe() -> Option<Request> {
        None
    }

    fn news(delivery: Delivery) -> News<Request> {
        news(delivery, Self::weight)
    }
}
