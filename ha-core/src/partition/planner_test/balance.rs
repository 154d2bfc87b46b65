//! Even shares, and no needless move.

use super::{Plan, Planner, Problem, Random, Seat, after, fresh, seats, settle};
use crate::partition::planner::{ByLoad, Loads, Rendezvous, Sticky};

fn spread(plan: &Plan, seats: usize) -> (u32, u32) {
    let counts = plan.counts(seats);
    (counts.iter().copied().min().unwrap(), counts.iter().copied().max().unwrap())
}

/// The fewest moves with which every seat can have the whole part of an equal share, or one more.
fn lower_bound(problem: &Problem) -> usize {
    let (seats, partitions) = (problem.seats().len(), problem.partitions());
    let (floor, mut ceilings) = (partitions / seats, partitions % seats);
    let mut counts = vec![0_usize; seats];
    problem.owners().iter().flatten().for_each(|owner| counts[*owner as usize] += 1);
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let excess = |count: usize| {
        let room = floor + usize::from(ceilings > 0);
        ceilings = ceilings.saturating_sub(1);
        count.saturating_sub(room)
    };
    counts.into_iter().map(excess).sum()
}

#[test]
fn shares_differ_by_at_most_one_and_moves_are_as_few_as_they_can_be() {
    let mut random = Random(1);
    for _ in 0..300 {
        let partitions = random.size(300);
        let mut problem = fresh(seats(1 + random.size(12)), partitions);
        let mut plan = settle(&Sticky::new(), &problem);
        for _ in 0..4 {
            let left: Vec<Seat> = seats(14).into_iter().filter(|_| random.below(3) > 0).collect();
            if left.is_empty() {
                continue;
            }
            problem = after(&problem, &plan, left);
            plan = settle(&Sticky::new(), &problem);
            let (least, most) = spread(&plan, problem.seats().len());
            assert!(most - least <= 1, "{least} to {most}");
            assert!(plan.unplaced().is_empty());
            assert_eq!(plan.moves(&problem), lower_bound(&problem), "{problem:?}");
        }
    }
}

#[test]
fn one_that_joins_takes_its_share_and_nothing_else_moves() {
    let problem = fresh(seats(1_000), 100_000);
    let plan = Sticky::new().plan(&problem);
    assert_eq!(spread(&plan, 1_000), (100, 100));
    let joined = after(&problem, &plan, seats(1_001));
    let plan = Sticky::new().plan(&joined);
    assert_eq!((plan.moves(&joined), plan.counts(1_001)[1_000]), (99, 99));
    assert_eq!(spread(&plan, 1_001), (99, 100));
}

#[test]
fn a_hundred_leaves_and_joins_keep_the_balance_with_the_fewest_moves() {
    let mut random = Random(2);
    let mut problem = fresh(seats(50), 5_000);
    let mut plan = Sticky::new().plan(&problem);
    for _ in 0..100 {
        let gone = random.size(50);
        let mut left = seats(50);
        left.remove(gone);
        for now in [left, seats(50)] {
            problem = after(&problem, &plan, now);
            plan = Sticky::new().plan(&problem);
            assert_eq!(plan.moves(&problem), lower_bound(&problem));
        }
        assert_eq!(spread(&plan, 50), (100, 100));
    }
}

#[test]
fn weights_share_in_proportion_and_weight_zero_gets_nothing() {
    let weighted = |weights: &[u32]| {
        let pairs = seats(weights.len()).into_iter().zip(weights);
        pairs.map(|(seat, weight)| seat.weight(*weight)).collect::<Vec<_>>()
    };
    let plan = settle(&Sticky::new(), &fresh(weighted(&[1, 2, 3, 0]), 60));
    assert_eq!(plan.counts(4), [10, 20, 30, 0]);
    let huge = settle(&Sticky::new(), &fresh(weighted(&[u32::MAX, 1]), 100));
    assert_eq!(huge.counts(2), [100, 0]);
    let nobody = settle(&Sticky::new(), &fresh(weighted(&[0, 0]), 3));
    assert_eq!((nobody.counts(2), nobody.unplaced().len()), (vec![0, 0], 3));
}

#[test]
fn with_weights_moves_stay_within_a_tenth_of_the_fewest() {
    let mut random = Random(3);
    for _ in 0..100 {
        let weigh = |random: &mut Random| u32::try_from(1 + random.below(5)).unwrap();
        let members: Vec<Seat> = seats(20).into_iter().map(|seat| seat.weight(weigh(&mut random))).collect();
        let problem = fresh(members.clone(), 2_000);
        let plan = settle(&Sticky::new(), &problem);
        let mut fewer = members;
        fewer.remove(random.size(20));
        let without = after(&problem, &plan, fewer.clone());
        let plan = settle(&Sticky::new(), &without);
        let weights: u32 = fewer.iter().map(|seat| seat.weight).sum();
        for (count, seat) in plan.counts(19).into_iter().zip(&fewer) {
            let share = 2_000.0 * f64::from(seat.weight) / f64::from(weights);
            assert!((f64::from(count) - share).abs() < 1.0 + 1e-6, "{count} of {share}");
        }
        // Whoever stays only gains: what moves is what had no owner.
        assert_eq!(plan.moves(&without), 0);
    }
}

#[test]
fn rendezvous_is_what_anybody_computes_and_moves_only_what_it_must() {
    let problem = fresh(seats(10), 1_000);
    let plan = settle(&Rendezvous::new(), &problem);
    assert!(plan.unplaced().is_empty());
    let (least, most) = spread(&plan, 10);
    assert!(least > 60 && most < 150, "{least} to {most}");
    let mut fewer = seats(10);
    fewer.remove(3);
    let without = after(&problem, &plan, fewer);
    let plan = Rendezvous::new().plan(&without);
    assert_eq!(plan.moves(&without), 0, "only what had no owner is given away");
    let twice = vec![Seat::new("a").weight(1), Seat::new("b").weight(3), Seat::new("c").weight(0)];
    let counts = Rendezvous::new().plan(&fresh(twice, 4_000)).counts(3);
    assert!((2_850..3_150).contains(&counts[1]) && counts[2] == 0, "{counts:?}");
}

#[test]
fn loads_are_balanced_within_the_band_and_only_their_excess_moves() {
    let loads = Loads::new();
    let problem = fresh(seats(4), 400);
    let even = settle(&ByLoad::new(&loads), &problem);
    assert_eq!(spread(&even, 4), (100, 100));
    for partition in 0..400_u32 {
        let is_hot = even.owners()[partition as usize] == Some(0);
        loads.set(partition, if is_hot { 1.05 } else { 1.0 }).unwrap();
    }
    let slight = after(&problem, &even, seats(4));
    assert_eq!(ByLoad::new(&loads).plan(&slight).moves(&slight), 0, "within the band nothing moves");
    for partition in 0..400_u32 {
        if even.owners()[partition as usize] == Some(0) {
            loads.set(partition, 2.0).unwrap();
        }
    }
    let plan = ByLoad::new(&loads).plan(&slight);
    // 75 above the mean of 125, of which four fifths are moved in pieces of 2.
    assert_eq!(plan.moves(&slight), 30);
    let next = after(&slight, &plan, seats(4));
    assert!(ByLoad::new(&loads).plan(&next).moves(&next) <= 6, "it does not swing back");
}

#[test]
fn what_is_no_load_is_refused() {
    let loads = Loads::new();
    for load in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(loads.set(0, load).is_err(), "{load}");
    }
    for band in [-0.1, 1.1, f64::NAN] {
        assert!(ByLoad::new(&loads).band(band).is_err(), "{band}");
    }
    assert!(loads.set(u32::MAX, 1.0).is_err(), "no group has so many partitions");
}

#[test]
fn loads_whose_sum_is_beyond_all_numbers_leave_nothing_without_an_owner() {
    let loads = Loads::new();
    (0..4).for_each(|partition| loads.set(partition, f64::MAX).unwrap());
    let plan = ByLoad::new(&loads).plan(&fresh(seats(2), 6));
    assert!(plan.unplaced().is_empty(), "{plan:?}");
}
