//! Work-sets: eight workers claim a hundred items at a time and complete them.

use std::time::Duration;

use ha_core::Coordinator;
use ha_core::work_set::{Item, Settled};
use tokio::task::JoinSet;

use super::{Failure, Raw, Subject, failed, figure, leave, median, node, now};

const ROUNDS: usize = 3;
const WORKERS: usize = 8;
const BATCH: usize = 100;
const ITEMS: usize = 40_000;
/// How long is measured, unless all of them are done before.
const MEASURED: Duration = Duration::from_secs(2);
/// As long as the record of an item.
const VALUE: &[u8] = &[b'v'; 64];

/// Items a second, claimed and completed, beside two transactions of the client library for each hundred.
pub(super) async fn claimed_and_completed<S: Subject>(address: &str) -> Result<(), Failure> {
    let adder = node::<S>(address, "adder").await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        theirs.push(raw_round::<S::Raw>(address, &format!("raw-items-{round}")).await?);
        ours.push(our_round::<S>(address, &adder, &format!("items-{round}")).await?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("work-set, batches of 100, 8 workers: {ours:.0} items a second, client library {theirs:.0}");
    figure::<S>("work_set_claim_complete_batch_100_8_workers", ours, "per_second", S::TARGETS.work_set);
    leave(adder).await;
    Ok(())
}

async fn our_round<S: Subject>(address: &str, adder: &Coordinator, name: &str) -> Result<f64, Failure> {
    let work = adder.work_set::<u64>(name)?;
    for from in (0..ITEMS).step_by(1_000) {
        let batch = (from..from + 1_000).map(|at| Item::new(format!("item-{at:08}"), at as u64));
        drop(work.add_all(batch).await?);
    }
    let mut nodes = Vec::new();
    for at in 0..WORKERS {
        nodes.push(node::<S>(address, &format!("{name}-{at}")).await?);
    }
    let mut tasks = JoinSet::new();
    let started = now();
    for node in nodes.clone() {
        let name = name.to_owned();
        tasks.spawn(async move {
            let work = node.work_set::<u64>(&name)?;
            let mut completed = 0;
            while started.elapsed() < MEASURED {
                let claims = work.claim(BATCH).await?;
                if claims.is_empty() {
                    break;
                }
                for settled in work.complete_all(claims.iter().map(|claim| (claim, *claim.item()))).await {
                    completed += u32::from(matches!(settled?, Settled::Applied));
                }
            }
            Ok::<_, Failure>(completed)
        });
    }
    let completed = tasks.join_all().await.into_iter().sum::<Result<u32, _>>()?;
    let per_second = f64::from(completed) / started.elapsed().as_secs_f64();
    if work.stats().await?.done != u64::from(completed) {
        return Err(failed("complete each item once"));
    }
    for node in nodes {
        leave(node).await;
    }
    Ok(per_second)
}

/// The same without coordination: each worker has items of its own.
async fn raw_round<R: Raw>(address: &str, set: &str) -> Result<f64, Failure> {
    let mut workers = Vec::new();
    for at in 0..WORKERS {
        let raw = R::connect(address).await?;
        raw.prepare(set).await?;
        let names: Vec<String> =
            (0..ITEMS / WORKERS).map(|item| format!("{set}/item-{at}-{item:08}")).collect();
        for batch in names.chunks(BATCH) {
            raw.add(batch, VALUE).await?;
        }
        workers.push((raw, names));
    }
    let mut tasks = JoinSet::new();
    let started = now();
    for (raw, names) in workers {
        tasks.spawn(async move {
            let mut completed = 0;
            for batch in names.chunks(BATCH) {
                if started.elapsed() >= MEASURED {
                    break;
                }
                raw.claim_and_complete(batch, VALUE).await?;
                completed += batch.len();
            }
            Ok::<_, Failure>(completed)
        });
    }
    let completed = tasks.join_all().await.into_iter().sum::<Result<usize, _>>()?;
    Ok(completed as f64 / started.elapsed().as_secs_f64())
}
