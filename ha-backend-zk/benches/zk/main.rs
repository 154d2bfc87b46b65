//! How fast the recipes are on ZooKeeper, beside the client library alone on the same server in the same run.
//!
//! Each line `figure <name> <value> <unit> target <op> <target>` is one figure. Ratios are of medians of rounds in turn, so that what else the
//! machine does meets both sides.

#![expect(clippy::print_stdout, reason = "figures are printed")]

mod failover;
mod hand_over;
mod items;
mod locks;
mod processes;
mod raw;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ha_backend_zk::{ZkBackend, ZkConfig};
use ha_conformance::Missing;
use ha_conformance::servers::zookeeper::ZooKeeper;
use ha_core::{Coordinator, Error, ErrorKind};

/// What any part of a benchmark can fail with.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    if let Some(ended) = processes::run_child() {
        return ended;
    }
    let zookeeper = match start() {
        Ok(zookeeper) => zookeeper,
        Err(missing) => {
            println!("no figures of ZooKeeper: {missing}");
            return ExitCode::SUCCESS;
        }
    };
    match measure(&zookeeper) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// One server, in memory. A session ends up to a tick late, and it is a quarter of the default here.
fn start() -> Result<ZooKeeper, Missing> {
    // Room for the items.
    ZooKeeper::builder().tick(Duration::from_millis(500)).java("-Xmx1g").start()
}

/// All figures, or those whose part of this program is named in the arguments.
fn measure(zookeeper: &ZooKeeper) -> Result<(), Failure> {
    let address = &zookeeper.member(0).client_address().to_string();
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    // The runtime of a service; the coordinator's own work runs on a thread of its own beside it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if is_wanted("uncontended") {
            locks::uncontended(address).await?;
        }
        if is_wanted("many") {
            locks::many_at_once(address).await?;
        }
        if is_wanted("hand_over") {
            Box::pin(hand_over::planned(address)).await?;
        }
        if is_wanted("contended") {
            processes::contended(address).await?;
        }
        if is_wanted("work_set") {
            items::claimed_and_completed(address).await?;
        }
        if is_wanted("failover") {
            failover::crash(address).await?;
        }
        Ok(())
    })
}

fn figure(name: &str, value: f64, unit: &str, target: &str) {
    println!("figure zk_{name} {value:.3} {unit} target {target}");
}

async fn node(address: &str, name: &str) -> Result<Coordinator, Error> {
    let backend = Arc::new(ZkBackend::new(ZkConfig::new([address])?));
    Coordinator::builder(backend).namespace("bench").node(name).connect().await
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// The one in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn failed(what: &'static str) -> Failure {
    Error::new(ErrorKind::Unavailable, what).into()
}
