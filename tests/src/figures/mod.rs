//! How fast the recipes are on a backend, beside its client library alone on the same server in the same run.
//!
//! A benchmark of a backend says how it is reached and what the client library does ([`Subject`], [`Raw`]), and makes [`main`] its own. Each line
//! `figure <name> <value> <unit> target <op> <target>` is one figure. Ratios are of medians of rounds in turn, so that what else the machine does meets both sides.
//!
//! | part | what it measures |
//! |---|---|
//! | `uncontended` | a mutex that nobody else wants |
//! | `many` | 64 mutexes at once, on one session |
//! | `hand_over` | a leader resigns and the next one leads |
//! | `contended` | 16 processes want the same mutex |
//! | `work_set` | eight workers claim a hundred items at a time and complete them |
//! | `failover` | the process of a leader is killed and the next one leads |

#![expect(clippy::print_stdout, reason = "figures are printed")]

mod failover;
mod hand_over;
mod items;
mod locks;
mod processes;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ha_core::spi::Backend;
use ha_core::{Coordinator, Error, ErrorKind};

use crate::harness::Missing;

/// What any part of a benchmark can fail with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is measured.
pub trait Subject: 'static {
    /// What the names of its figures begin with.
    const NAME: &'static str;
    /// What is to be reached.
    const TARGETS: Targets;
    /// The client library beside it.
    type Raw: Raw;

    /// The backend, on a server at this address.
    ///
    /// # Errors
    /// If the address is none.
    fn backend(address: &str) -> Result<Arc<dyn Backend>, Error>;
}

/// What is to be reached: an operator and a number each. A figure without one is printed for people.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Targets {
    /// A mutex that nobody else wants: the time in relation to the client library.
    pub uncontended: Option<&'static str>,
    /// 64 mutexes at once: the rate in relation to the client library.
    pub many: Option<&'static str>,
    /// A planned hand-over of leadership, in round trips.
    pub hand_over: Option<&'static str>,
    /// Hand-overs of a mutex a second, among 16 processes.
    pub contended: Option<&'static str>,
    /// Items a second, claimed and completed.
    pub work_set: Option<&'static str>,
    /// How long after the ttl the next one leads, in seconds.
    pub failover: Option<&'static str>,
}

impl Targets {
    /// None.
    pub const NONE: Self = Self {
        uncontended: None,
        many: None,
        hand_over: None,
        contended: None,
        work_set: None,
        failover: None,
    };
}

/// The client library alone, doing what a recipe at least has to do.
pub trait Raw: Sized + Send + Sync + 'static {
    /// What hears that it is somebody else's turn.
    type Turn: Send;

    /// A client as a process would have it that uses no library above it.
    fn connect(address: &str) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Makes what a queue needs before it is used.
    fn prepare(&self, queue: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Takes a place in a queue that nobody else is in, sees that it is the first, and leaves.
    fn pair(&self, queue: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Waits for its turn in a queue, and leaves.
    fn contended_pair(&self, queue: &str) -> impl Future<Output = Result<(), Failure>> + Send;

    /// One guarded write.
    fn round_trip(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Begins to wait for its turn.
    fn await_turn(&self) -> impl Future<Output = Result<Self::Turn, Failure>> + Send;

    /// What a hand-over at least has to do, one after the other: a deletion, its event at the other client, and a creation by that one.
    fn hand_over(&self, next: &Self, turn: Self::Turn) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Creates items in one step.
    fn add(&self, names: &[String], value: &[u8]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Claims items that nobody has claimed, in one step, and completes them in another one.
    fn claim_and_complete(
        &self,
        names: &[String],
        value: &[u8],
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Measures all parts, or those that are named in the arguments, on the server that `start` starts and whose address it says. Without a server there are no figures.
pub fn main<S: Subject, T>(start: impl FnOnce() -> Result<(T, String), Missing>) -> ExitCode {
    if let Some(ended) = processes::run_child::<S>() {
        return ended;
    }
    let (_server, address) = match start() {
        Ok(started) => started,
        Err(missing) => {
            println!("no figures of {}: {missing}", S::NAME);
            return ExitCode::SUCCESS;
        }
    };
    match measure::<S>(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure<S: Subject>(address: &str) -> Result<(), Failure> {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    // The runtime of a service; the coordinator's own work runs on a thread of its own beside it.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if is_wanted("uncontended") {
            locks::uncontended::<S>(address).await?;
        }
        if is_wanted("many") {
            locks::many_at_once::<S>(address).await?;
        }
        if is_wanted("hand_over") {
            Box::pin(hand_over::planned::<S>(address)).await?;
        }
        if is_wanted("contended") {
            processes::contended::<S>(address).await?;
        }
        if is_wanted("work_set") {
            items::claimed_and_completed::<S>(address).await?;
        }
        if is_wanted("failover") {
            failover::crash::<S>(address).await?;
        }
        Ok(())
    })
}

fn figure<S: Subject>(name: &str, value: f64, unit: &str, target: Option<&str>) {
    match target {
        Some(target) => println!("figure {}_{name} {value:.3} {unit} target {target}", S::NAME),
        None => println!("{}_{name}: {value:.3} {unit}", S::NAME),
    }
}

async fn node<S: Subject>(address: &str, name: &str) -> Result<Coordinator, Error> {
    Coordinator::builder(S::backend(address)?).namespace("bench").node(name).connect().await
}

async fn leave(node: Coordinator) {
    // What has been measured has been: a session that is not closed ends by itself.
    drop(node.shutdown(Duration::from_secs(5)).await);
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

/// Something that had to work and did not.
#[must_use]
pub fn failed(what: &'static str) -> Failure {
    Error::new(ErrorKind::Unavailable, what).into()
}
