//! ZooKeeper: one server, or an ensemble of several.
//!
//! ```no_run
//! use ha_conformance::servers::zookeeper::ZooKeeper;
//!
//! # fn main() -> Result<(), ha_conformance::Missing> {
//! let zookeeper = ZooKeeper::builder().members(3).start()?;
//! println!("connect to {}", zookeeper.addresses().join(","));
//! let leader = zookeeper.leader();
//! zookeeper.member(leader).kill();
//! assert_ne!(zookeeper.leader(), leader); // waits for the next one
//! zookeeper.member(leader).start();
//! # Ok(())
//! # }
//! ```

mod builder;
mod gateway;
mod member;
mod ways;
mod words;

pub use builder::ZooKeeperBuilder;
pub use gateway::{Fate, Gate, Gateway};
pub use member::Member;

use super::host;
use super::{Folder, Program};
use crate::harness::Missing;
use ways::Ways;

/// An ensemble. It ends, and its folder goes, when this is dropped or the test dies; the folder of a test that failed stays.
#[derive(Debug)]
pub struct ZooKeeper {
    members: Vec<Member>,
    ways: Ways,
    folder: Folder,
}

impl ZooKeeper {
    /// One server with timing for tests, until told otherwise.
    pub fn builder() -> ZooKeeperBuilder {
        ZooKeeperBuilder::new()
    }

    /// Where clients connect to, one `host:port` per member.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|member| member.client_address().to_string()).collect()
    }

    /// A member, from 0.
    ///
    /// # Panics
    /// If the ensemble is smaller.
    #[must_use]
    pub fn member(&self, index: usize) -> &Member {
        &self.members[index]
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The index of the member that says it leads, once one does. A server that is alone leads.
    ///
    /// A leader that is stopped answers nobody, so this is the one that the others have elected.
    ///
    /// # Panics
    /// If there is none for 60 s.
    #[must_use]
    pub fn leader(&self) -> usize {
        host::leader(&self.members, Member::leads)
    }

    /// Waits until each member that runs serves clients.
    ///
    /// # Panics
    /// If one does not within 60 s, or ends.
    pub fn wait_until_ready(&self) {
        host::wait_until_ready(&self.members);
    }

    /// Nothing gets from the member to the others or back any more, as when packets are dropped; clients reach all of them. Connections stay, so that
    /// neither side notices before its time is up.
    ///
    /// What the members say about elections still gets through where the one with the larger number has called back, which they do past the
    /// proxies; nobody follows a leader by that.
    ///
    /// # Panics
    /// If the ensemble is not [separable](ZooKeeperBuilder::separable).
    pub fn cut_off(&self, index: usize) {
        self.ways.cut_off(index);
    }

    /// The members reach each other again, on new connections.
    pub fn rejoin(&self) {
        self.ways.heal();
    }

    /// The last lines of each member's log, for messages.
    #[must_use]
    pub fn logs(&self) -> String {
        host::logs(&self.members)
    }

    /// The folder with the members' settings, logs and data.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl Drop for ZooKeeper {
    fn drop(&mut self) {
        host::end(&self.members);
    }
}

#[cfg(test)]
#[path = "zookeeper_test.rs"]
mod tests;
