//! Locks that nobody else wants: one at a time, and 64 at once on one session.

use std::sync::Arc;
use std::time::Duration;

use ha_core::lock::Mutex;
use tokio::task::JoinSet;

use super::{Failure, Raw, Subject, figure, leave, median, node, now};

const ROUNDS: usize = 31;
const ROUNDS_OF_MANY: usize = 7;
const PAIRS: usize = 100;
const LOCKS: usize = 64;
const MEASURED: Duration = Duration::from_millis(700);

/// Acquire and release against the same of the client library.
pub(super) async fn uncontended<S: Subject>(address: &str) -> Result<(), Failure> {
    let queue = "raw-uncontended";
    let (raw, node) = (S::Raw::connect(address).await?, node::<S>(address, "uncontended").await?);
    raw.prepare(queue).await?;
    let mutex = node.mutex("uncontended")?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // Some servers run the faster the longer they do the same: the first rounds count for neither side.
    for round in 0..2 * ROUNDS {
        let started = now();
        for _ in 0..PAIRS {
            raw.pair(queue).await?;
        }
        let their_time = started.elapsed().as_secs_f64();
        let started = now();
        for _ in 0..PAIRS {
            mutex.acquire().await?.release().await?;
        }
        if round >= ROUNDS {
            theirs.push(their_time);
            ours.push(started.elapsed().as_secs_f64());
        }
    }
    let micros = |seconds: f64| seconds * 1e6 / PAIRS as f64;
    let (ours, theirs) = (median(ours), median(theirs));
    println!("mutex, uncontended: {:.0} us a pair, client library {:.0} us", micros(ours), micros(theirs));
    figure::<S>("mutex_uncontended_to_raw", ours / theirs, "ratio", S::TARGETS.uncontended);
    leave(node).await;
    Ok(())
}

/// 64 locks, each taken and released again and again, against the same from the client library on one connection.
pub(super) async fn many_at_once<S: Subject>(address: &str) -> Result<(), Failure> {
    let (raw, node) = (Arc::new(S::Raw::connect(address).await?), node::<S>(address, "many").await?);
    for lock in 0..LOCKS {
        raw.prepare(&queue(lock)).await?;
    }
    let mutexes: Vec<Mutex> =
        (0..LOCKS).map(|lock| node.mutex(&format!("many-{lock}"))).collect::<Result<_, _>>()?;
    let mutexes: Vec<Arc<Mutex>> = mutexes.into_iter().map(Arc::new).collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS_OF_MANY {
        let raw = Arc::clone(&raw);
        let their_pair = move |lock| {
            let raw = Arc::clone(&raw);
            async move { raw.pair(&queue(lock)).await }
        };
        theirs.push(pairs_per_second(their_pair).await?);
        let mutexes = mutexes.clone();
        let our_pair = move |lock: usize| {
            let mutex = Arc::clone(&mutexes[lock]);
            async move { Ok(mutex.acquire().await?.release().await?) }
        };
        ours.push(pairs_per_second(our_pair).await?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("64 locks at once: {ours:.0} pairs a second, client library {theirs:.0}");
    figure::<S>("mutex_64_at_once_to_raw", ours / theirs, "ratio", S::TARGETS.many);
    leave(node).await;
    Ok(())
}

fn queue(lock: usize) -> String {
    format!("raw-many-{lock}")
}

async fn pairs_per_second<F>(pair: impl Fn(usize) -> F + Clone + Send + 'static) -> Result<f64, Failure>
where
    F: Future<Output = Result<(), Failure>> + Send,
{
    let started = now();
    let mut tasks = JoinSet::new();
    for lock in 0..LOCKS {
        let pair = pair.clone();
        tasks.spawn(async move {
            let mut count = 0_u32;
            while started.elapsed() < MEASURED {
                pair(lock).await?;
                count += 1;
            }
            Ok::<_, Failure>(count)
        });
    }
    let counts = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(f64::from(counts.iter().sum::<u32>()) / started.elapsed().as_secs_f64())
}
