//! The core of the high-availability toolkit: who is active, who holds what, and learning in time that one no longer does.
//!
//! Several nodes share a store. A [`Coordinator`] is one node's connection to it: it keeps one session, renews it on a thread of its own, opens
//! a new one after a loss, and hands out recipes. Whatever a recipe grants derefs to a [`Grant`]: a fencing token, and the news of its loss.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use ha_core::{Coordinator, memory::MemoryBackend};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ha_core::Error> {
//! let store = Arc::new(MemoryBackend::new());
//! let box_1 = Coordinator::builder(store.clone()).namespace("platform").node("box-1").connect().await?;
//! let box_2 = Coordinator::builder(store).namespace("platform").node("box-2").connect().await?;
//!
//! let held = box_1.mutex("deploy")?.acquire().await?;
//! assert!(box_2.mutex("deploy")?.try_acquire().await?.is_none());
//!
//! box_1.shutdown(Duration::ZERO).await.ok();      // does not wait for the guard
//! assert!(!held.is_valid());
//! let next = box_2.mutex("deploy")?.acquire_timeout(Duration::from_secs(5)).await?;
//! assert!(next.token() > held.token());
//! # Ok(())
//! # }
//! ```
//!
//! Services use the facade `ha-toolkit`, which chooses the backend by URL: `ha::builder().connect("memory:")`.
//!
//! # What is where
//!
//! | | |
//! |---|---|
//! | [`guide`] | what is guaranteed, what a ttl costs, what happens when something fails, how to write a backend |
//! | [`Coordinator`], [`CoordinatorBuilder`] | connecting, health, [events](Event), shutdown |
//! | [`Grant`], [`LossReason`], [`Standing`], [`Token`] | what a holder has |
//! | [`election`], [`group`], [`lock`], [`partition`], [`work_set`] | the recipes |
//! | [`store`] | a small store for the service itself, guarded by what it holds |
//! | [`FencingGate`] | refuses those who were replaced, for resources outside the store |
//! | [`probe`] | answers for `/health` and `/leader` |
//! | [`Error`], [`ErrorKind`], [`Effect`] | what went wrong, and whether it changed anything |
//! | [`memory`] | the store in the memory of one process |
//! | [`spi`], [`runtime`], [`StoreUrl`] | for those who write a backend |
//!
//! # Features
//!
//! `metrics`: counts and measures for a recorder of the `metrics` crate, listed in `ha_core::metrics`. `test-util`: faults and statistics of the in-memory backend, for tests.

mod coordinator;
pub mod election;
mod error;
mod gate;
pub mod group;
pub mod guide;
pub mod lock;
pub mod memory;
#[cfg(feature = "metrics")]
pub mod metrics;
mod names;
pub mod partition;
pub mod probe;
pub mod runtime;
pub mod spi;
pub mod store;
mod sync;
mod token;
mod url;
mod view;
pub mod work_set;
#[doc(hidden)]
pub mod zoo;

pub use coordinator::{
    Coordinator, CoordinatorBuilder, Death, Event, Events, Grant, Health, Heartbeat, LossReason, Observer,
    OverrunPolicy, Standing,
};
pub use error::{Effect, Error, ErrorKind};
pub use gate::{Entered, FencingGate, StaleToken};
pub use token::{Token, Ttl};
pub use url::{Host, Scheme, Secret, StoreUrl};
