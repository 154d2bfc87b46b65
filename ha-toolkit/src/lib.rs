//! The high-availability toolkit, for services: connect by URL, then elect, lock, and learn in time what was lost.
//!
//! A service says where its store is and who it is; [`builder()`] turns that into a [`Coordinator`], which keeps one session and hands
//! out the recipes:
//!
//! ```
//! use std::time::Duration;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), ha::Error> {
//! let node = ha::builder()
//!     .namespace("platform")
//!     .node("box-1")
//!     .ttl(Duration::from_secs(10))
//!     .connect("memory:")
//!     .await?;
//! let emitted = node.election("timers")?.run(|grant| async move { format!("tick, term {}", grant.token()) }).await?;
//! assert!(emitted.starts_with("tick"));
//! node.shutdown(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything else is `ha-core`'s, under the same names: its items are re-exported here, so that a service depends on one crate.
//! [`guide`] explains what is guaranteed, what a ttl costs, what happens when something fails, and how a backend is written.
//!
//! A deployment says where the store is by [`Config`]: a file, or `HA_URL`, `HA_NAMESPACE`, `HA_NODE`, `HA_TTL` and `HA_PASSWORD` in the environment.
//!
//! # Backends
//!
//! The scheme of the URL chooses the backend when the service starts:
//!
//! | URL | backend | serves | feature |
//! |---|---|---|---|
//! | `memory:` `memory:name` | [`memory`] | the tasks and threads of one process | always there |
//! | `local:///var/lib/ha.db` | a SQLite file on a local disk | the processes of one machine | `local` (its build needs a C compiler) |
//! | `etcd://h1,h2,h3` `etcds://...` | an etcd cluster, 3.4 or later | everybody who reaches the cluster | `etcd` (its build needs `protoc`) |
//! | `zk://h1,h2,h3/chroot` `zks://...` | a ZooKeeper server or ensemble, 3.6 or later | everybody who reaches it | `zk` (its build needs a C compiler) |
//! | `redis://h` `rediss://h` `redis+unix:///socket` | one Redis or Valkey server | everybody who reaches it | `redis` (its build needs a C compiler) |
//!
//! The other schemes that [`StoreUrl`] knows are refused by [`Builder::connect`] until their backends exist.
//! A backend of another repository is given to [`Coordinator::builder`] directly.

mod backends;
mod builder;
mod config;
mod duration;

pub use builder::{Builder, builder};
pub use config::Config;

pub use ha_core::{
    Coordinator, CoordinatorBuilder, Effect, Entered, Error, ErrorKind, Event, Events, FencingGate, Grant,
    Health, Heartbeat, Host, LossReason, Observer, OverrunPolicy, Scheme, Secret, StaleToken, Standing,
    StoreUrl, Token, Ttl,
};
pub use ha_core::{election, group, guide, lock, memory, partition, probe, runtime, spi, store, work_set};

#[cfg(feature = "metrics")]
pub use ha_core::metrics;

/// Runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
