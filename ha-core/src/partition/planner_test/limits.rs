//! Requirements, standbys, hand-made maps, and planners that are wrong.

use super::{Planner, Problem, Random, Seat, after, fresh, seats, settle};
use crate::partition::planner::{HashRanges, Plan, Requirement, StaticMap, Sticky};

fn zoned(count: usize, zones: usize) -> Vec<Seat> {
    seats(count).into_iter().enumerate().map(|(at, seat)| seat.zone(format!("z{}", at % zones))).collect()
}

#[test]
fn requirements_are_kept_and_the_rest_fills_up_the_others() {
    let members: Vec<Seat> = seats(4)
        .into_iter()
        .enumerate()
        .map(|(at, seat)| if at < 2 { seat.label("runner", "yes") } else { seat.role("plain") })
        .collect();
    let planner = Sticky::new().require(0..20, Requirement::label("runner", "yes"));
    let plan = settle(&planner, &fresh(members.clone(), 60));
    assert!(plan.owners()[..20].iter().all(|owner| owner.unwrap() < 2));
    assert_eq!(plan.counts(4), [15; 4]);
    // More than a fair share: whoever may run them does.
    let planner = planner.require(0..50, Requirement::label("runner", "yes"));
    assert_eq!(settle(&planner, &fresh(members, 60)).counts(4), [25, 25, 5, 5]);
}

#[test]
fn a_label_that_nobody_has_leaves_its_partitions_unplaced_and_no_others() {
    let planner = Sticky::new().require(3..5, Requirement::Zone("moon".into()));
    let plan = settle(&planner, &fresh(seats(3), 10));
    let unplaced: Vec<u32> = plan.unplaced().iter().map(|unplaced| unplaced.partition).collect();
    assert_eq!(unplaced, [3, 4]);
    assert!(plan.unplaced().iter().all(|unplaced| !unplaced.reason.is_empty()));
    assert_eq!(plan.counts(3).iter().sum::<u32>(), 8);
}

#[test]
fn several_requirements_of_a_partition_are_met_together() {
    let members = vec![
        Seat::new("a").zone("x").role("disk"),
        Seat::new("b").zone("x"),
        Seat::new("c").zone("y").role("disk"),
    ];
    let planner = Sticky::new()
        .require(0..4, Requirement::Zone("x".into()))
        .require(0..2, Requirement::Role("disk".into()))
        .require(4..5, Requirement::Node("c".into()));
    let plan = settle(&planner, &fresh(members, 6));
    assert_eq!(plan.owners()[..5], [Some(0), Some(0), Some(1), Some(1), Some(2)]);
}

#[test]
fn standbys_are_in_zones_of_their_own_and_take_over_first() {
    let planner = Sticky::new().standbys(2);
    let problem = fresh(zoned(9, 3), 90);
    let plan = settle(&planner, &problem);
    let zone = |seat: u32| seat % 3;
    for partition in 0..90 {
        let owner = plan.owners()[partition].unwrap();
        let [first, second] = plan.standbys_of(partition) else { panic!("two standbys") };
        assert!(zone(owner) != zone(*first) && zone(owner) != zone(*second) && zone(*first) != zone(*second));
    }
    let mut left = zoned(9, 3);
    left.remove(0);
    let without = after(&problem, &plan, left);
    let next = planner.plan(&without);
    let orphans = (0..90).filter(|partition| plan.owners()[*partition] == Some(0));
    let by_standby = orphans
        .filter(|partition| without.standbys_of(*partition).contains(&next.owners()[*partition].unwrap()));
    assert!(by_standby.count() >= 5, "most of what was lost goes to a standby");
}

#[test]
fn too_few_zones_are_reported_and_everything_has_an_owner() {
    let plan = Sticky::new().standbys(2).plan(&fresh(zoned(4, 2), 8));
    assert_eq!(plan.unplaced().len(), 8);
    assert_eq!(plan.counts(4), [2; 4]);
    assert!((0..8).all(|partition| plan.standbys_of(partition).len() == 1));
}

#[test]
fn hand_made_maps_leave_what_is_missing_without_an_owner() {
    let map = StaticMap::new().put(0, "n0000").put(1, "n0001").put(2, "gone");
    let plan = settle(&map, &fresh(seats(2), 4));
    assert_eq!(plan.owners(), [Some(0), Some(1), None, None]);
    assert_eq!(plan.unplaced().len(), 2);
    let ranges = HashRanges::new(["n0000", "n0001", "gone"]);
    let plan = settle(&ranges, &fresh(seats(2), 9));
    assert_eq!(plan.counts(2), [3, 3]);
    assert_eq!(plan.owners()[5], Some(1));
    assert_eq!(plan.unplaced().len(), 3);
    assert_eq!(HashRanges::new([""; 0]).plan(&fresh(seats(2), 2)).unplaced().len(), 2);
}

#[test]
fn nobody_or_nothing_is_no_problem() {
    for planner in [Sticky::new(), Sticky::new().standbys(1).require(0..1, Requirement::Role("x".into()))] {
        assert_eq!(planner.plan(&fresh(seats(0), 5)).unplaced().len(), 5);
        assert_eq!(planner.plan(&fresh(seats(5), 0)), Plan::default());
    }
}

#[test]
fn a_planner_that_is_wrong_is_corrected() {
    let wrong = |_: &Problem| Plan::new(vec![Some(7), Some(1), None, Some(0), Some(0)]);
    let plan = wrong.plan(&fresh(seats(2), 4)).checked(4, 2);
    assert_eq!(plan.owners(), [None, Some(1), None, Some(0)]);
    assert_eq!(plan.unplaced().len(), 2);
    assert_eq!(Plan::default().checked(3, 2).unplaced().len(), 3);
    assert_eq!(Problem::new(seats(1), vec![Some(1), Some(0)]).owners(), [None, Some(0)]);
}

#[test]
fn random_problems_with_requirements_are_settled_at_once() {
    let mut random = Random(5);
    for _ in 0..200 {
        let mut planner = Sticky::new().standbys(random.size(3));
        for _ in 0..random.size(4) {
            let from = u32::try_from(random.below(80)).unwrap();
            planner = planner.require(from..from + 30, Requirement::Zone(format!("z{}", random.below(4))));
        }
        let mut problem = fresh(zoned(1 + random.size(9), 3), 100);
        for count in [random.size(9), 1 + random.size(9), 9] {
            let plan = settle(&planner, &problem);
            let placed: u32 = plan.counts(problem.seats().len()).iter().sum();
            let lacking = plan.owners().iter().filter(|owner| owner.is_none()).count();
            assert_eq!(placed as usize + lacking, 100);
            problem = after(&problem, &plan, zoned(count, 3));
        }
    }
}
