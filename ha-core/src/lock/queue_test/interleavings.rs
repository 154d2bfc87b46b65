//! Random histories of several processes that share a mutex.

use super::Queue;
use crate::coordinator::model_test::{Faults, World};

fn run(seeds: u64, faults: Faults) {
    let mut grants = 0;
    for seed in 0..seeds {
        let mut world: World<Queue> = World::new(seed, 2 + (seed % 2) as usize, faults);
        world.run(160, 1 + (seed % 4) as usize);
        grants += world.grants;
    }
    assert!(grants > usize::try_from(seeds).unwrap(), "{grants} grants show nothing");
}

#[test]
fn one_holder_at_a_time_and_everybody_is_served_whatever_the_order_of_answers() {
    run(3_000, Faults { losses: false, forgetting: false });
}

#[test]
fn one_holder_at_a_time_and_no_ghost_through_refusals_and_lost_sessions() {
    run(5_000, Faults { losses: true, forgetting: false });
}

#[test]
fn one_holder_at_a_time_and_no_ghost_in_a_store_that_forgets() {
    run(6_000, Faults { losses: true, forgetting: true });
}
