//! What the sessions of one store share: its namespaces, under one lock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
#[cfg(feature = "test-util")]
use std::sync::atomic::AtomicBool;
use std::task::Waker;

use bytes::Bytes;

use crate::error::Error;
use crate::memory::namespace::Namespace;
#[cfg(feature = "test-util")]
use crate::memory::{faults::FaultState, stats::Counters};
use crate::runtime::Instant;
use crate::spi::{Name, SessionId};
use crate::sync::lock;

/// A store. Nothing in it outlives the process.
#[derive(Default)]
pub(super) struct Store {
    state: Mutex<State>,
    /// Some node has, or had, faults. As long as none has, requests do not look for any.
    #[cfg(feature = "test-util")]
    pub(super) faulty: AtomicBool,
    #[cfg(feature = "test-util")]
    pub(super) counters: Counters,
}

/// The number of a namespace in its store; namespaces are never removed.
pub(super) type NamespaceId = usize;

/// What the lock protects.
#[derive(Default)]
pub(super) struct State {
    pub(super) namespaces: Vec<Namespace>,
    pub(super) by_name: BTreeMap<Name, NamespaceId>,
    sessions_opened: u64,
    #[cfg(feature = "test-util")]
    pub(super) faults: FaultState,
}

impl Store {
    /// Runs `step` on the whole store, then wakes whom it concerns.
    pub(super) fn with<T>(&self, step: impl FnOnce(&mut State, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = step(&mut lock(&self.state), &mut wakes);
        wakes.run();
        result
    }

    /// Ends the sessions of a namespace that are due at `now`, runs `step`, then wakes whom it concerns.
    pub(super) fn access<T>(
        &self,
        namespace: NamespaceId,
        now: Instant,
        step: impl FnOnce(&mut Namespace, &mut Wakes) -> T,
    ) -> T {
        self.with(|state, wakes| {
            #[cfg(feature = "test-util")]
            state.faults.see(now);
            let namespace = &mut state.namespaces[namespace];
            namespace.reap(now, wakes);
            step(namespace, wakes)
        })
    }
}

impl Drop for Store {
    /// Lets the tasks of the sessions end: nobody can reach them any more.
    fn drop(&mut self) {
        self.with(|state, wakes| {
            state.namespaces.iter_mut().for_each(|namespace| namespace.wake_reapers(wakes));
        });
    }
}

impl fmt::Debug for Store {
    /// Shows who has a session, unless a thread is just using the store.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Store");
        if let Ok(state) = self.state.try_lock() {
            for (name, namespace) in &state.by_name {
                shown.field(name.as_str(), &state.namespaces[*namespace].sessions);
            }
        }
        shown.finish_non_exhaustive()
    }
}

impl State {
    /// The number of the namespace `name`, which begins empty.
    pub(super) fn namespace(&mut self, name: &Name) -> NamespaceId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = self.namespaces.len();
        self.namespaces.push(Namespace::new());
        #[cfg(feature = "test-util")]
        if self.faults.recording {
            self.namespaces[id].record();
        }
        self.by_name.insert(name.clone(), id);
        id
    }

    /// The namespace with the number `id`.
    pub(super) fn namespace_mut(&mut self, id: NamespaceId) -> &mut Namespace {
        &mut self.namespaces[id]
    }

    /// A session id that this store never gave before.
    pub(super) fn next_session_id(&mut self) -> Result<SessionId, Error> {
        self.sessions_opened += 1;
        SessionId::parse(&base_36(self.sessions_opened))
    }
}

fn base_36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit((number % 36) as u32, 36).unwrap_or('0');
        digits.push(digit);
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// What a step leaves for the time after the lock: wakers, because waking or dropping one can run code that uses the store, and what it replaced, because to free that
/// takes time in which others could use the store.
#[derive(Default)]
pub(super) struct Wakes {
    wake: Vec<Waker>,
    discard: Vec<Waker>,
    gone: Vec<Bytes>,
}

impl Wakes {
    /// Wakes whoever waits in `slot`.
    pub(super) fn wake(&mut self, slot: &mut Option<Waker>) {
        self.wake.extend(slot.take());
    }

    /// Lets `waker` wait in `slot`.
    pub(super) fn register(&mut self, slot: &mut Option<Waker>, waker: &Waker) {
        if !slot.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
            self.discard.extend(slot.replace(waker.clone()));
        }
    }

    /// Makes room for so many values that will be replaced or removed.
    pub(super) fn reserve(&mut self, values: usize) {
        self.gone.reserve(values);
    }

    /// Frees a value that was replaced or removed.
    pub(super) fn free(&mut self, value: Bytes) {
        self.gone.push(value);
    }

    /// Wakes all who wait in `waiting`.
    #[cfg(feature = "test-util")]
    pub(super) fn wake_all(&mut self, waiting: &mut Vec<Waker>) {
        self.wake.append(waiting);
    }

    fn run(self) {
        self.wake.into_iter().for_each(Waker::wake);
    }
}
