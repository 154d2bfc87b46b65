//! etcd: one member, or a cluster of several.
//!
//! ```no_run
//! use ha_conformance::servers::etcd::Etcd;
//!
//! # fn main() -> Result<(), ha_conformance::Missing> {
//! let etcd = Etcd::builder().members(3).start()?;
//! println!("ask {:?}", etcd.urls());
//! let leader = etcd.leader();
//! etcd.member(leader).kill();
//! assert_ne!(etcd.leader(), leader); // waits for the next one
//! etcd.member(leader).start();
//! # Ok(())
//! # }
//! ```

mod builder;
mod member;

pub use builder::EtcdBuilder;
pub use member::Member;

use super::host;
use super::{Folder, Program};
use crate::harness::Missing;

/// A cluster. It ends, and its folder goes, when this is dropped or the test dies; the folder of a test that failed stays.
#[derive(Debug)]
pub struct Etcd {
    members: Vec<Member>,
    folder: Folder,
}

impl Etcd {
    /// One member with timing for tests, until told otherwise.
    pub fn builder() -> EtcdBuilder {
        EtcdBuilder::new()
    }

    /// The URLs for clients, one per member.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.members.iter().map(Member::url).collect()
    }

    /// A member, from 0.
    ///
    /// # Panics
    /// If the cluster is smaller.
    #[must_use]
    pub fn member(&self, index: usize) -> &Member {
        &self.members[index]
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The index of the member that says it leads, once one does.
    ///
    /// A leader that is stopped answers nobody, so this is the one that the others have elected.
    ///
    /// # Panics
    /// If there is none for 60 s.
    #[must_use]
    pub fn leader(&self) -> usize {
        host::leader(&self.members, Member::leads)
    }

    /// Waits until each member that runs answers a linearizable read.
    ///
    /// # Panics
    /// If one does not within 60 s, or ends.
    pub fn wait_until_ready(&self) {
        host::wait_until_ready(&self.members);
    }

    /// The last lines of each member's log, for messages.
    #[must_use]
    pub fn logs(&self) -> String {
        host::logs(&self.members)
    }

    /// The folder with the members' logs and data.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        host::end(&self.members);
    }
}

#[cfg(test)]
#[path = "etcd_test.rs"]
mod tests;
