//! Random histories of several processes that share one slot: it is then as exclusive as a lock.

use super::{Delivery, Request, State, Want};
use crate::coordinator::model_test::{Faults, News, Play, Random, World};
use crate::names::Name;
use crate::runtime::Instant;

impl Play for State {
    fn create(node: usize) -> Self {
        Self::new(&Name::parse("s").unwrap(), Name::parse(&format!("node-{node}")).unwrap())
    }

    fn want(caller: u64, _: &mut Random, _: Instant) -> Request {
        Request::Take { caller, count: 1, waits: true }
    }

    fn give_up(caller: u64) -> Request {
        Request::Cancel { caller }
    }

    fn let_go(number: u64, caller: Option<u64>) -> Request {
        Request::Release { number, caller }
    }

    fn meddle(caller: u64, _: &mut Random) -> Option<(Request, bool)> {
        Some((Request::Take { caller, count: 1, waits: false }, false))
    }

    fn soothe() -> Option<Request> {
        None
    }

    fn news(delivery: Delivery) -> News<Request> {
        match delivery {
            Delivery::Taken { want, number, stamp, .. } => {
                let Want { caller, .. } = want;
                let undelivered = Request::Undelivered { want, number };
                News::Granted { caller, grant: number, weight: 1, stamp, undelivered }
            }
            Delivery::Nothing { caller } | Delivery::Released { caller } => {
                News::Answered { caller, error: None }
            }
            Delivery::Rejected { caller, error } => News::Answered { caller, error: Some(error.kind()) },
            Delivery::Lost { number, .. } => News::Ended { grant: number },
        }
    }
}

fn run(seeds: u64, faults: Faults) {
    let mut grants = 0;
    for seed in 0..seeds {
        let mut world: World<State> = World::new(seed, 2 + (seed % 2) as usize, faults);
        world.run(160, 1 + (seed % 4) as usize);
        grants += world.grants;
    }
    assert!(grants > usize::try_from(seeds).unwrap(), "{grants} grants show nothing");
}

#[test]
fn one_holder_at_a_time_and_everybody_is_served_whatever_the_order_of_answers() {
    run(2_000, Faults { losses: false, forgetting: false });
}

#[test]
fn one_holder_at_a_time_and_nothing_left_through_refusals_and_lost_sessions() {
    run(3_000, Faults { losses: true, forgetting: false });
}

#[test]
fn one_holder_at_a_time_and_nothing_left_in_a_store_that_forgets() {
    run(3_000, Faults { losses: true, forgetting: true });
}
