//! Which process this is, and whether another one of this machine is gone for good.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process, so that a later process of the same machine can tell whether it is gone. Stored with the name of the node.
///
/// What is not known is `None`, and proves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Process {
    /// The id of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The id of the present boot of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The namespace that the process id belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_namespace: Option<String>,
    /// The namespace that the start time belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_namespace: Option<String>,
    /// The process id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When it started, in ticks since the boot: a process id alone is used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
}

impl Process {
    /// A process of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// The same on the machine of this id.
    #[must_use]
    pub fn on_machine(mut self, id: impl Into<String>) -> Self {
        self.machine = Some(id.into());
        self
    }

    /// The same in this boot and pid namespace.
    #[must_use]
    pub fn in_boot(mut self, boot: impl Into<String>, pid_namespace: impl Into<String>) -> Self {
        self.boot = Some(boot.into());
        self.pid_namespace = Some(pid_namespace.into());
        self
    }

    /// The same with this process id and start time.
    #[must_use]
    pub fn with_pid(mut self, pid: u32, started: u64) -> Self {
        self.pid = Some(pid);
        self.started = Some(started);
        self
    }

    /// Whether process ids of both mean the same: same boot, same pid namespace.
    #[must_use]
    pub fn shares_pids_with(&self, other: &Self) -> bool {
        is_same(&self.boot, &other.boot) && is_same(&self.pid_namespace, &other.pid_namespace)
    }
}

/// Whether both are known and the same.
pub(crate) fn is_same(one: &Option<String>, other: &Option<String>) -> bool {
    one.is_some() && one == other
}

/// The seam between the toolkit and the processes of this machine. A test plants what it needs; services use [`LocalProcesses`].
pub trait Processes: Send + Sync + fmt::Debug + 'static {
    /// The process that asks.
    fn process(&self) -> Process;

    /// Whether it is proven that `process` runs no more and never will. Asked of processes that [share their pids](Process::shares_pids_with) with
    /// the one that asks. In doubt false: then others wait for the ttl.
    fn is_gone(&self, process: &Process) -> bool;
}

/// This machine, as its operating system shows it. Where that is not Linux nothing is known, and nothing is proven.
///
/// # Guarantees
/// A process that runs is never said to be gone: one with hidden entries in `/proc`, in another container, in another pid or time namespace, or whose
/// first thread has ended before the others is not. One that has ended and is not reaped by its parent yet is not gone either.
///
/// # Not promised
/// Two copies of one running virtual machine have the same boot and the same processes. Whoever copies running machines gives their nodes other names.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct LocalProcesses {}

impl LocalProcesses {
    /// The machine that this process runs on.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

#[cfg(not(target_os = "linux"))]
impl Processes for LocalProcesses {
    fn process(&self) -> Process {
        Process::unknown()
    }

    fn is_gone(&self, _: &Process) -> bool {
        false
    }
}

#[cfg(target_os = "linux")]
impl Processes for LocalProcesses {
    fn process(&self) -> Process {
        let text = |path: &str| {
            let text = std::fs::read_to_string(path).ok()?;
            Some(text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        let machine = text("/etc/machine-id").or_else(|| text("/var/lib/dbus/machine-id"));
        let boot = text("/proc/sys/kernel/random/boot_id");
        if !linux::shows_own_processes() {
            return Process { machine, boot, ..Process::unknown() };
        }
        Process {
            machine,
            boot,
            pid_namespace: linux::namespace("pid"),
            time_namespace: linux::namespace("time"),
            pid: Some(std::process::id()),
            started: linux::started(std::process::id()),
        }
    }

    fn is_gone(&self, process: &Process) -> bool {
        let Some(pid) = process.pid else { return false };
        if linux::is_free(pid) {
            return true;
        }
        // The id is in use: by the process itself, or by another one that was given it since.
        let comparable = process.time_namespace == linux::namespace("time") && linux::shows_own_processes();
        let now = linux::started(pid).filter(|_| comparable);
        matches!((now, process.started), (Some(now), Some(started)) if now != started)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    /// Whether no process of our own pid namespace has this id. Asks the kernel by a signal that is not sent: `/proc` can hide processes
    /// of others, or belong to another namespace.
    pub(super) fn is_free(pid: u32) -> bool {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
    }

    /// When the process of this id started, in clock ticks since boot.
    pub(super) fn started(pid: u32) -> Option<u64> {
        start_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The 22nd field of `/proc/<pid>/stat`. The second is the name of the program in brackets, which can contain anything.
    pub(super) fn start_of(stat: &str) -> Option<u64> {
        let (_, behind_name) = stat.rsplit_once(')')?;
        behind_name.split_whitespace().nth(19)?.parse().ok()
    }

    /// Identifies a namespace of this process among those that exist.
    pub(super) fn namespace(kind: &str) -> Option<String> {
        let link = fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
        link.to_str().map(str::to_owned)
    }

    /// Whether `/proc` is that of our own pid namespace: one that was mounted outside shows other processes under the ids that we know.
    pub(super) fn shows_own_processes() -> bool {
        fs::read_to_string("/proc/self/status")
            .is_ok_and(|status| is_of_own_namespace(&status, std::process::id()))
    }

    /// The line `NSpid` has the ids of the process from the namespace of the mount down to its own.
    pub(super) fn is_of_own_namespace(status: &str, pid: u32) -> bool {
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        ids.is_some_and(|ids| ids.split_whitespace().eq([pid.to_string().as_str()]))
    }
}

#[cfg(all(test, target_os = "linux"))]
#[path = "processes_test.rs"]
mod tests;
