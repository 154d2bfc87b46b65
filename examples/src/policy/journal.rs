//! The inbox, and what became of the requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The requests and their executions. It plays the part of a database that outlives the schedulers.
#[derive(Debug)]
pub(super) struct Journal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    requests: u32,
    waiting: Vec<u32>,
    /// Who has taken which request, and whether its execution runs.
    taken: BTreeMap<u32, (String, bool)>,
    executed: u32,
    died: u32,
    busiest: u32,
}

impl Journal {
    pub(super) fn new(requests: u32) -> Self {
        Self(Mutex::new(State { requests, waiting: (0..requests).rev().collect(), ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the next request to `scheduler`.
    pub(super) fn take(&self, scheduler: &str) -> Option<u32> {
        let mut state = self.state();
        let request = state.waiting.pop()?;
        state.taken.insert(request, (scheduler.into(), false));
        Some(request)
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state();
        state.executed == state.requests
    }

    /// Whether `scheduler` is in the middle of an execution.
    pub(super) fn is_executing(&self, scheduler: &str) -> bool {
        self.state().taken.values().any(|(owner, runs)| *runs && owner == scheduler)
    }

    /// The execution begins.
    pub(super) fn begin(&self, request: u32) {
        let mut state = self.state();
        if let Some((_, runs)) = state.taken.get_mut(&request) {
            *runs = true;
        }
        let running = state.taken.values().filter(|(_, runs)| *runs).count();
        state.busiest = state.busiest.max(u32::try_from(running).unwrap_or(u32::MAX));
    }

    /// The execution ends; one whose permit was lost is begun again by somebody.
    pub(super) fn end(&self, request: u32, executed: bool) {
        let mut state = self.state();
        state.taken.remove(&request);
        if executed {
            state.executed += 1;
        } else {
            state.waiting.push(request);
        }
    }

    /// The scheduler is dead: its executions have ended, and others go on with its requests. Returns how many executions that were.
    pub(super) fn bury(&self, scheduler: &str) -> u32 {
        let mut state = self.state();
        let mut died = 0;
        let taken = std::mem::take(&mut state.taken);
        for (request, (owner, runs)) in taken {
            if owner == scheduler {
                died += u32::from(runs);
                state.waiting.push(request);
            } else {
                state.taken.insert(request, (owner, runs));
            }
        }
        state.died += died;
        died
    }

    pub(super) fn executed(&self) -> u32 {
        self.state().executed
    }

    pub(super) fn died(&self) -> u32 {
        self.state().died
    }

    /// The most executions that ran at once.
    pub(super) fn busiest(&self) -> u32 {
        self.state().busiest
    }
}
