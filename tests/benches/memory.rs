//! How fast the recipes are when the store costs nothing: on the in-memory backend.
//!
//! Each line `figure <name> <value> <unit> target <op> <target>` is one measurement of about a second, the best of three.

#![expect(clippy::print_stdout, reason = "figures are printed")]

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use ha_core::memory::MemoryBackend;
use ha_core::spi::Backend;
use ha_core::{Coordinator, Error};

const MEASURED: Duration = Duration::from_secs(1);
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Error> {
    figure("mutex_uncontended_pairs", 200_000.0, || uncontended(1))?;
    figure("mutex_uncontended_pairs_10000_names", 100_000.0, || uncontended(10_000))?;
    figure("mutex_hand_overs_2_tasks", 100_000.0, || hand_overs_in_one_node(2))?;
    figure("mutex_hand_overs_64_tasks", 50_000.0, || hand_overs_in_one_node(64))?;
    figure("mutex_hand_overs_2_nodes", 5_000.0, || hand_overs_among_nodes(2))?;
    figure("mutex_hand_overs_64_nodes", 5_000.0, || hand_overs_among_nodes(64))?;
    figure("election_terms", 5_000.0, terms)
}

/// Measures three times; the best one is the least disturbed.
fn figure(name: &str, target: f64, mut per_second: impl FnMut() -> Result<f64, Error>) -> Result<(), Error> {
    let mut best: f64 = 0.0;
    for _ in 0..ROUNDS {
        best = best.max(per_second()?);
    }
    println!("figure {name} {best:.0} per_second target >= {target:.0}");
    Ok(())
}

/// Times `step` for about a second; how many there were in one.
fn per_second(mut step: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    for _ in 0..1_000 {
        step()?;
    }
    let started = now();
    let mut steps = 0_u32;
    while started.elapsed() < MEASURED {
        for _ in 0..100 {
            step()?;
        }
        steps += 100;
    }
    Ok(f64::from(steps) / started.elapsed().as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn node(backend: &MemoryBackend, name: &str) -> Result<Coordinator, Error> {
    let backend: Arc<dyn Backend> = Arc::new(backend.clone());
    block_on(Coordinator::builder(backend).node(name).connect())
}

/// Acquires and releases mutexes that nobody else wants, on one thread.
fn uncontended(names: usize) -> Result<f64, Error> {
    let node = node(&MemoryBackend::new(), "node")?;
    let names = (0..names).map(|name| node.mutex(&format!("lock-{name}")));
    let mutexes: Vec<_> = names.collect::<Result<_, _>>()?;
    let mut turn = mutexes.iter().cycle();
    per_second(|| match turn.next() {
        Some(mutex) => block_on(async { mutex.acquire().await?.release().await }),
        None => Ok(()),
    })
}

/// Campaigns and resigns without a rival, on one thread.
fn terms() -> Result<f64, Error> {
    let node = node(&MemoryBackend::new(), "node")?;
    let election = node.election("timers")?;
    per_second(|| block_on(async { election.campaign().await?.resign().await }))
}

fn hand_overs_in_one_node(tasks: usize) -> Result<f64, Error> {
    let node = node(&MemoryBackend::new(), "node")?;
    hand_overs(&vec![node; tasks])
}

fn hand_overs_among_nodes(nodes: usize) -> Result<f64, Error> {
    let backend = MemoryBackend::new();
    let nodes = (0..nodes).map(|at| node(&backend, &format!("node-{at}")));
    hand_overs(&nodes.collect::<Result<Vec<_>, _>>()?)
}

/// One task for each of `nodes`, all of which want the same mutex all the time; counts how often it changes hands.
fn hand_overs(nodes: &[Coordinator]) -> Result<f64, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime
        .map_err(|error| Error::new(ha_core::ErrorKind::Unavailable, "start a runtime").with_source(error))?;
    let holder = Arc::new(AtomicUsize::new(usize::MAX));
    runtime.block_on(async {
        let started = now();
        let mut tasks = tokio::task::JoinSet::new();
        for (at, node) in nodes.iter().enumerate() {
            let (mutex, holder) = (node.mutex("deploy")?, Arc::clone(&holder));
            tasks.spawn(async move {
                let mut count = 0_u32;
                while started.elapsed() < MEASURED {
                    let guard = mutex.acquire().await?;
                    count += u32::from(holder.swap(at, Ordering::Relaxed) != at);
                    // Lets the others ask for it while it is held.
                    tokio::task::yield_now().await;
                    guard.release().await?;
                }
                Ok::<_, Error>(count)
            });
        }
        let counts = tasks.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(f64::from(counts.iter().sum::<u32>()) / started.elapsed().as_secs_f64())
    })
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        std::thread::park();
    }
}
