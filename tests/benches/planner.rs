//! How long it takes to plan who runs which partition, and to move one.
//!
//! Each line `figure <name> <value> <unit> target <op> <target>` is the best of five.

#![expect(clippy::print_stdout, reason = "figures are printed")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ha_core::group::Status;
use ha_core::memory::MemoryBackend;
use ha_core::partition::planner::{Plan, Planner, Problem, Rendezvous, Seat, Sticky};
use ha_core::{Coordinator, Error, ErrorKind};

const ROUNDS: usize = 5;

fn main() -> ExitCode {
    one_joins("plan_100k_1k_one_joins", &Sticky::new(), 100_000, 1_000, 5.0);
    one_joins("plan_1m_5k_one_joins", &Sticky::new(), 1_000_000, 5_000, 100.0);
    let zoned = Sticky::new().standbys(1);
    one_joins("plan_100k_1k_one_standby_one_joins", &zoned, 100_000, 1_000, 25.0);
    one_joins("plan_100k_1k_rendezvous_one_joins", &Rendezvous::new(), 100_000, 1_000, 1_500.0);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.map(|runtime| runtime.block_on(planned_moves())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        failed => {
            println!("{failed:?}");
            ExitCode::FAILURE
        }
    }
}

/// Drains one of two members after the other; prints for how long the partition had no owner after the one before let go.
async fn planned_moves() -> Result<(), Error> {
    let store = Arc::new(MemoryBackend::new());
    let mut members = Vec::new();
    for node in ["a", "b"] {
        let coordinator = Coordinator::builder(store.clone()).node(node).connect().await?;
        let partitions = coordinator.partitions("p", 1)?;
        members.push((partitions.join().await?, partitions, coordinator));
    }
    let gone = || Error::new(ErrorKind::Closed, "own a partition");
    let mut owned = members[0].0.next().await.ok_or_else(gone)?;
    let mut gaps = Vec::new();
    for round in 0..200 {
        let (from, to) = (["a", "b"][round % 2], ["a", "b"][1 - round % 2]);
        members[0].1.group().set_status(to, Status::Active).await?;
        members[0].1.group().set_status(from, Status::Drained).await?;
        owned.revoked().await;
        let began = now();
        drop(owned);
        owned = members[1 - round % 2].0.next().await.ok_or_else(gone)?;
        gaps.push(began.elapsed());
    }
    gaps.sort_unstable();
    let millis = |gap: Duration| gap.as_secs_f64() * 1_000.0;
    println!("figure partition_gap_median {:.3} ms target <= 5", millis(gaps[gaps.len() / 2]));
    println!("figure partition_gap_p99 {:.3} ms target <= 5", millis(gaps[gaps.len() * 99 / 100]));
    Ok(())
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
