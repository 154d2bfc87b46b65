//! One server or sentinel.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;

use super::Redis;
use super::ask::{ask, value};
use crate::servers::host::{Host, Hosted};

/// One server or sentinel. It keeps its address, its settings and its data when it is restarted.
pub struct Member {
    pub(super) host: Host,
    pub(super) address: SocketAddr,
}

impl Member {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it, again or for the first time, and waits until it answers.
    ///
    /// # Panics
    /// If it runs, or does not answer within 60 s.
    pub fn start(&self) {
        self.start_and_wait();
    }

    /// Whether it answers.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.ask(&["PING"]).is_some_and(|answer| answer == ["PONG"])
    }

    /// Whether it says that it is a primary; so does one that was replaced and has not heard of it.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.replication().is_some_and(|info| value(&info, "role") == Some("master"))
    }

    /// What it answers to a command: the texts and numbers of the answer, one after the other; `None` if it does not answer, or with an error.
    #[must_use]
    pub fn ask(&self, command: &[&str]) -> Option<Vec<String>> {
        ask(self.address, command).ok()
    }

    /// The same, of a server that has to answer.
    ///
    /// # Panics
    /// If it does not, or with an error.
    pub fn tell(&self, command: &[&str]) -> Vec<String> {
        ask(self.address, command).unwrap_or_else(|error| panic!("{self:?} was told {command:?}: {error}"))
    }

    /// How many replicas a primary has that follow it; `None` of any other.
    pub(super) fn replicas_online(&self) -> Option<usize> {
        let info = self.replication()?;
        let is_online = |line: &&str| line.starts_with("slave") && line.contains("state=online");
        (value(&info, "role") == Some("master")).then(|| info.lines().filter(is_online).count())
    }

    /// Whether it is a replica that follows its primary.
    pub(super) fn follows(&self) -> bool {
        self.replication().is_some_and(|info| value(&info, "master_link_status") == Some("up"))
    }

    /// How many replicas a sentinel knows.
    pub(super) fn knows_replicas(&self) -> Option<usize> {
        let fields = self.ask(&["SENTINEL", "MASTER", Redis::MASTER])?;
        let at = fields.iter().position(|field| field == "num-slaves")?;
        fields.get(at + 1)?.parse().ok()
    }

    /// The primary that a sentinel sends clients to.
    pub(super) fn named_primary(&self) -> Option<SocketAddr> {
        let named = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Redis::MASTER])?;
        let [ip, port] = &named[..] else { return None };
        format!("{ip}:{port}").parse().ok()
    }

    fn replication(&self) -> Option<String> {
        self.ask(&["INFO", "replication"])?.pop()
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
        write!(f, "{} ({})", self.name(), self.address)
    }
}
