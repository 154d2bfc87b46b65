//! The operating-system process of one node or tracker: killed, stopped and continued with signals.

use std::io::Write as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process, prlimit, waitid};
use serde::Serialize;

use super::failure::Failure;

/// A process, as its operator has it. Clones are the same process.
#[derive(Clone, Debug)]
pub(super) struct Process(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    child: Child,
    input: Option<ChildStdin>,
}

impl Process {
    /// Starts this very program with the argument of its role, and returns what it says.
    pub(super) fn start(role: &str) -> Result<(Self, ChildStdout), Failure> {
        let failed = |error| Failure::new(format!("cannot start a process: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.arg(role).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| Failure::new("a process was started without its output"))?;
        Ok((Self(Arc::new(Mutex::new(Inner { child, input }))), output))
    }

    /// Its id.
    pub(super) fn id(&self) -> u32 {
        self.lock().child.id()
    }

    /// Says something to it. One that is gone hears nothing.
    pub(super) fn say(&self, message: &impl Serialize) {
        if let (Ok(text), Some(input)) = (serde_json::to_string(message), &mut self.lock().input) {
            drop(writeln!(input, "{text}"));
        }
    }

    /// SIGKILL.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// SIGSTOP. Returns when all of it stands still.
    pub(super) fn freeze(&self) {
        if let Some(pid) = self.signal(Signal::STOP) {
            // It fails if the process has died meanwhile, which is as still.
            waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED).ok();
        }
    }

    /// SIGCONT. Nobody tells it that it was stopped.
    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets it write to no file any more, or to all again: what it can do to a store that is a file, as if its disk were full.
    pub(super) fn forbid_files(&self, is_forbidden: bool) {
        self.if_alive(|pid| {
            let current = if is_forbidden { Some(0) } else { None };
            // It fails if the process has died meanwhile, which needs no limit.
            prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum: None }).ok();
        });
    }

    /// Waits until it is gone, and takes what the kernel keeps of it.
    pub(super) fn wait(&self) {
        drop(self.lock().child.wait());
    }

    fn signal(&self, signal: Signal) -> Option<Pid> {
        self.if_alive(|pid| {
            // It may have died since it was looked at: then it needs no signal.
            kill_process(pid, signal).ok();
            pid
        })
    }

    /// Its id belongs to it for as long as nobody has waited for it, which nobody can meanwhile.
    fn if_alive<T>(&self, act: impl FnOnce(Pid) -> T) -> Option<T> {
        let mut inner = self.lock();
        let is_alive = inner.child.try_wait().is_ok_and(|ended| ended.is_none());
        let pid = i32::try_from(inner.child.id()).ok().and_then(Pid::from_raw);
        pid.filter(|_| is_alive).map(act)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
