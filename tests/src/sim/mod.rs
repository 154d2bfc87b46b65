//! Deterministic simulation: many nodes, one thread, virtual time, everything decided by a seed.
//!
//! The real recipes and the real coordinator run unchanged on a [`World`]; between them and the store lies a simulated network that
//! loses, delays and cuts, and a nemesis that freezes and crashes nodes and makes the store forget. What happens is written as a
//! [`History`](crate::history::History) and judged by the [invariants](crate::invariants). A seed that fails is replayed by
//! `cargo xtask sim --recipe <recipe> --seed <seed>`.

pub mod batch;
mod cluster;
mod counters;
mod desks;
mod election;
mod events;
mod executor;
mod fate;
mod group;
mod handler;
mod items;
mod judge;
mod mutex;
mod nemesis;
mod network;
mod node;
mod partitions;
mod plan;
mod processes;
mod random;
mod recorder;
mod requests;
mod run;
mod server;
mod shared;
mod steps;
mod storage;
mod store;
mod watch;
mod work;
mod zoo;

pub use counters::{Counter, Counters};
pub use executor::{NodeId, Sleep, World};
pub use node::{Clock, SimRuntime};
pub use random::Random;
pub use run::{Report, Settings, Subject, run};
pub use zoo::{Defect, StoreBug};
