//! How fast the recipes are on etcd, beside the client library alone on the same server in the same run.
//!
//! Each line `figure <name> <value> <unit> target <op> <target>` is one figure. Ratios are of medians of rounds in turn, so that what else the
//! machine does meets both sides.
//!
//! # What they consist of
//!
//! Counted at the server and on the sockets of a process:
//!
//! * A mutex that nobody else wants: two transactions for a pair, as the client library sends. What lies between the two sides is a condition on the record of the session
//!   in each, and four ways between the thread of the caller and that for I/O.
//! * A planned hand-over of leadership: a transaction, its event at the next one, and a transaction of that one. The same from the client library alone is printed beside it: 2.4 round
//!   trips where it was measured, because an event has to wake another client. The rest is the way to the threads for I/O and back.
//! * A hand-over among processes: two transactions, two reads and one event. The deletion, its event and one of the reads come one after the other: whoever was ahead may have died in
//!   the middle of the queue, so the event alone makes nobody a holder. The other transaction and the other read are those of the place behind all others.

#![expect(clippy::print_stdout, reason = "figures are printed")]

mod failover;
mod hand_over;
mod locks;
mod processes;
mod raw;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ha_backend_etcd::{EtcdBackend, EtcdConfig};
use ha_conformance::Missing;
use ha_conformance::servers::etcd::Etcd;
use ha_core::{Coordinator, Error, ErrorKind};

/// What any part of a benchmark can fail with.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    if let Some(ended) = processes::run_child() {
        return ended;
    }
    let etcd = match start() {
        Ok(etcd) => etcd,
        Err(missing) => {
            println!("no figures of etcd: {missing}");
            return ExitCode::SUCCESS;
        }
    };
    match measure(&etcd) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// One member, in memory and with the timing of a default installation.
fn start() -> Result<Etcd, Missing> {
    Etcd::builder()
        .timing(Duration::from_millis(100), Duration::from_secs(1))
        .argument("--auto-compaction-mode=revision")
        .argument("--auto-compaction-retention=10000")
        .start()
}

/// All figures, or those whose part of this program is named in the arguments.
fn measure(etcd: &Etcd) -> Result<(), Failure> {
    let address = &etcd.member(0).client_address().to_string();
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
        if is_wanted("failover") {
            failover::crash(address).await?;
        }
        Ok(())
    })
}

fn figure(name: &str, value: f64, unit: &str, target: &str) {
    println!("figure etcd_{name} {value:.3} {unit} target {target}");
}

async fn node(address: &str, name: &str) -> Result<Coordinator, Error> {
    let backend = Arc::new(EtcdBackend::new(EtcdConfig::new([address])?));
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
