//! The processes of simulated nodes: a node is started again only when its earlier life is over.

use ha_core::runtime::{Process, Processes};

use super::cluster::Life;

/// Lives of one node have numbers of their own; so many are never reached.
const LIVES: u64 = 1_000_000;

/// One life of a node. It can prove the death of the lives before, except every second one, which knows nothing, as in another container.
#[derive(Debug)]
pub(super) struct Lives {
    node: u64,
    incarnation: u64,
}

impl Lives {
    /// What `life` knows.
    pub(super) fn new(life: &Life) -> Self {
        Self { node: life.index as u64, incarnation: life.incarnation }
    }

    fn pid(&self, incarnation: u64) -> u32 {
        u32::try_from(self.node * LIVES + incarnation).unwrap_or(u32::MAX)
    }
}

impl Processes for Lives {
    fn process(&self) -> Process {
        if self.incarnation.is_multiple_of(2) {
            return Process::unknown();
        }
        Process::unknown().in_boot("boot", "pids").with_pid(self.pid(self.incarnation), self.incarnation)
    }

    fn is_gone(&self, process: &Process) -> bool {
        process.pid.is_some_and(|pid| (self.pid(0)..self.pid(self.incarnation)).contains(&pid))
    }
}
