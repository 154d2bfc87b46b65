//! One server or sentinel.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ask::{ask, value};
use super::{PAUSE, Process, READY_WITHIN, Redis};
use crate::clock::Stopwatch;

/// How long one that was asked to end may take.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// One server or sentinel. It keeps its address, its settings and its data when it is restarted.
pub struct Member {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) settings: PathBuf,
    pub(super) address: SocketAddr,
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    pub(super) process: Mutex<Option<Process>>,
}

impl Member {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
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

    /// Starts it, again or for the first time, and waits until it answers.
    ///
    /// # Panics
    /// If it runs, or does not answer within 60 s.
    pub fn start(&self) {
        self.launch();
        let watch = Stopwatch::start();
        while !self.is_healthy() {
            let waited = watch.elapsed() < READY_WITHIN && !self.has_ended_by_itself();
            assert!(waited, "{self:?} is not ready after {:?}\n{}", watch.elapsed(), self.log_tail());
            std::thread::sleep(PAUSE);
        }
    }

    /// Starts it without waiting.
    ///
    /// # Panics
    /// If it runs.
    pub fn launch(&self) {
        let mut process = self.process();
        assert!(process.is_none(), "{} runs already", self.name);
        *process = Some(Process::start(&self.name, &self.program, [&self.settings], &self.log));
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
            let ended = process.terminate(ENDED_WITHIN);
            assert!(ended.is_some(), "{} did not end:\n{}", self.name, process.log_tail());
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

    /// Whether it answers.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.ask(&["PING"]).is_some_and(|answer| answer == ["PONG"])
    }

    /// Whether it says that it is a primary; so does one that was replaced and has not heard of it.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.replication().is_some_and(|info| value(&info, "role") == Some("master"))
    }

    /// What it answers to a command: the texts and numbers of the answer, one after the other; `None` if it does not answer, or with an error.
    #[must_use]
    pub fn ask(&self, command: &[&str]) -> Option<Vec<String>> {
        ask(self.address, command).ok()
    }

    /// The same, of a server that has to answer.
    ///
    /// # Panics
    /// If it does not, or with an error.
    pub fn tell(&self, command: &[&str]) -> Vec<String> {
        ask(self.address, command).unwrap_or_else(|error| panic!("{self:?} was told {command:?}: {error}"))
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process().as_ref().map(Process::log_tail).unwrap_or_default()
    }

    pub(super) fn has_ended_by_itself(&self) -> bool {
        self.process().as_mut().is_some_and(|process| !process.is_running())
    }

    /// How many replicas a primary has that follow it; `None` of any other.
    pub(super) fn replicas_online(&self) -> Option<usize> {
        let info = self.replication()?;
        let is_online = |line: &&str| line.starts_with("slave") && line.contains("state=online");
        (value(&info, "role") == Some("master")).then(|| info.lines().filter(is_online).count())
    }

    /// Whether it is a replica that follows its primary.
    pub(super) fn follows(&self) -> bool {
        self.replication().is_some_and(|info| value(&info, "master_link_status") == Some("up"))
    }

    /// How many replicas a sentinel knows.
    pub(super) fn knows_replicas(&self) -> Option<usize> {
        let fields = self.ask(&["SENTINEL", "MASTER", Redis::MASTER])?;
        let at = fields.iter().position(|field| field == "num-slaves")?;
        fields.get(at + 1)?.parse().ok()
    }

    /// The primary that a sentinel sends clients to.
    pub(super) fn named_primary(&self) -> Option<SocketAddr> {
        let named = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Redis::MASTER])?;
        let [ip, port] = &named[..] else { return None };
        format!("{ip}:{port}").parse().ok()
    }

    fn replication(&self) -> Option<String> {
        self.ask(&["INFO", "replication"])?.pop()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.address)
    }
}
