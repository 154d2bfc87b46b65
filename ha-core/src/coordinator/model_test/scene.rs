//! Several processes on one store, and a test that says what happens when.

use std::time::Duration;

use super::wire::Request;
use super::{Play, Process, Store};
use crate::coordinator::Input;
use crate::error::{Error, ErrorKind};
use crate::runtime::Instant;
use crate::spi::{SessionId, Txn};

pub(crate) struct Scene<M: Play> {
    pub(crate) store: Store,
    pub(crate) processes: Vec<Process<M>>,
    pub(crate) now: Instant,
}

impl<M: Play> Scene<M> {
    /// `processes` of them, each with a session.
    pub(crate) fn of(processes: usize) -> Self {
        let mut scene = Self {
            store: Store::default(),
            processes: (0..processes).map(Process::new).collect(),
            now: Instant::from_start(Duration::ZERO),
        };
        (0..processes).for_each(|at| scene.processes[at].open(&mut scene.store));
        scene
    }

    /// `caller` asks and waits.
    pub(crate) fn call(&mut self, at: usize, caller: u64, request: M::Request) {
        self.processes[at].waiting.insert(caller);
        self.processes[at].feed(Input::Request(request));
    }

    /// Asked, and nobody waits.
    pub(crate) fn say(&mut self, at: usize, request: M::Request) {
        self.processes[at].feed(Input::Request(request));
    }

    /// The caller's future is dropped.
    pub(crate) fn give_up(&mut self, at: usize, caller: u64) {
        self.processes[at].waiting.remove(&caller);
        self.processes[at].feed(Input::Request(M::give_up(caller)));
    }

    /// The one grant that the process has, and what became of its token.
    pub(crate) fn grant(&self, at: usize) -> u64 {
        assert_eq!(self.processes[at].held.len(), 1, "process {at} holds one grant");
        self.processes[at].held[0].grant
    }

    pub(crate) fn holds(&self, at: usize) -> bool {
        self.processes[at].believed().next().is_some()
    }

    /// The holder lets go; `caller` waits until that is done.
    pub(crate) fn let_go(&mut self, at: usize, caller: u64) {
        let grant = self.grant(at);
        self.processes[at].held.clear();
        self.call(at, caller, M::let_go(grant, Some(caller)));
    }

    // Requests ----------------------------------------------------------------------------------------------------

    pub(crate) fn in_flight(&self, at: usize) -> usize {
        self.processes[at].requests.len()
    }

    /// The transaction of the request `nth`.
    pub(crate) fn txn(&self, at: usize, nth: usize) -> &Txn {
        match &self.processes[at].requests[nth] {
            Request::Commit { txn, .. } => txn,
            Request::List { .. } => panic!("a listing, not a commit"),
        }
    }

    /// The request `nth` reaches the store.
    pub(crate) fn execute(&mut self, at: usize, nth: usize) {
        let process = &mut self.processes[at];
        let session = process.session.clone().unwrap();
        process.requests[nth].execute(&session, &mut self.store, self.now);
    }

    /// The answer to the request `nth` arrives.
    pub(crate) fn answer(&mut self, at: usize, nth: usize) {
        self.processes[at].answer(nth);
    }

    /// The request `nth` does not reach the store.
    pub(crate) fn refuse(&mut self, at: usize, nth: usize, error: Error) {
        self.processes[at].requests[nth].refuse(error);
        self.processes[at].answer(nth);
    }

    pub(crate) fn refuse_as(&mut self, at: usize, nth: usize, kind: ErrorKind) {
        self.refuse(at, nth, Error::new(kind, "reach the store"));
    }

    /// Everything that is under way arrives, at every process, until nothing is.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100 {
            let mut quiet = true;
            for at in 0..self.processes.len() {
                quiet &= self.exchange(at);
            }
            if quiet {
                return;
            }
        }
        panic!("the machines go on asking");
    }

    /// Everything that is under way arrives, except at the process `silent`.
    pub(crate) fn settle_but(&mut self, silent: usize) {
        while (0..self.processes.len()).any(|at| at != silent && !self.exchange(at)) {}
    }

    /// Everything that is under way at the process arrives, except the first `kept` requests.
    pub(crate) fn settle_behind(&mut self, at: usize, kept: usize) {
        loop {
            self.hear_all(at);
            if self.in_flight(at) <= kept {
                return;
            }
            self.execute(at, kept);
            self.answer(at, kept);
        }
    }

    /// The watches of the process say what there is, and it hears that.
    pub(crate) fn hear_all(&mut self, at: usize) {
        let process = &mut self.processes[at];
        process.overhear(&self.store, false);
        while !process.has_heard_all() {
            process.hear();
        }
    }

    fn exchange(&mut self, at: usize) -> bool {
        let process = &mut self.processes[at];
        let Some(session) = process.session.clone() else { return true };
        process.overhear(&self.store, false);
        let quiet = process.requests.is_empty() && process.has_heard_all();
        process.hear();
        if let Some(request) = process.requests.first_mut() {
            if !request.is_answered() {
                request.execute(&session, &mut self.store, self.now);
            }
            process.answer(0);
        }
        quiet
    }

    // Time and faults ---------------------------------------------------------------------------------------------

    /// Time passes; sessions are renewed, the store can be reached.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now = until.min(self.now + Duration::from_secs(1));
            for process in &mut self.processes {
                process.now = self.now;
                let _alive = process.renew(&mut self.store);
                process.tick();
            }
            self.store.expire(self.now);
        }
    }

    /// The store loses the last `commits`. Nobody knows yet.
    pub(crate) fn forget(&mut self, commits: usize) {
        self.store.forget(commits, self.now);
    }

    /// A renewal tells whatever is news.
    pub(crate) fn renew(&mut self, at: usize) {
        assert!(self.processes[at].renew(&mut self.store), "the session is alive");
    }

    /// The process loses its session; the store does not know, and what is under way may still arrive.
    pub(crate) fn lose(&mut self, at: usize) -> (SessionId, Vec<Request>) {
        let late = std::mem::take(&mut self.processes[at].requests);
        (self.processes[at].lose().unwrap(), late)
    }

    pub(crate) fn reopen(&mut self, at: usize) {
        self.processes[at].open(&mut self.store);
    }

    /// How many entries the store has that belong to a session.
    pub(crate) fn owned(&self) -> usize {
        self.store.entries().filter(|entry| entry.owner().is_some()).count()
    }
}
