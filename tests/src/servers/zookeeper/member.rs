//! One member of an ensemble.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::builder::{CLIENTS, SECURE};
use super::words::{self, Role};
use super::{PAUSE, Process, READY_WITHIN};
use crate::clock::Stopwatch;
use crate::servers::Address;

/// How long a member that was asked to end may take.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// One member. It keeps its address and its data when it is restarted.
pub struct Member {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) address: Address,
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    pub(super) process: Mutex<Option<Process>>,
}

impl Member {
    /// Where clients connect to.
    #[must_use]
    pub fn client_address(&self) -> SocketAddr {
        self.address.port(CLIENTS)
    }

    /// Where clients connect to that use TLS, if it was [built](super::ZooKeeperBuilder::tls) so.
    #[must_use]
    pub fn secure_address(&self) -> SocketAddr {
        self.address.port(SECURE)
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The id of its process, while there is one.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// Starts it, again or for the first time, and waits until it serves.
    ///
    /// # Panics
    /// If it runs, or is not ready within 60 s.
    pub fn start(&self) {
        self.launch();
        let watch = Stopwatch::start();
        while !self.is_healthy() {
            let waited = watch.elapsed() < READY_WITHIN && !self.has_ended_by_itself();
            assert!(waited, "{self:?} is not ready after {:?}\n{}", watch.elapsed(), self.log_tail());
            std::thread::sleep(PAUSE);
        }
    }

    /// Starts it without waiting: where there is no majority it will not be ready.
    ///
    /// # Panics
    /// If it runs.
    pub fn launch(&self) {
        let mut process = self.process();
        assert!(process.is_none(), "{} runs already", self.name);
        *process = Some(Process::start(&self.name, &self.program, &self.arguments, &self.log));
    }

    /// Ends it without a warning (`SIGKILL`). When this returns, it is gone.
    pub fn kill(&self) {
        drop(self.process().take());
    }

    /// Asks it to end, as an operator does, and waits for that.
    ///
    /// # Panics
    /// If it has not ended after 10 s.
    pub fn end(&self) {
        let process = self.process().take();
        if let Some(mut process) = process {
            assert!(
                process.terminate(ENDED_WITHIN).is_some(),
                "{} did not end:\n{}",
                self.name,
                process.log_tail()
            );
        }
    }

    /// Freezes it (`SIGSTOP`). When this returns, nothing of it runs.
    ///
    /// # Panics
    /// If it does not run.
    pub fn stop(&self) {
        self.process().as_mut().unwrap_or_else(|| panic!("{} does not run", self.name)).stop();
    }

    /// Lets a frozen one go on (`SIGCONT`).
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume(&self) {
        self.process().as_mut().unwrap_or_else(|| panic!("{} does not run", self.name)).resume();
    }

    /// Whether it was started and neither killed nor ended since.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process().is_some()
    }

    /// Whether it says that it leads, or is alone. A frozen one says nothing.
    #[must_use]
    pub fn leads(&self) -> bool {
        matches!(self.role(), Some(Role::Leader | Role::Alone))
    }

    /// Whether it serves clients, also if it has lost its leader just now and has not noticed yet.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.role().is_some()
    }

    /// What it answers to one of its questions of four letters, such as `mntr`; `None` if it does not answer.
    #[must_use]
    pub fn ask(&self, word: &str) -> Option<String> {
        words::ask(self.client_address(), word).ok()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process().as_ref().map(Process::log_tail).unwrap_or_default()
    }

    pub(super) fn has_ended_by_itself(&self) -> bool {
        self.process().as_mut().is_some_and(|process| !process.is_running())
    }

    fn role(&self) -> Option<Role> {
        words::role(&self.ask("srvr")?)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.client_address())
    }
}
