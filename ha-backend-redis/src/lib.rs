//! The Redis and Valkey backend of the high-availability toolkit: services on several machines share leaders, locks and members through the server that most of
//! them have already.
//!
//! Services name it by URL, with the feature `redis` of `ha-toolkit`:
//!
//! ```text
//! redis://10.0.0.1:6379
//! rediss://app:password@redis1/0?ca=/etc/ha/ca.pem&prefix=platform
//! redis+unix:///run/redis/redis.sock
//! ```
//!
//! or build it and give it to [`Coordinator::builder`](ha_core::Coordinator::builder):
//!
//! ```no_run
//! use std::sync::Arc;
//! use ha_backend_redis::{RedisBackend, RedisConfig};
//!
//! # async fn connect() -> Result<(), ha_core::Error> {
//! let backend = RedisBackend::new(RedisConfig::new("10.0.0.1", 6379));
//! let node = ha_core::Coordinator::builder(Arc::new(backend)).node("box-1").connect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it keeps the contract
//!
//! * **Each request is a script**, one atomic step on the server, over the same eight keys of the namespace. It checks everything before it writes anything.
//! * **Sessions have deadlines of our own**, by the clock of the server. Whoever comes first after one ends the session, and every idle process has a timer for it.
//! * **A commit whose answer is lost** is killed first (the epoch of the session is raised, which kills every copy), then looked for, then sent again. So it is done
//!   once or never, and the caller knows which.
//! * **Watches** follow one stream, whose records each name the one before, so that a gap shows. After a gap everything is read anew.
//! * **A server that may have forgotten something** (restarted, replaced, emptied, restored) is noticed by every script: nothing is granted until nobody can believe in a forgotten
//!   grant, and no session ends by its deadline meanwhile.
//!
//! # Not promised
//!
//! Redis acknowledges what it can forget. One server keeps its grants apart as long as its clock is slewed and not stepped forwards; a clock that is stepped forwards ends
//! sessions early. A primary that is cut off from its replicas goes on serving whoever reaches it. Fence what matters: see [`ha_core::store`].

mod alarm;
mod answer;
mod backend;
mod clock;
mod closing;
mod commit;
mod config;
mod connection;
mod failure;
mod follow;
mod history;
mod hub;
mod keys;
mod link;
mod open;
mod over;
mod plan;
mod record;
mod renew;
mod resp;
mod scripts;
mod server;
mod session;
mod slots;
mod sync;
mod tls;
mod untold;
mod watch;
mod wire;

pub use backend::RedisBackend;
pub use config::RedisConfig;
pub use tls::RedisTls;
