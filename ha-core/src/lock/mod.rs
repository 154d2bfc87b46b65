//! Distributed locks: queues of session-owned entries.

mod driver;
mod mutex;
mod queue;
mod record;

pub use mutex::{Mutex, MutexGuard};
