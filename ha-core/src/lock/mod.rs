//! Distributed locks: queues of session-owned entries.

mod driver;
mod handle;
mod held;
mod inbox;
mod lock_all;
mod mutex;
mod queue;
mod record;
mod rw_lock;
mod semaphore;

pub use lock_all::{LockAll, LockAllGuard};
pub use mutex::{Mutex, MutexGuard};
pub use rw_lock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{Semaphore, SemaphoreGuard};
