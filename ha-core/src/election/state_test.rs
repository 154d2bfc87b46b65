//! The state of an election: its rules one by one, and random interleavings of several processes.

#[path = "state_test/forgetting.rs"]
mod forgetting;
#[path = "state_test/interleavings.rs"]
mod interleavings;
#[path = "state_test/rules.rs"]
mod rules;

use super::{Candidacy, Delivery, Elected, Request, State};
use crate::coordinator::model_test::{News, Play, Random, Scene};
use crate::election::records::Keys;
use crate::names::Name;
use crate::runtime::Instant;

fn node(number: usize) -> Name {
    Name::parse(&format!("n{number}")).unwrap()
}

fn scene(processes: usize) -> Scene<State> {
    Scene::of(processes)
}

/// The first of `processes` leads, the others stand in their order.
fn standing(processes: usize) -> Scene<State> {
    let mut scene = scene(processes);
    for at in 0..processes {
        scene.call(at, 1, campaign(1));
        scene.settle();
    }
    assert!(scene.holds(0));
    scene
}

fn campaign(caller: u64) -> Request {
    Request::Campaign { caller, candidacy: Candidacy { priority: 0, address: None, preempt: true } }
}

impl Play for State {
    fn create(number: usize) -> Self {
        Self::new(Keys::new("election", &Name::parse("e").unwrap()), node(number))
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
            Delivery::Elected(Elected { caller, candidacy, leadership, stamp, .. }) => {
                let undelivered = Request::Undelivered { leadership, caller, candidacy };
                News::Granted { caller, grant: leadership, weight: 1, stamp, undelivered }
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
