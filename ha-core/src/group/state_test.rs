//! The membership of one process: its rules one by one, and random interleavings of several processes of one node.

#[path = "state_test/acting.rs"]
mod acting;
#[path = "state_test/interleavings.rs"]
mod interleavings;
#[path = "state_test/rules.rs"]
mod rules;

use std::time::Duration;

use super::{Delivery, Request, State};
use crate::coordinator::model_test::{News, Play, Random};
use crate::group::profile::Profile;
use crate::group::records::Keys;
use crate::names::Name;
use crate::runtime::Instant;

/// A delivery that answers nobody.
const NOBODY: u64 = u64::MAX;

fn join(caller: u64) -> Request {
    Request::Join { caller, membership: caller, profile: Box::new(Profile::new()) }
}

fn update(membership: u64, caller: u64, weight: u32) -> Request {
    let profile = Box::new(Profile::new().weight(weight));
    Request::Update { membership, caller, version: caller, profile }
}

/// All processes are of one node, so that one of them at most is a member: membership is then as exclusive as a grant.
impl Play for State {
    fn create(_: usize) -> Self {
        let name = |text| Name::parse(text).unwrap();
        Self::new(Keys::of("group", &name("g"), &name("n")), name("n"), Duration::from_secs(1))
    }

    fn want(caller: u64, _: &mut Random, _: Instant) -> Request {
        join(caller)
    }

    fn give_up(membership: u64) -> Request {
        Request::Cancel { membership }
    }

    fn let_go(membership: u64, caller: Option<u64>) -> Request {
        Request::Leave { membership, caller }
    }

    fn meddle(caller: u64, random: &mut Random) -> Option<(Request, bool)> {
        let membership = caller.saturating_sub(1 + random.below(3) as u64);
        Some(match random.below(4) {
            0 => (Request::Health { membership, healthy: false }, false),
            1 => (Request::Health { membership, healthy: true }, false),
            _ => (update(membership, caller, u32::try_from(random.below(1_000)).unwrap()), true),
        })
    }

    fn soothe() -> Option<Request> {
        None
    }

    fn news(delivery: Delivery) -> News<Request> {
        match delivery {
            Delivery::Entered { membership, stamp, caller: Some((caller, _)) } => {
                let undelivered = Request::Leave { membership, caller: Some(caller) };
                News::Granted { caller, grant: membership, stamp, weight: 1, undelivered }
            }
            Delivery::Entered { caller: None, .. } => News::Answered { caller: NOBODY, error: None },
            Delivery::Gone { membership, .. } => News::Ended { grant: membership },
            Delivery::Rejected { caller, error } => News::Answered { caller, error: Some(error.kind()) },
            Delivery::Updated { caller, result } => {
                News::Answered { caller, error: result.err().map(|error| error.kind()) }
            }
            Delivery::Left { caller } => News::Answered { caller, error: None },
        }
    }
}
