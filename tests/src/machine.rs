//! Machines whose processes a case starts and kills, for proofs of death.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use ha_core::runtime::{Process, Processes};

/// A machine, in one boot, with one pid namespace.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    id: &'static str,
    boot: &'static str,
    pids: Arc<Mutex<Pids>>,
}

#[derive(Debug, Default)]
struct Pids {
    last: u32,
    gone: BTreeSet<u32>,
}

impl Machine {
    /// A machine that has just been started.
    pub(crate) fn started() -> Self {
        Self { id: "machine", boot: "boot-1", pids: Arc::default() }
    }

    /// The same machine after another start: nothing of before runs, and nothing can be asked about it.
    pub(crate) fn restarted(&self) -> Self {
        Self { id: self.id, boot: "boot-2", pids: Arc::default() }
    }

    /// Starts a process.
    pub(crate) fn process(&self) -> Arc<Running> {
        let mut pids = self.pids.lock().unwrap_or_else(PoisonError::into_inner);
        pids.last += 1;
        Arc::new(Running { machine: self.clone(), pid: pids.last })
    }
}

/// A process of a machine, as it sees itself and the others.
#[derive(Debug)]
pub(crate) struct Running {
    machine: Machine,
    pid: u32,
}

impl Running {
    /// From now on the process is gone. What it did is stopped by the case.
    pub(crate) fn kill(&self) {
        self.machine.pids.lock().unwrap_or_else(PoisonError::into_inner).gone.insert(self.pid);
    }
}

impl Processes for Running {
    fn process(&self) -> Process {
        let start = u64::from(self.pid) * 100;
        Process::unknown()
            .on_machine(self.machine.id)
            .in_boot(self.machine.boot, "pids")
            .with_pid(self.pid, start)
    }

    fn is_gone(&self, process: &Process) -> bool {
        let pids = self.machine.pids.lock().unwrap_or_else(PoisonError::into_inner);
        process.pid.is_some_and(|pid| pids.gone.contains(&pid))
    }
}
