//! The name of a node belongs to one process at a time: what is stored of it, and what proves that its former owner is dead.
//!
//! `_ha/nodes/<node>` has the entry `identity` while a process has that name, owned by its session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::renewal::Validity;
use crate::names::{Collection, Key, Name};
use crate::runtime::{Process, Processes, is_same};
use crate::spi::Entry;

/// Why a predecessor is known to be dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Death {
    /// Its process is gone: same boot, same pid namespace, and no process has its id and start time.
    ProcessGone,
    /// Its machine was started anew, and the operator declared that machine ids are unique.
    MachineRestarted,
    /// The operator asserted that no two processes are given this name at the same time.
    Asserted,
    /// It is an earlier session of this very coordinator, whose grants are all over.
    Own,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProcessGone => "its process is gone",
            Self::MachineRestarted => "its machine was started anew",
            Self::Asserted => "the identity is asserted to be exclusive",
            Self::Own => "it is an earlier session of this coordinator",
        })
    }
}

/// What the operator says about names and machines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claims {
    pub(super) unique_machines: bool,
    pub(super) exclusive: bool,
}

/// The value of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    ttl_ms: u64,
    process: Process,
}

impl Record {
    pub(super) fn new(ttl: Duration, process: Process) -> Self {
        Self { ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX), process }
    }

    /// What the entry says; of one that cannot be read nothing is known but that it is there.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        serde_json::from_slice(entry.value()).ok()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// How long the session of a dead process can be there: its ttl, the margin of its clock, and what the backend is late.
    pub(super) fn patience(&self, slack: Duration) -> Duration {
        let ttl = Duration::from_millis(self.ttl_ms);
        ttl + Validity::new(ttl, 1_000).margin() + slack
    }
}

/// The entry of a name.
pub(super) fn key(node: &Name) -> Key {
    Collection::of("_ha", &[&Name::internal("nodes"), node]).key(Name::internal("identity"))
}

/// Who this process is, to those who have to know whether it lives.
#[derive(Clone, Debug)]
pub(super) struct Identified {
    processes: Arc<dyn Processes>,
    claims: Claims,
    process: Process,
}

impl Identified {
    pub(super) fn new(processes: Arc<dyn Processes>, claims: Claims) -> Self {
        let mut process = processes.process();
        if !claims.unique_machines {
            // Of no use to anybody then, and an id of the machine is not to be spread without need.
            process.machine = None;
        }
        Self { processes, claims, process }
    }

    /// What the store is told.
    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    /// Why the process that made `record` is dead, if it is proven. The same name alone proves nothing: a frozen process believes in its
    /// grants until its own deadline.
    pub(super) fn proof(&self, record: Option<&Record>) -> Option<Death> {
        let (me, other) = (&self.process, record.map(|record| &record.process));
        if let Some(other) = other {
            let shares_pids = me.shares_pids_with(other);
            if shares_pids && (me.pid, me.started) == (other.pid, other.started) && me.pid.is_some() {
                // It is this very process: another coordinator of it has the name, and is not dead whatever is asserted.
                return None;
            }
            if shares_pids && self.processes.is_gone(other) {
                return Some(Death::ProcessGone);
            }
            let another_boot = other.boot.is_some() && me.boot.is_some() && other.boot != me.boot;
            if self.claims.unique_machines && is_same(&me.machine, &other.machine) && another_boot {
                return Some(Death::MachineRestarted);
            }
        }
        self.claims.exclusive.then_some(Death::Asserted)
    }
}

#[cfg(test)]
#[path = "identity_test.rs"]
mod tests;
