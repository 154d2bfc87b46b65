//! The processes of simulated nodes, and which of them can be proven dead.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use ha_core::runtime::{Process, Processes};

use super::cluster::Life;

/// Lives of one node have numbers of their own; so many are never reached.
const LIVES: u64 = 1_000_000;

/// The processes that have ended, by node and incarnation.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended(Arc<Mutex<BTreeSet<(u64, u64)>>>);

impl Ended {
    /// `life` is over.
    pub(super) fn add(&self, life: &Life) {
        self.ended().insert((life.index as u64, life.incarnation));
    }

    fn ended(&self) -> std::sync::MutexGuard<'_, BTreeSet<(u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one life of a node knows of the others. Every second one knows nothing, as in another container.
#[derive(Debug)]
pub(super) struct Lives {
    node: u64,
    incarnation: u64,
    ended: Ended,
}

impl Lives {
    /// What `life` knows.
    pub(super) fn new(life: &Life, ended: &Ended) -> Self {
        Self { node: life.index as u64, incarnation: life.incarnation, ended: ended.clone() }
    }
}

impl Processes for Lives {
    fn process(&self) -> Process {
        if self.incarnation.is_multiple_of(2) {
            return Process::unknown();
        }
        let pid = u32::try_from(self.node * LIVES + self.incarnation).unwrap_or(u32::MAX);
        Process::unknown().in_boot("boot", "pids").with_pid(pid, self.incarnation)
    }

    fn is_gone(&self, process: &Process) -> bool {
        let life = |pid: u32| (u64::from(pid) / LIVES, u64::from(pid) % LIVES);
        process.pid.is_some_and(|pid| self.ended.ended().contains(&life(pid)))
    }
}
