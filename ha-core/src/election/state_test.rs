//! The state of an election: its rules one by one, and random interleavings of several processes.

#[path = "state_test/interleavings.rs"]
mod interleavings;

use super::{Candidacy, Delivery, Request, State};
use crate::coordinator::model_test::{News, Play, Random};
use crate::election::records::Keys;
use crate::names::Name;
use crate::runtime::Instant;

fn node(number: usize) -> Name {
    Name::parse(&format!("n{number}")).unwrap()
}

impl Play for State {
    fn create(number: usize) -> Self {
        Self::new(Keys::new(&Name::parse("e").unwrap()), node(number))
    }

    fn want(caller: u64, random: &mut Random, _: Instant) -> Request {
        let priority = i32::from(random.one_in(4));
        Request::Campaign { caller, candidacy: Candidacy { priority, address: None, preempt: true } }
    }

    fn give_up(caller: u64) -> Request {
        Request::Cancel { caller }
    }

    fn let_go(leadership: u64, caller: Option<u64>) -> Request {
        Request::Resign { leadership, caller }
    }

    fn meddle(caller: u64, random: &mut Random) -> Option<(Request, bool)> {
        Some(match random.below(5) {
            0 => (Request::Health(false), false),
            1 => (Request::Health(true), false),
            _ => (Request::Transfer { target: node(random.below(3)), caller }, true),
        })
    }

    fn soothe() -> Option<Request> {
        Some(Request::Health(true))
    }

    fn news(delivery: Delivery) -> News<Request> {
        match delivery {
            Delivery::Elected { caller, candidacy, leadership, stamp, .. } => {
                let undelivered = Request::Undelivered { leadership, caller, candidacy };
                News::Granted { caller, grant: leadership, stamp, undelivered }
            }
            Delivery::Rejected { caller, error } => News::Answered { caller, error: Some(error.kind()) },
            Delivery::Resigned { caller } => News::Answered { caller, error: None },
            Delivery::Transferred { caller, result } => {
                News::Answered { caller, error: result.err().map(|error| error.kind()) }
            }
            Delivery::Ended { leadership, .. } => News::Ended { grant: leadership },
        }
    }
}
