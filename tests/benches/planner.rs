//! How long it takes to plan who runs which partition.
//!
//! Each line `figure <name> <value> <unit> target <op> <target>` is the best of five.

#![expect(clippy::print_stdout, reason = "figures are printed")]

use std::time::Instant;

use ha_core::partition::planner::{Plan, Planner, Problem, Rendezvous, Seat, Sticky};

const ROUNDS: usize = 5;

fn main() {
    one_joins("plan_100k_1k_one_joins", &Sticky::new(), 100_000, 1_000, 5.0);
    one_joins("plan_1m_5k_one_joins", &Sticky::new(), 1_000_000, 5_000, 100.0);
    let zoned = Sticky::new().standbys(1);
    one_joins("plan_100k_1k_one_standby_one_joins", &zoned, 100_000, 1_000, 25.0);
    one_joins("plan_100k_1k_rendezvous_one_joins", &Rendezvous::new(), 100_000, 1_000, 1_500.0);
}

/// Plans after one member joined a settled group; prints how long that took, how much moved, and how full the fullest member is against the mean.
fn one_joins(name: &str, planner: &impl Planner, partitions: usize, members: usize, target: f64) {
    let before = Problem::new(seats(members), vec![None; partitions]);
    let settled = planner.plan(&before);
    let problem = Problem::new(seats(members + 1), settled.owners().to_vec());
    let mut best = f64::INFINITY;
    let mut plan = Plan::default();
    for _ in 0..ROUNDS {
        let began = now();
        plan = planner.plan(&problem);
        best = best.min(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let counts = plan.counts(members + 1);
    let fullest = f64::from(counts.iter().copied().max().unwrap_or(0));
    let mean = real(partitions) / real(members + 1);
    println!("figure {name} {best:.2} ms target <= {target:.0}");
    println!("  moved {} of {partitions}, fullest / mean {:.3}", plan.moves(&problem), fullest / mean);
}

fn seats(count: usize) -> Vec<Seat> {
    (0..count).map(|seat| Seat::new(format!("node-{seat:05}")).zone(format!("zone-{}", seat % 3))).collect()
}

#[expect(clippy::cast_precision_loss, reason = "at most a million")]
fn real(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock of the machine")]
fn now() -> Instant {
    Instant::now()
}
