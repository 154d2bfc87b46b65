//! One server of several of a kind: the program that runs it, and what can be done to that.
//!
//! What each kind adds is how to ask it something. A kind's own `Member` leads here for all the rest, so that a test says `member.kill()` whatever it talks to.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Folder, Process, Program};
use crate::clock::Stopwatch;

/// How long servers that run may take to be ready, or to agree, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How often a server is asked how it is.
const PAUSE: Duration = Duration::from_millis(20);

/// How long one that was asked to end may take: a leader hands over first.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// The program of one server. It keeps its arguments and its data when it is restarted.
#[derive(Debug)]
pub struct Host {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    data: PathBuf,
    log: PathBuf,
    process: Mutex<Option<Process>>,
}

impl Host {
    /// The server `name`, with its data and its log in `folder`.
    pub(super) fn new(folder: &Folder, name: String, program: &Program, arguments: Vec<String>) -> Self {
        let log = folder.path().join(format!("{name}.log"));
        let data = Self::data_of(folder, &name);
        Self { program: program.path().to_path_buf(), arguments, data, log, process: Mutex::new(None), name }
    }

    /// Where the server `name` keeps its data.
    pub(super) fn data_of(folder: &Folder, name: &str) -> PathBuf {
        folder.path().join(name)
    }

    /// Its name in messages, and in a cluster that has names.
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

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process().as_ref().map(Process::log_tail).unwrap_or_default()
    }

    pub(super) fn has_ended_by_itself(&self) -> bool {
        self.process().as_mut().is_some_and(|process| !process.is_running())
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server of some kind.
pub(super) trait Hosted: fmt::Debug + Sized {
    fn host(&self) -> &Host;

    /// Whether it serves.
    fn serves(&self) -> bool;

    /// Starts it, again or for the first time, and waits until it serves.
    fn start_and_wait(&self) {
        self.host().launch();
        wait_until_ready(std::slice::from_ref(self));
    }
}

/// Waits until each of `members` that runs serves.
pub(super) fn wait_until_ready<M: Hosted>(members: &[M]) {
    for member in members.iter().filter(|member| member.host().is_running()) {
        wait_for(&format!("{member:?} to be ready"), members, || member.serves());
    }
}

/// Waits until `is_so`, while none of `members` ends by itself.
pub(super) fn wait_for<'a, M: Hosted + 'a>(
    what: &str,
    members: impl IntoIterator<Item = &'a M> + Clone,
    mut is_so: impl FnMut() -> bool,
) {
    let watch = Stopwatch::start();
    while !is_so() {
        let ended = members.clone().into_iter().find(|member| member.host().has_ended_by_itself());
        let waited = watch.elapsed() < READY_WITHIN && ended.is_none();
        let logs = || logs(members.clone());
        assert!(waited, "waited {:?} for {what}; ended: {ended:?}\n{}", watch.elapsed(), logs());
        std::thread::sleep(PAUSE);
    }
}

/// Waits for the one of `members` that runs and of which `leads` is true. A leader that is stopped answers nobody, so this is one that the others have elected.
pub(super) fn leader<M: Hosted>(members: &[M], leads: impl Fn(&M) -> bool) -> usize {
    let mut found = None;
    wait_for("a leader", members, || {
        found = members.iter().position(|member| member.host().is_running() && leads(member));
        found.is_some()
    });
    found.unwrap_or_default()
}

/// The last lines of the logs of all of them, for messages.
pub(super) fn logs<'a, M: Hosted + 'a>(members: impl IntoIterator<Item = &'a M>) -> String {
    let tail = |member: &M| format!("--- {member:?}\n{}\n", member.host().log_tail());
    members.into_iter().map(tail).collect()
}

/// Ends all of them. The logs of a test that fails stay; the data is large, and in memory.
pub(super) fn end<'a, M: Hosted + 'a>(members: impl IntoIterator<Item = &'a M>) {
    for member in members {
        member.host().kill();
        if std::thread::panicking() {
            drop(std::fs::remove_dir_all(member.host().data()));
        }
    }
}
