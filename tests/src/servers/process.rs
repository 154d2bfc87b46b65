//! One child process of a test.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::watchdog::Watchdog;
use crate::clock::Stopwatch;

/// Waits for a line before it becomes the program: the watchdog knows it by then. Without the line, because we have died, it ends.
const LAUNCH: &str = r#"read -r go && exec "$@" </dev/null"#;

/// How often a state is looked at that nobody reports.
const PAUSE: Duration = Duration::from_millis(2);

/// How long a signal may take to be obeyed.
const OBEYED_WITHIN: Duration = Duration::from_secs(10);

/// How many bytes of a log a message shows.
const TAIL: usize = 4000;

/// A running program. It is killed when this is dropped or the test dies.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; what it prints goes to the end of `log`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start<A: AsRef<OsStr>>(
        name: impl Into<String>,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        log: impl Into<PathBuf>,
    ) -> Self {
        let (name, log) = (name.into(), log.into());
        match spawn(program, arguments, &log) {
            Ok(child) => Self { name, child, log },
            Err(error) => panic!("start {name} ({}): {error}", program.display()),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended; a stopped one has not.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it without a warning (`SIGKILL`) and waits for that.
    pub fn kill(&mut self) -> Option<ExitStatus> {
        // Fails only for one that has ended already.
        drop(self.child.kill());
        self.reap()
    }

    /// Asks it to end (`SIGTERM`), at most for `bound`; kills it then.
    ///
    /// Returns how it ended, or `None` if it had to be killed.
    pub fn terminate(&mut self, bound: Duration) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        let watch = Stopwatch::start();
        while watch.elapsed() < bound {
            if let Ok(Some(status)) = self.child.try_wait() {
                Watchdog::get().forget_process(self.id());
                return Some(status);
            }
            std::thread::sleep(PAUSE);
        }
        self.kill();
        None
    }

    /// Freezes it (`SIGSTOP`): when this returns, no thread of it runs.
    ///
    /// # Panics
    /// If it ended instead.
    pub fn stop(&mut self) {
        self.signal(Signal::STOP);
        let pid = Pid::from_child(&self.child);
        let watch = Stopwatch::start();
        // Only stops are asked for, so that the end of it is still there for who waits for that.
        while !matches!(waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOHANG), Ok(Some(_)))
        {
            assert!(self.is_running(), "{} has ended instead of stopping:\n{}", self.name, self.log_tail());
            assert!(watch.elapsed() < OBEYED_WITHIN, "{} does not stop", self.name);
            std::thread::sleep(PAUSE);
        }
    }

    /// Lets a frozen one go on (`SIGCONT`).
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// The last lines that it printed.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(TAIL)..];
        String::from_utf8_lossy(tail).into_owned()
    }

    fn signal(&mut self, signal: Signal) {
        // A child that was not waited for yet keeps its id, so this cannot reach a stranger.
        if self.is_running() {
            let sent = kill_process(Pid::from_child(&self.child), signal);
            assert!(sent.is_ok(), "send {signal:?} to {}: {sent:?}", self.name);
        }
    }

    fn reap(&mut self) -> Option<ExitStatus> {
        let status = self.child.wait().ok();
        Watchdog::get().forget_process(self.id());
        status
    }
}

fn spawn<A: AsRef<OsStr>>(
    program: &Path,
    arguments: impl IntoIterator<Item = A>,
    log: &Path,
) -> io::Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    let mut shell = Command::new("sh");
    shell.args(["-c", LAUNCH, "launch"]).arg(program).args(arguments);
    shell.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
    let mut child = shell.spawn()?;
    Watchdog::get().watch_process(child.id());
    if let Some(mut go) = child.stdin.take() {
        go.write_all(b"go\n")?;
    }
    Ok(child)
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
    }
}

#[cfg(test)]
#[path = "process_test.rs"]
mod tests;
