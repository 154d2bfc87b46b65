//! The ZooKeeper backend of the high-availability toolkit: services on several machines share leaders, locks and members through a ZooKeeper
//! ensemble.
//!
//! Services name it by URL, with the feature `zk` of `ha-toolkit`:
//!
//! ```text
//! zk://10.0.0.1:2181,10.0.0.2:2181,10.0.0.3:2181/platform
//! zks://app:password@zk1,zk2,zk3/platform?ca=/etc/ha/ca.pem
//! ```
//!
//! or build it and give it to [`Coordinator::builder`](ha_core::Coordinator::builder):
//!
//! ```no_run
//! use std::sync::Arc;
//! use ha_backend_zk::{ZkBackend, ZkConfig};
//!
//! # async fn connect() -> Result<(), ha_core::Error> {
//! let config = ZkConfig::new(["10.0.0.1:2181", "10.0.0.2:2181", "10.0.0.3:2181"])?.chroot("/platform")?;
//! let node = ha_core::Coordinator::builder(Arc::new(ZkBackend::new(config))).node("box-1").connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it keeps the contract
//!
//! * **A session is one of ZooKeeper's**, and a marker that lives as long. Every transaction checks the version of the marker.
//! * **A commit whose answer is lost** is killed first (the marker gets another version, which kills every copy), then looked for, then sent
//!   again. So it is done once or never, and the caller knows which.
//! * **Renewals** are writes that a majority of the servers has to agree to, and count for half of the ttl.
//! * **Reusable names** have companions, because ZooKeeper cannot tell two incarnations of a node apart.
//! * **Watches** begin anew after each change of the connection.
//! * **A store that went back** (a restored backup) is noticed on the first connection to it, before anything else is said there: all grants are given up, and none
//!   are made until nobody can believe in a forgotten one.
//!
//! The README of the crate lists the settings, what is stored, and the habits of servers that are worked around.

mod backend;
mod client;
mod closing;
mod commit;
mod config;
mod continuity;
mod farewell;
mod finish;
mod history;
mod keys;
mod link;
mod looks;
mod made;
mod open;
mod over;
mod page;
mod plan;
mod pulse;
mod reading;
mod record;
mod renew;
mod resolve;
mod session;
mod slots;
mod stamp;
mod sync;
mod tls;
mod together;
mod value;
mod watch;

pub use backend::ZkBackend;
pub use config::ZkConfig;
pub use tls::ZkTls;
