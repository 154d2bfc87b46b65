//! How fast the recipes are on a file, between processes of this machine.
//!
//! Each line `figure <name> <value> <unit> target <op> <target>` is one figure.

#![expect(clippy::print_stdout, reason = "figures are printed")]

mod failover;
mod idle;
mod locks;
mod parts;
mod watch;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ha_backend_local::{LocalBackend, LocalConfig};
use ha_conformance::servers::Folder;
use ha_core::{Coordinator, Error, ErrorKind};
use rustix::time::{ClockId, clock_gettime};

/// What any part of a benchmark can fail with.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    if let Some(ended) = parts::run_child() {
        return ended;
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Failure> {
    let folder = Folder::new("bench-local");
    let path = folder.path().join("ha.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        locks::uncontended(&path).await?;
        watch::latency(&path).await?;
        failover::killed(&path).await?;
        idle::of_the_processor(&path).await
    })
}

fn figure(name: &str, value: f64, unit: &str, target: &str) {
    println!("figure local_{name} {value:.3} {unit} target {target}");
}

/// A node whose session nobody waits for.
async fn node(path: &Path, name: &str) -> Result<Coordinator, Error> {
    node_with(path, name, Duration::from_secs(600)).await
}

async fn node_with(path: &Path, name: &str, ttl: Duration) -> Result<Coordinator, Error> {
    let backend = Arc::new(LocalBackend::new(LocalConfig::new(path)));
    Coordinator::builder(backend).namespace("bench").node(name).ttl(ttl).connect().await
}

/// Nanoseconds on a clock that all processes of the machine share.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

fn millis(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64() * 1e3
}

/// The one in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn failed(what: &'static str) -> Failure {
    Error::new(ErrorKind::Unavailable, what).into()
}
