//! The backend of the high-availability toolkit for the processes of one machine: they share a SQLite file, and no server is needed.
//!
//! Services name it by URL, with the feature `local` of `ha-toolkit`:
//!
//! ```text
//! local:///var/lib/platform/ha.db
//! local:///var/lib/platform/ha.db?timeout=500ms&synchronous=full
//! ```
//!
//! or build it and give it to [`Coordinator::builder`](ha_core::Coordinator::builder):
//!
//! ```no_run
//! use std::sync::Arc;
//! use ha_backend_local::{LocalBackend, LocalConfig};
//!
//! # async fn connect() -> Result<(), ha_core::Error> {
//! let backend = LocalBackend::new(LocalConfig::new("/var/lib/platform/ha.db"));
//! let node = ha_core::Coordinator::builder(Arc::new(backend)).node("box-1").connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it keeps the contract
//!
//! * **A commit is a transaction of SQLite**, done by the one thread of the process that writes, together with what waits besides it. It is done or not when it is
//!   answered: nothing can arrive late.
//! * **Who writes passes a gate**, a lock that belongs to the process and that the kernel takes away when it dies. A process that is *stopped* inside keeps
//!   everybody from committing until it is continued or killed; the error names it. Nobody's session ends for that:
//! * **Proofs of life are outside of the database**, in a small file for each session, and need no lock.
//! * **A death is noticed at once**: the kernel tells (a pidfd), whatever the process has left behind. A stopped process loses its session after its ttl.
//! * **Changes are heard**, not polled for: whoever commits writes to a file that the others watch.
//! * **A boot ends all sessions** and raises the revision, so that no token is given twice although a loss of power forgets the last commits.
//!
//! # Not promised
//!
//! Nothing holds between machines: network file systems are refused where they can be told, which is not so behind FUSE. Whoever deletes the file *and* the folder
//! beside it while processes use it makes two stores of one, for at most a ttl. A file restored from a backup during one boot goes back to old revisions; see the README.

mod awake;
mod backend;
mod bell;
mod clock;
mod config;
mod connection;
mod error;
mod filesystem;
mod gate;
mod hub;
mod inbox;
mod keys;
mod life;
mod mark;
mod peers;
mod queue;
mod reader;
mod rows;
mod schema;
mod session;
mod site;
mod step;
mod sync;
mod watch;
mod writer;

pub use backend::LocalBackend;
pub use config::{Durability, LocalConfig};
