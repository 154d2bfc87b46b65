//! One member of a cluster.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;

use super::builder::{CLIENTS, METRICS};
use crate::servers::host::{Host, Hosted};
use crate::servers::{Address, http};

/// One member. It keeps its address and its data when it is restarted.
pub struct Member {
    pub(super) host: Host,
    pub(super) cluster: String,
    pub(super) address: Address,
    pub(super) url: String,
}

impl Member {
    /// The URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Where clients connect to, for a proxy.
    #[must_use]
    pub fn client_address(&self) -> SocketAddr {
        self.address.port(CLIENTS)
    }

    /// What `--initial-cluster` says, the same for all members: a restored snapshot is told it too.
    #[must_use]
    pub fn initial_cluster(&self) -> &str {
        &self.cluster
    }

    /// Starts it, again or for the first time, and waits until it answers a linearizable read.
    ///
    /// # Panics
    /// If it runs, or is not ready within 60 s.
    pub fn start(&self) {
        self.start_and_wait();
    }

    /// Whether it says that it leads the cluster. A frozen one says nothing.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.metrics().is_some_and(|metrics| metrics.lines().any(|line| line == "etcd_server_is_leader 1"))
    }

    /// Whether it answers a linearizable read.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        http::get(self.address.port(METRICS), "/health").is_ok_and(|health| health.contains("\"true\""))
    }

    /// All that it counts, in the text format of Prometheus; `None` if it does not answer.
    #[must_use]
    pub fn metrics(&self) -> Option<String> {
        http::get(self.address.port(METRICS), "/metrics").ok()
    }
}

impl Deref for Member {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Hosted for Member {
    fn host(&self) -> &Host {
        &self.host
    }

    fn serves(&self) -> bool {
        self.is_healthy()
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.url)
    }
}
