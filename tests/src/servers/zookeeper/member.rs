//! One member of an ensemble.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;

use super::builder::{CLIENTS, SECURE};
use super::words::{self, Role};
use crate::servers::Address;
use crate::servers::host::{Host, Hosted};

/// One member. It keeps its address and its data when it is restarted.
pub struct Member {
    pub(super) host: Host,
    pub(super) address: Address,
}

impl Member {
    /// Where clients connect to.
    #[must_use]
    pub fn client_address(&self) -> SocketAddr {
        self.address.port(CLIENTS)
    }

    /// Where clients connect to that use TLS, if it was [built](super::ZooKeeperBuilder::tls) so.
    #[must_use]
    pub fn secure_address(&self) -> SocketAddr {
        self.address.port(SECURE)
    }

    /// Starts it, again or for the first time, and waits until it serves.
    ///
    /// # Panics
    /// If it runs, or is not ready within 60 s.
    pub fn start(&self) {
        self.start_and_wait();
    }

    /// Whether it says that it leads, or is alone. A frozen one says nothing.
    #[must_use]
    pub fn leads(&self) -> bool {
        matches!(self.role(), Some(Role::Leader | Role::Alone))
    }

    /// Whether it serves clients, also if it has lost its leader just now and has not noticed yet.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.role().is_some()
    }

    /// What it answers to one of its questions of four letters, such as `mntr`; `None` if it does not answer.
    #[must_use]
    pub fn ask(&self, word: &str) -> Option<String> {
        words::ask(self.client_address(), word).ok()
    }

    fn role(&self) -> Option<Role> {
        words::role(&self.ask("srvr")?)
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
        write!(f, "{} ({})", self.name(), self.client_address())
    }
}
