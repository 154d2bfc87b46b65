//! The queue of a mutex: its rules one by one, and random interleavings of several processes.

#[path = "queue_test/forgetting.rs"]
mod forgetting;
#[path = "queue_test/interleavings.rs"]
mod interleavings;
#[path = "queue_test/rules.rs"]
mod rules;

use super::{Delivery, Patience, Queue, Request};
use crate::coordinator::model_test::{News, Play, Random, Scene};
use crate::lock::record::{Record, queue};
use crate::names::Name;
use crate::runtime::Instant;

fn scene(processes: usize) -> Scene<Queue> {
    Scene::of(processes)
}

fn acquire(waiter: u64) -> Request {
    Request::Acquire { waiter, patience: Patience::Forever }
}

impl Play for Queue {
    fn create(node: usize) -> Self {
        let name = Name::parse("m").unwrap();
        Self::new(queue(&name), Record::mutex(&Name::parse(&format!("n{node}")).unwrap()))
    }

    fn want(waiter: u64, random: &mut Random, now: Instant) -> Request {
        let patience = match random.below(8) {
            0 => Patience::None,
            1 => Patience::Until(now + std::time::Duration::from_millis(500)),
            _ => Patience::Forever,
        };
        Request::Acquire { waiter, patience }
    }

    fn give_up(waiter: u64) -> Request {
        Request::Cancel { waiter }
    }

    fn let_go(place: u64, caller: Option<u64>) -> Request {
        Request::Release { place, caller }
    }

    fn meddle(_: u64, _: &mut Random) -> Option<(Request, bool)> {
        None
    }

    fn soothe() -> Option<Request> {
        None
    }

    fn news(delivery: Delivery) -> News<Request> {
        match delivery {
            Delivery::Granted { waiter, place, stamp, patience } => {
                let undelivered = Request::Undelivered { place, waiter, patience };
                News::Granted { caller: waiter, grant: place, stamp, undelivered }
            }
            Delivery::Contended { waiter } => News::Answered { caller: waiter, error: None },
            Delivery::Rejected { waiter, error } => {
                News::Answered { caller: waiter, error: Some(error.kind()) }
            }
            Delivery::Released { caller } => News::Answered { caller, error: None },
            Delivery::Forgotten { place } => News::Ended { grant: place },
        }
    }
}
