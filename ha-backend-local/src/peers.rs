//! Whose sessions there are, and which of them are over: because the process died, or because the deadline has passed.
//!
//! The kernel tells of a death at once (a pidfd becomes readable), whatever the process has left behind. It cannot tell about processes of
//! other pid namespaces, nor where this process may open no more descriptors: there the deadline decides.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ha_core::runtime::{LocalProcesses, Process, Processes};
use rusqlite::Connection;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clock::Moment;
use crate::error::Failure;
use crate::keys::Number;
use crate::life;
use crate::site::Shared;
use crate::step::Step;

/// A session that could not be ended when it was due is looked at again after this time.
const AGAIN: Duration = Duration::from_millis(100);

/// The processes and sessions of a store.
#[derive(Debug)]
pub(crate) struct Peers {
    shared: Arc<Shared>,
    processes: BTreeMap<String, Peer>,
    sessions: BTreeMap<Number, Due>,
    /// The writer was asked to end sessions and has not done so yet.
    asked: Arc<AtomicBool>,
}

/// The writer can be asked again when this is dropped, whatever became of what it was asked.
struct Asked(Arc<AtomicBool>);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Another process.
#[derive(Debug)]
struct Peer {
    descriptor: Option<OwnedFd>,
    is_dead: Cell<bool>,
}

/// When to look at a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    number: Number,
    ttl: Duration,
    look_at: Moment,
    /// Since when its file has not been there.
    missing_since: Option<Moment>,
}

impl Peers {
    /// None yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, processes: BTreeMap::new(), sessions: BTreeMap::new(), asked: Arc::default() }
    }

    /// Reads who is there at `revision`, the latest that `connection` shows.
    pub(crate) fn reload(&mut self, connection: &Connection, revision: i64) -> Result<(), Failure> {
        let mut statement = connection.prepare_cached("SELECT number, ttl, process FROM sessions")?;
        let mut rows = statement.query([])?;
        let (mut processes, mut sessions) = (BTreeMap::new(), BTreeMap::new());
        while let Some(row) = rows.next()? {
            let number = Number(row.get(0)?);
            let ttl = Duration::from_nanos(row.get::<_, i64>(1)?.cast_unsigned());
            let process: String = row.get(2)?;
            let due = self.sessions.remove(&number).unwrap_or_else(|| self.meet(number, ttl));
            sessions.insert(number, due);
            if process != self.shared.process_text && !processes.contains_key(&process) {
                let peer = self.processes.remove(&process).unwrap_or_else(|| self.find(&process));
                processes.insert(process, peer);
            }
        }
        (self.processes, self.sessions) = (processes, sessions);
        for (holder, number) in self.shared.own_sessions() {
            // What was opened since cannot be here yet.
            if number.0 <= revision && !self.sessions.contains_key(&number) {
                self.shared.end_holder(holder);
            }
        }
        Ok(())
    }

    /// How long until a session has to be looked at.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        let now = self.shared.clock.now();
        self.sessions.values().map(|due| now.until(due.look_at)).min()
    }

    /// What becomes readable when a process dies, in the order of [`note_deaths`](Self::note_deaths).
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.watched().filter_map(|peer| peer.descriptor.as_ref()).map(AsFd::as_fd)
    }

    /// These have become readable.
    pub(crate) fn note_deaths(&self, ready: &[bool]) {
        let watched: Vec<&Peer> = self.watched().collect();
        watched.into_iter().zip(ready).for_each(|(peer, ready)| peer.is_dead.set(*ready));
    }

    /// Has the sessions ended whose process is dead, and those whose deadline has passed.
    pub(crate) fn end_those_over(&mut self) {
        let mut due = self.due();
        let dead: Vec<String> = self.dead();
        if (due.is_empty() && dead.is_empty()) || self.asked.swap(true, Ordering::AcqRel) {
            return;
        }
        let (shared, asked) = (Arc::clone(&self.shared), Asked(Arc::clone(&self.asked)));
        let end = move |step: &mut Step<'_>| {
            let _until_it_is_over = &asked;
            dead.iter().try_for_each(|process| step.end_process(process))?;
            for session in &mut due {
                // Only now nobody else can be confirming it.
                let now = step.now();
                if !step.is_holding() && session.deadline(&shared, now) <= now {
                    step.end_session(session.number)?;
                }
            }
            Ok(())
        };
        // Nobody waits for it; it is asked again as long as a session is still there.
        drop(self.shared.queue.submit("end a session", end, None));
    }

    /// The sessions whose deadline has passed.
    fn due(&mut self) -> Vec<Due> {
        let now = self.shared.clock.now();
        let mut due = Vec::new();
        for session in self.sessions.values_mut().filter(|session| session.look_at <= now) {
            let deadline = session.deadline(&self.shared, now);
            if deadline <= now {
                session.look_at = now + AGAIN;
                due.push(*session);
            } else {
                session.look_at = deadline;
            }
        }
        due
    }

    /// The processes that are dead and have sessions.
    fn dead(&self) -> Vec<String> {
        let dead = self.processes.iter().filter(|(_, peer)| peer.is_dead.get());
        dead.map(|(process, _)| process.clone()).collect()
    }

    fn watched(&self) -> impl Iterator<Item = &Peer> {
        self.processes.values().filter(|peer| peer.descriptor.is_some() && !peer.is_dead.get())
    }

    fn meet(&self, number: Number, ttl: Duration) -> Due {
        let mut due = Due { number, ttl, look_at: Moment::default(), missing_since: None };
        due.look_at = due.deadline(&self.shared, self.shared.clock.now());
        due
    }

    /// Finds the process that calls itself `text`.
    fn find(&self, text: &str) -> Peer {
        let unknown = Peer { descriptor: None, is_dead: Cell::new(false) };
        let Ok(process) = serde_json::from_str::<Process>(text) else { return unknown };
        let pid = process.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|_| process.shares_pids_with(&self.shared.process)) else {
            return unknown;
        };
        // First the descriptor, then the question whose it is: another process that was given the id later shows by its start time.
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok();
        let is_dead = LocalProcesses::new().is_gone(&process);
        Peer { descriptor, is_dead: Cell::new(is_dead) }
    }
}

impl Due {
    /// The deadline, as far as this process can know. Without its file, or with one that makes no sense, a session may have been renewed just before, so it
    /// is given its whole ttl from now on.
    fn deadline(&mut self, shared: &Shared, now: Moment) -> Moment {
        match life::deadline(&shared.folder, shared.boot, self.number) {
            Some(deadline) => {
                self.missing_since = None;
                deadline
            }
            None => *self.missing_since.get_or_insert(now) + self.ttl,
        }
    }
}
