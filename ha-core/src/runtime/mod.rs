//! The seam between the toolkit and time, tasks and randomness.
//!
//! Everything in this crate reads time, sleeps, spawns and draws random numbers through one [`Runtime`], so that a
//! simulator can own them. [`IoThread`] is the one that services use: a thread of its own, so that a starved user
//! runtime delays no renewal.

mod clock;
mod instant;
mod io_thread;
mod processes;
mod timer;
mod waiting;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use instant::Instant;
pub use io_thread::{IoThread, TokioRuntime};
pub(crate) use processes::is_same;
pub use processes::{LocalProcesses, Process, Processes};
pub use waiting::{Backoff, within};

/// A boxed future that can be moved between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Time, sleeping, spawning and randomness, for the core and for backends.
///
/// # Guarantees that an implementation gives
/// * [`now`](Self::now) never goes back and goes on while the machine is suspended.
/// * A sleep ends no earlier than its deadline and, on an idle machine, within a few milliseconds of it, also when the
///   deadline passed during a suspend.
/// * A spawned task runs until it ends, also when whoever spawned it is gone, unless the runtime itself is stopped.
pub trait Runtime: Send + Sync + fmt::Debug + 'static {
    /// The present instant.
    fn now(&self) -> Instant;

    /// The wall clock, as the time since 1970. It may jump and decides no ownership.
    fn wall_clock(&self) -> Duration;

    /// Waits until `deadline`. The future may be created and polled on any thread.
    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()>;

    /// Starts a task that nobody waits for. `name` appears in traces.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>);

    /// A random number; it need not be fit for cryptography.
    fn random(&self) -> u64;
}
