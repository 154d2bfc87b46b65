//! Redis: one server, or a primary with replicas and the sentinels that watch over them.
//!
//! ```no_run
//! use ha_conformance::servers::redis::Redis;
//!
//! # fn main() -> Result<(), ha_conformance::Missing> {
//! let redis = Redis::builder().replicas(2).sentinels(3).start()?;
//! println!("ask {} for {}", redis.sentinel_addresses().join(","), Redis::MASTER);
//! let primary = redis.primary();
//! redis.server(primary).kill();
//! assert_ne!(redis.primary(), primary); // waits for the next one
//! redis.server(primary).start(); // comes back as a replica
//! # Ok(())
//! # }
//! ```

mod ask;
mod builder;
mod member;

pub use builder::RedisBuilder;
pub use member::Member;

use super::host;
use super::{Folder, Program};
use crate::harness::Missing;

/// Servers, and sentinels if there are any. They end, and their folder goes, when this is dropped or the test dies; the folder of a test that failed stays.
#[derive(Debug)]
pub struct Redis {
    servers: Vec<Member>,
    sentinels: Vec<Member>,
    folder: Folder,
}

impl Redis {
    /// What the sentinels call the primary.
    pub const MASTER: &str = "main";

    /// One server, until told otherwise.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::new()
    }

    /// A server, from 0: the first primary.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn server(&self, index: usize) -> &Member {
        &self.servers[index]
    }

    /// All servers.
    #[must_use]
    pub fn servers(&self) -> &[Member] {
        &self.servers
    }

    /// All sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[Member] {
        &self.sentinels
    }

    /// Where the sentinels listen, one `host:port` each.
    #[must_use]
    pub fn sentinel_addresses(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| sentinel.address().to_string()).collect()
    }

    /// The index of the server that says that it is the primary, and that the sentinels, if there are any, send clients to, once there is one.
    ///
    /// # Panics
    /// If there is none for 60 s.
    #[must_use]
    pub fn primary(&self) -> usize {
        let mut found = None;
        self.wait_for("a primary that all know", || {
            let named: Vec<_> = self.sentinels.iter().filter_map(Member::named_primary).collect();
            let is_named = |server: &Member| named.iter().all(|address| *address == server.address());
            let running = |server: &Member| server.is_running() && server.is_primary();
            found = self.servers.iter().position(|server| is_named(server) && running(server));
            found.is_some()
        });
        found.unwrap_or_default()
    }

    /// Waits until every server that runs answers, every replica follows its primary, and every sentinel knows all of them.
    ///
    /// # Panics
    /// If that takes longer than 60 s, or one of them ends.
    pub fn wait_until_ready(&self) {
        self.wait_for("all of them to be ready", || {
            let replicas = self.servers.iter().filter(|server| server.is_running()).count().saturating_sub(1);
            let serves = |server: &Member| match server.replicas_online() {
                Some(online) => online == replicas,
                None => server.follows(),
            };
            let knows = |sentinel: &Member| sentinel.knows_replicas() == Some(self.servers.len() - 1);
            self.servers.iter().filter(|server| server.is_running()).all(serves)
                && self.sentinels.iter().filter(|sentinel| sentinel.is_running()).all(knows)
        });
    }

    /// The last lines of each log, for messages.
    #[must_use]
    pub fn logs(&self) -> String {
        host::logs(self.all())
    }

    /// The folder with settings, logs and data.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    fn all(&self) -> impl Iterator<Item = &Member> + Clone {
        self.servers.iter().chain(&self.sentinels)
    }

    fn wait_for(&self, what: &str, is_so: impl FnMut() -> bool) {
        host::wait_for(what, self.all(), is_so);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        host::end(self.all());
    }
}

#[cfg(test)]
#[path = "redis_test.rs"]
mod tests;
