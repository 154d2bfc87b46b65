//! Random histories of several processes that share a lock.

use super::{Queue, Shared};
use crate::coordinator::model_test::{Faults, Play, World};

fn run<M: Play>(seeds: u64, faults: Faults) {
    let mut grants = 0;
    for seed in 0..seeds {
        let mut world: World<M> = World::new(seed, 2 + (seed % 2) as usize, faults);
        world.run(160, 1 + (seed % 4) as usize);
        grants += world.grants;
    }
    assert!(grants > usize::try_from(seeds).unwrap(), "{grants} grants show nothing");
}

const CALM: Faults = Faults { losses: false, forgetting: false };
const LOSSES: Faults = Faults { losses: true, forgetting: false };
const FORGETTING: Faults = Faults { losses: true, forgetting: true };

#[test]
fn one_holder_at_a_time_and_everybody_is_served_whatever_the_order_of_answers() {
    run::<Queue>(3_000, CALM);
}

#[test]
fn one_holder_at_a_time_and_no_ghost_through_refusals_and_lost_sessions() {
    run::<Queue>(5_000, LOSSES);
}

#[test]
fn one_holder_at_a_time_and_no_ghost_in_a_store_that_forgets() {
    run::<Queue>(6_000, FORGETTING);
}

#[test]
fn a_writer_alone_and_everybody_is_served_whatever_the_order_of_answers() {
    run::<Shared<0>>(3_000, CALM);
}

#[test]
fn a_writer_alone_and_no_ghost_through_refusals_and_lost_sessions() {
    run::<Shared<0>>(5_000, LOSSES);
}

#[test]
fn a_writer_alone_and_no_ghost_in_a_store_that_forgets() {
    run::<Shared<0>>(6_000, FORGETTING);
}

#[test]
fn names_that_are_used_again_change_nothing() {
    run::<Shared<0, true>>(2_000, CALM);
    run::<Shared<1, true>>(2_000, LOSSES);
    run::<Shared<3, true>>(2_000, LOSSES);
}

#[test]
fn no_more_permits_than_there_are_and_everybody_is_served_whatever_the_order_of_answers() {
    run::<Shared<1>>(500, CALM);
    run::<Shared<2>>(1_000, CALM);
    run::<Shared<3>>(2_000, CALM);
}

#[test]
fn no_more_permits_than_there_are_and_no_ghost_through_refusals_and_lost_sessions() {
    run::<Shared<2>>(2_000, LOSSES);
    run::<Shared<3>>(3_000, LOSSES);
    run::<Shared<9>>(1_000, LOSSES);
}

#[test]
fn no_more_permits_than_there_are_and_no_ghost_in_a_store_that_forgets() {
    run::<Shared<2>>(2_000, FORGETTING);
    run::<Shared<3>>(3_000, FORGETTING);
    run::<Shared<9>>(1_000, FORGETTING);
}
