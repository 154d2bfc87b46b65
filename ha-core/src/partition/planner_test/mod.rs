//! What planners promise, on hand-made and on random problems.

mod balance;
mod limits;

use super::{Plan, Planner, Problem, Seat};

/// So many seats, named so that they are in the order of their nodes.
fn seats(count: usize) -> Vec<Seat> {
    (0..count).map(|seat| Seat::new(format!("n{seat:04}"))).collect()
}

/// Nobody owns anything yet.
fn fresh(seats: Vec<Seat>, partitions: usize) -> Problem {
    Problem::new(seats, vec![None; partitions])
}

/// The same partitions with these seats, by node: whoever is gone owns nothing any more.
fn after(before: &Problem, plan: &Plan, seats: Vec<Seat>) -> Problem {
    let place = |seat: u32| {
        let node = before.seats()[seat as usize].node();
        seats.iter().position(|seat| seat.node() == node).and_then(|at| u32::try_from(at).ok())
    };
    let owners = plan.owners().iter().map(|owner| owner.and_then(place)).collect();
    let standbys = (0..plan.owners().len())
        .map(|partition| plan.standbys_of(partition).iter().filter_map(|seat| place(*seat)).collect())
        .collect();
    Problem::new(seats, owners).with_standbys(standbys)
}

/// Plans, and sees to it that planning again changes nothing.
fn settle(planner: &impl Planner, problem: &Problem) -> Plan {
    let plan = planner.plan(problem);
    let again = planner.plan(&after(problem, &plan, problem.seats().to_vec()));
    assert_eq!(again.owners(), plan.owners(), "a plan that is carried out is not changed");
    plan
}

/// A small generator, so that a failing test repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ value >> 31) % limit
    }

    fn size(&mut self, limit: u64) -> usize {
        usize::try_from(self.below(limit)).unwrap()
    }
}
