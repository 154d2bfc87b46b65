//! The etcd backend of the high-availability toolkit: services on several machines share leaders, locks and members through an etcd
//! cluster.
//!
//! Services name it by URL, with the feature `etcd` of `ha-toolkit`:
//!
//! ```text
//! etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379
//! etcds://app:password@etcd1,etcd2,etcd3?ca=/etc/ha/ca.pem&prefix=/platform
//! ```
//!
//! or build it and give it to [`Coordinator::builder`](ha_core::Coordinator::builder):
//!
//! ```no_run
//! use std::sync::Arc;
//! use ha_backend_etcd::{EtcdBackend, EtcdConfig};
//!
//! # async fn connect() -> Result<(), ha_core::Error> {
//! let config = EtcdConfig::new(["10.0.0.1:2379", "10.0.0.2:2379", "10.0.0.3:2379"])?.prefix("/platform")?;
//! let node = ha_core::Coordinator::builder(Arc::new(EtcdBackend::new(config))).node("box-1").connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it keeps the contract
//!
//! * **A session is a lease**, with an id that is used once, and a record that lives as long. Every transaction compares the revision at
//!   which the record was modified last.
//! * **A commit whose answer is lost** is killed first (the record is modified, which kills every copy), then looked for, then sent
//!   again. So it is done once or never, and the caller knows which.
//! * **Renewals** have a connection of their own, are sent to another member when one does not answer, and count only while
//!   the record is there.
//! * **Watches** share one stream. Each begins now and is read at the same time; after a gap it begins anew.
//! * **A store that went back** (a restored backup) is noticed by its revision: all grants are given up, and none are made until nobody
//!   can believe in a forgotten one.
//!
//! The README of the crate lists the settings, the permissions that a user needs, and the defects of servers that are worked around.

mod backend;
mod caller;
mod client;
mod closing;
mod commit;
mod config;
mod continuity;
mod feed;
mod hub;
mod keys;
mod learn;
mod link;
mod open;
mod over;
mod page;
mod plan;
mod pool;
mod record;
mod renew;
mod session;
mod slots;
mod sync;
mod target;
mod tls;
mod value;
mod version;
mod watches;

pub use backend::EtcdBackend;
pub use config::EtcdConfig;
pub use tls::EtcdTls;
