//! How fast work-sets are when the store costs nothing: on the in-memory backend.
//!
//! Each line `figure <name> <value> <unit> target <op> <target>` is one measurement, the best of three.

#![expect(clippy::print_stdout, reason = "figures are printed")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ha_core::memory::MemoryBackend;
use ha_core::work_set::{Item, WorkSet};
use ha_core::{Coordinator, Error};

const ROUNDS: usize = 3;
const BATCH: usize = 100;
const WORKERS: usize = 8;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    let measured = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(measure()).map_err(|error| error.to_string()));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<(), Error> {
    let mut best: f64 = 0.0;
    for _ in 0..ROUNDS {
        best = best.max(claim_and_complete(200_000).await?);
    }
    println!("figure work_set_claim_complete_batch_100_8_workers {best:.0} per_second target >= 300000");
    let (few, many) = (claim_latency(1_000).await?, claim_latency(1_000_000).await?);
    println!("figure work_set_claim_100_of_1000 {:.1} us target <= 0", few * 1e6);
    println!("figure work_set_claim_100_of_1000000 {:.1} us target <= {:.1}", many * 1e6, few * 1.2e6);
    let rescued = rescue(10_000).await?;
    println!("figure work_set_10000_dead_claims {:.0} ms target <= 1000", rescued.as_secs_f64() * 1e3);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

async fn node(backend: &MemoryBackend, name: &str) -> Result<Coordinator, Error> {
    Coordinator::builder(Arc::new(backend.clone())).node(name).connect().await
}

async fn filled(node: &Coordinator, items: usize) -> Result<WorkSet<u64>, Error> {
    let work = node.work_set::<u64>("executions")?;
    for from in (0..items).step_by(1_000) {
        let batch = (from..items.min(from + 1_000)).map(|at| Item::new(format!("item-{at:08}"), at as u64));
        drop(work.add_all(batch).await?);
    }
    Ok(work)
}

/// Eight workers, each a node of its own, claim and complete a hundred items at a time.
async fn claim_and_complete(items: usize) -> Result<f64, Error> {
    let backend = MemoryBackend::new();
    let adder = node(&backend, "adder").await?;
    let work = filled(&adder, items).await?;
    let mut tasks = tokio::task::JoinSet::new();
    let started = now();
    for at in 0..WORKERS {
        let node = node(&backend, &format!("node-{at}")).await?;
        tasks.spawn(async move {
            let work = node.work_set::<u64>("executions")?;
            loop {
                let claims = work.claim(BATCH).await?;
                if claims.is_empty() {
                    return Ok::<_, Error>(());
                }
                for settled in work.complete_all(claims.iter().map(|claim| (claim, *claim.item()))).await {
                    drop(settled?);
                }
            }
        });
    }
    tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let elapsed = started.elapsed();
    let stats = work.stats().await?;
    assert!(stats.is_drained() && stats.done == items as u64, "{stats:?}");
    Ok(items as f64 / elapsed.as_secs_f64())
}

/// The median time of a claim of a hundred items, of so many.
async fn claim_latency(items: usize) -> Result<f64, Error> {
    let backend = MemoryBackend::new();
    let adder = node(&backend, "adder").await?;
    let work = filled(&adder, items).await?;
    let mut times = Vec::new();
    for _ in 0..300 {
        let started = now();
        let claims = work.claim(BATCH).await?;
        times.push(started.elapsed());
        for claim in claims {
            drop(claim.release().await?);
        }
    }
    times.sort();
    Ok(times[times.len() / 2].as_secs_f64())
}

/// From the end of a session with so many claims until another worker has claimed them all.
async fn rescue(items: usize) -> Result<Duration, Error> {
    let backend = MemoryBackend::new();
    let (dying, heir) = (node(&backend, "dying").await?, node(&backend, "heir").await?);
    let work = filled(&dying, items).await?;
    let mut held = Vec::new();
    while held.len() < items {
        held.extend(work.claim(BATCH).await?);
    }
    let inherited = heir.work_set::<u64>("executions")?;
    drop(inherited.claim(1).await?);
    held.iter().for_each(|claim| drop(claim.grant()));
    let started = now();
    dying.shutdown(Duration::ZERO).await.ok();
    let mut claims = Vec::new();
    while claims.len() < items {
        claims.extend(inherited.next(BATCH).await?);
    }
    Ok(started.elapsed())
}
