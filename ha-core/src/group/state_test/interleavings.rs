//! Random histories of several processes that join one group as one node.

use super::State;
use crate::coordinator::model_test::{Faults, World};

fn run(seeds: u64, faults: Faults) {
    let mut joins = 0;
    for seed in 0..seeds {
        let mut world: World<State> = World::new(seed, 1 + (seed % 3) as usize, faults);
        world.run(160, 1 + (seed % 3) as usize);
        joins += world.grants;
    }
    assert!(joins > usize::try_from(seeds).unwrap(), "{joins} joins show nothing");
}

#[test]
fn one_member_of_a_node_at_a_time_and_everybody_is_answered_whatever_the_order_of_answers() {
    run(3_000, Faults { losses: false, forgetting: false });
}

#[test]
fn one_member_of_a_node_at_a_time_and_no_ghost_through_refusals_and_lost_sessions() {
    run(5_000, Faults { losses: true, forgetting: false });
}

#[test]
fn one_member_of_a_node_at_a_time_and_no_ghost_in_a_store_that_forgets() {
    run(6_000, Faults { losses: true, forgetting: true });
}
