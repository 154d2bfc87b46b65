//! Several processes on one store, and a scheduler that a seed decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::wire::Request;
use super::{Play, Process, Random, Store};
use crate::coordinator::Input;
use crate::error::{Error, ErrorKind};
use crate::runtime::Instant;
use crate::spi::{SessionId, Stamp};

/// What may go wrong in a world, beyond delays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// Requests are refused, sessions run out.
    pub(crate) losses: bool,
    /// The store forgets commits.
    pub(crate) forgetting: bool,
}

pub(crate) struct World<M: Play> {
    pub(crate) store: Store,
    pub(crate) processes: Vec<Process<M>>,
    pub(crate) now: Instant,
    random: Random,
    faults: Faults,
    /// Requests of sessions that are over; they may still reach the store.
    late: Vec<(SessionId, Request)>,
    /// The newest token of each weight, and all tokens.
    newest: BTreeMap<u64, u64>,
    tokens: BTreeSet<u64>,
    pub(crate) grants: usize,
    /// What a reader of a failure wants to know.
    seed: u64,
}

impl<M: Play> World<M> {
    pub(crate) fn new(seed: u64, processes: usize, faults: Faults) -> Self {
        let mut world = Self {
            store: Store::default(),
            processes: (0..processes).map(Process::new).collect(),
            now: Instant::from_start(Duration::ZERO),
            random: Random::new(seed),
            faults,
            late: Vec::new(),
            newest: BTreeMap::new(),
            tokens: BTreeSet::new(),
            grants: 0,
            seed,
        };
        world.store.trusts_clients = faults.forgetting && seed.is_multiple_of(4);
        for process in &mut world.processes {
            process.is_slow = true;
            process.open(&mut world.store);
        }
        world
    }

    /// Lets `steps` random things happen, then none that is a fault until nothing is left to do.
    pub(crate) fn run(&mut self, steps: usize, callers: usize) {
        for _ in 0..steps {
            self.step(callers);
            self.check();
        }
        self.drain();
    }

    fn check(&mut self) {
        let seed = self.seed;
        for process in &mut self.processes {
            for (stamp, weight) in process.granted.drain(..) {
                self.grants += 1;
                let token = stamp.created().as_u64();
                // Those that could not be held beside it came before it.
                let before = self.newest.range(M::CAPACITY - weight + 1..).map(|(_, token)| *token).max();
                assert!(before < Some(token), "seed {seed}: token {token} is not larger than {before:?}");
                assert!(self.tokens.insert(token), "seed {seed}: token {token} was granted twice");
                let newest = self.newest.entry(weight).or_default();
                *newest = token.max(*newest);
                let author = self.store.author(stamp.created());
                assert_eq!(
                    author,
                    process.session.as_ref(),
                    "seed {seed}: a grant that another session created"
                );
                if !self.faults.forgetting {
                    in_order::<M>(&self.store, &stamp, seed);
                }
            }
        }
        let believed = self.processes.iter().flat_map(Process::believed);
        let weight = believed.map(|held| held.weight).sum::<u64>();
        assert!(weight <= M::CAPACITY, "seed {seed}: {weight} of {} are held at once", M::CAPACITY);
    }

    // Random steps ------------------------------------------------------------------------------------------------

    fn step(&mut self, callers: usize) {
        let at = self.random.below(self.processes.len());
        match self.random.below(20) {
            0..=4 => self.execute(at),
            5..=9 => self.answer(at),
            10 => {
                let interrupted = self.random.one_in(10);
                self.processes[at].overhear(&self.store, interrupted);
            }
            11 => self.processes[at].hear(),
            12 => self.pass(),
            13 | 14 => self.call(at, callers),
            15 | 16 => self.uncall(at),
            17 => drop(self.processes[at].renew(&mut self.store)),
            18 => self.keep_session(at),
            _ => self.fault(at),
        }
    }

    fn execute(&mut self, at: usize) {
        if self.random.one_in(6) && !self.late.is_empty() {
            let (session, mut request) = self.late.swap_remove(self.random.below(self.late.len()));
            request.execute(&session, &mut self.store, self.now);
            return;
        }
        let process = &mut self.processes[at];
        let Some(session) = process.session.clone() else { return };
        let mut unanswered: Vec<_> = process.requests.iter_mut().filter(|r| !r.is_answered()).collect();
        if unanswered.is_empty() {
            return;
        }
        let nth = self.random.below(unanswered.len());
        if self.faults.losses && self.random.one_in(12) {
            unanswered[nth].refuse(Error::new(ErrorKind::Unavailable, "reach the store"));
        } else {
            unanswered[nth].execute(&session, &mut self.store, self.now);
        }
    }

    fn answer(&mut self, at: usize) {
        let process = &mut self.processes[at];
        let answered = process.requests.iter().enumerate().filter(|(_, r)| r.is_answered());
        let answered: Vec<usize> = answered.map(|(nth, _)| nth).collect();
        if !answered.is_empty() {
            process.answer(answered[self.random.below(answered.len())]);
        }
    }

    fn pass(&mut self) {
        let wake = self.processes.iter().filter_map(|process| process.machine.next_wake()).min();
        self.now = match (self.random.below(8), wake) {
            (0..=3, Some(wake)) => self.now.max(wake),
            (0..=5, _) => self.now + Duration::from_millis(30),
            (6, _) => self.now + Duration::from_millis(600),
            _ => self.now + Duration::from_secs(2),
        };
        self.set_time();
    }

    fn set_time(&mut self) {
        self.store.expire(self.now);
        for process in &mut self.processes {
            process.now = self.now;
            process.tick();
        }
    }

    fn call(&mut self, at: usize, callers: usize) {
        let process = &mut self.processes[at];
        if self.random.one_in(8) {
            process.meddle(&mut self.random);
        } else if process.waiting.len() + process.held.len() < callers {
            process.want(&mut self.random);
        }
    }

    fn uncall(&mut self, at: usize) {
        let process = &mut self.processes[at];
        if self.random.one_in(3) {
            process.say_unsaid();
            process.empty_inbox();
        }
        if !process.held.is_empty() && self.random.one_in(2) {
            let nth = self.random.below(process.held.len());
            if self.random.one_in(4) {
                process.weaken(nth);
            } else {
                process.let_go(nth, self.random.one_in(2));
            }
        } else if !process.waiting.is_empty() && self.random.one_in(3) {
            process.give_up(self.random.below(process.waiting.len()));
        }
    }

    /// Notices that the session is over, and opens another one.
    fn keep_session(&mut self, at: usize) {
        let process = &mut self.processes[at];
        if process.session.is_none() {
            process.open(&mut self.store);
        } else if process.session.as_ref().is_some_and(|s| !self.store.is_alive(s)) || !process.is_valid() {
            self.lose(at);
        }
    }

    fn lose(&mut self, at: usize) {
        let process = &mut self.processes[at];
        let unanswered: Vec<Request> = process.requests.drain(..).filter(|r| !r.is_answered()).collect();
        let Some(session) = process.lose() else { return };
        self.late.extend(unanswered.into_iter().map(|request| (session.clone(), request)));
        // It is closed if the store can be reached.
        if self.random.one_in(2) {
            self.store.end(&session);
        }
    }

    fn fault(&mut self, at: usize) {
        if self.faults.forgetting && self.random.one_in(6) {
            let commits = self.random.below(5);
            self.store.forget(commits, self.now);
        } else if self.faults.losses && self.random.one_in(5) {
            self.lose(at);
        }
    }

    // Draining ----------------------------------------------------------------------------------------------------

    /// Everything goes well from now on, and nobody wants anything new: in the end nothing is left.
    pub(crate) fn drain(&mut self) {
        self.late.clear();
        for process in &mut self.processes {
            process.is_slow = false;
            process.say_unsaid();
            process.empty_inbox();
        }
        for _ in 0..600 {
            for at in 0..self.processes.len() {
                self.settle(at);
                self.check();
            }
            if self.is_drained() {
                return;
            }
            self.now = self.now + Duration::from_millis(100);
            self.set_time();
            self.check();
        }
        self.describe();
    }

    fn settle(&mut self, at: usize) {
        if self.processes[at].session.is_none() || !self.processes[at].renew(&mut self.store) {
            self.lose(at);
            self.processes[at].open(&mut self.store);
        }
        if let Some(request) = M::soothe() {
            self.processes[at].feed(Input::Request(request));
        }
        for _ in 0..50 {
            let process = &mut self.processes[at];
            let session = process.session.clone().unwrap();
            for request in process.requests.iter_mut().filter(|request| !request.is_answered()) {
                request.execute(&session, &mut self.store, self.now);
            }
            if !process.requests.is_empty() {
                process.answer(0);
            }
            process.overhear(&self.store, false);
            process.hear();
            if !process.held.is_empty() {
                process.let_go(0, true);
            }
            if process.requests.is_empty() && process.has_heard_all() {
                return;
            }
        }
    }

    fn is_drained(&self) -> bool {
        self.processes.iter().all(Process::is_done)
            && self.store.entries().all(|entry| entry.owner().is_none() || M::stays(entry))
    }

    /// Fails, and says what is left.
    fn describe(&self) -> ! {
        let mut text = format!("seed {}: not all is served and gone", self.seed);
        for (node, process) in self.processes.iter().enumerate() {
            text += &format!(
                "\n  process {node} ({:?}): waiting {:?}, holding {:?}, requests {:?}, {:?}",
                process.session, process.waiting, process.held, process.requests, process.machine
            );
        }
        for entry in self.store.entries() {
            text += &format!("\n  in the store: {} of {:?}", entry.key(), entry.owner());
        }
        panic!("{text}");
    }
}

/// Nobody is granted anything while an older entry leaves no room for it: nobody is let past somebody who waits.
fn in_order<M: Play>(store: &Store, granted: &Stamp, seed: u64) {
    let Some(entry) = store.entries().find(|entry| entry.stamp().is_same_incarnation(granted)) else {
        return;
    };
    let queue = store.entries().filter(|other| other.key().collection() == entry.key().collection());
    let older: u64 = queue.filter(|other| other.created() <= entry.created()).filter_map(M::takes).sum();
    assert!(older <= M::CAPACITY, "seed {seed}: {granted:?} was granted out of turn");
}
