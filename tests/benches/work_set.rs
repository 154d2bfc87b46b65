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
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
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
    let (mut few, mut many) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        (few, many) = (few.min(claim_latency(1_000).await?), many.min(claim_latency(1_000_000).await?));
    }
    println!("figure work_set_claim_100_of_1000000 {:.1} us target <= {:.1}", many * 1e6, few * 1.2e6);
    // The same figure the other way round: neither number of items is to cost a fifth more.
    println!("figure work_set_claim_100_of_1000 {:.1} us target <= {:.1}", few * 1e6, many * 1.2e6);
    let rescued = rescue(10_000).await?;
    println!("figure work_set_10000_dead_claims {:.0} ms target <= 1000", rescued.as_secs_f64() * 1e3);
    for trackers in [3, 8] {
        let elapsed = trackers_at_once(trackers, 10_000).await?;
        println!(
            "figure work_set_10000_items_{trackers}_trackers_at_once {:.1} ms target <= 1000",
            elapsed.as_secs_f64() * 1e3
        );
    }
    println!("figure work_set_requests_of_8_idle_workers {:.1} per_second target <= 0", idle(WORKERS).await?);
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

/// The median time of a claim of a hundred items, of so many: what is claimed is completed, and as many others are added, so that there are always as many.
async fn claim_latency(items: usize) -> Result<f64, Error> {
    let backend = MemoryBackend::new();
    let (adder, worker) = (node(&backend, "adder").await?, node(&backend, "worker").await?);
    let (added, work) = (filled(&adder, items).await?, worker.work_set::<u64>("executions")?);
    let mut times = Vec::new();
    for round in 0..1_000 {
        let started = now();
        let claims = work.claim(BATCH).await?;
        times.push(started.elapsed());
        assert_eq!(claims.len(), BATCH);
        for settled in work.complete_all(claims.iter().map(|claim| (claim, *claim.item()))).await {
            drop(settled?);
        }
        let more = (0..BATCH).map(|at| Item::new(format!("more-{round:04}-{at:02}"), at as u64));
        drop(added.add_all(more).await?);
    }
    times.sort();
    Ok(times[times.len() / 2].as_secs_f64())
}

/// So many trackers begin at once on the same items, which others have added. How long it takes; each is completed once.
async fn trackers_at_once(trackers: usize, items: usize) -> Result<Duration, Error> {
    let backend = MemoryBackend::new();
    let adder = node(&backend, "adder").await?;
    drop(filled(&adder, items).await?);
    let start = Arc::new(tokio::sync::Barrier::new(trackers + 1));
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..trackers {
        let (node, start) = (node(&backend, &format!("tracker-{at}")).await?, Arc::clone(&start));
        tasks.spawn(async move {
            let work = node.work_set::<u64>("executions")?;
            let (mut executed, mut applied) = (Vec::new(), 0);
            start.wait().await;
            loop {
                let claims = work.claim(BATCH).await?;
                if claims.is_empty() {
                    return Ok::<_, Error>((executed, applied));
                }
                executed.extend(claims.iter().map(|claim| *claim.item()));
                for settled in work.complete_all(claims.iter().map(|claim| (claim, *claim.item()))).await {
                    applied += usize::from(settled?.is_applied());
                }
            }
        });
    }
    start.wait().await;
    let started = now();
    let done = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let elapsed = started.elapsed();
    let applied: usize = done.iter().map(|(_, applied)| applied).sum();
    let mut executed: Vec<u64> = done.into_iter().flat_map(|(executed, _)| executed).collect();
    executed.sort_unstable();
    let each: Vec<u64> = (0..items as u64).collect();
    assert!(executed == each && applied == items, "{} executed, {applied} completed", executed.len());
    Ok(elapsed)
}

/// Requests a second, renewals apart, of workers that wait while there is nothing.
async fn idle(workers: usize) -> Result<f64, Error> {
    let backend = MemoryBackend::new();
    let mut waiting = tokio::task::JoinSet::new();
    for at in 0..workers {
        let node = node(&backend, &format!("node-{at}")).await?;
        waiting.spawn(async move {
            node.work_set::<u64>("executions")?.next(BATCH).await.map(|claims| claims.len())
        });
    }
    let others = |backend: &MemoryBackend| {
        let stats = backend.stats();
        stats.requests() - stats.renewals
    };
    let mut last = u64::MAX;
    // They have looked once nothing has been asked for a while.
    while last != others(&backend) {
        last = others(&backend);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok((others(&backend) - last) as f64 / 3.0)
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
