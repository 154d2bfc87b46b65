//! One process of a world: a machine, its session, and what engine and supervisor do around them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::store::TTL;
use super::wire::{Request, Watch};
use super::{News, Play, Random, Store};
use crate::coordinator::{Context, Input, Output};
use crate::error::ErrorKind;
use crate::runtime::Instant;
use crate::spi::{Lineage, SessionId, Stamp, WatchEvent, WatchTarget};

/// For how long after a renewal was sent grants are believed in: less than the store's ttl.
const BELIEF: Duration = Duration::from_secs(9);

/// A grant as its holder knows it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) grant: u64,
    pub(crate) token: u64,
    pub(crate) weight: u64,
    session: SessionId,
    ended: bool,
}

pub(crate) struct Process<M: Play> {
    pub(crate) machine: M,
    pub(crate) now: Instant,
    pub(crate) session: Option<SessionId>,
    numbers: AtomicU64,
    valid_until: Instant,
    lineage: Lineage,
    reconciling: bool,
    /// When a renewal was sent that counts once the discontinuity is dealt with.
    pending: Option<Instant>,
    pub(crate) requests: Vec<Request>,
    watches: BTreeMap<u8, Watch>,
    pub(crate) waiting: BTreeSet<u64>,
    pub(crate) held: Vec<Held>,
    next_caller: u64,
    inbox: VecDeque<Input<M::Request>>,
    /// Whether the machine hears late of grants that were not delivered; what it is to hear.
    pub(crate) is_slow: bool,
    unsaid: VecDeque<M::Request>,
    /// What callers were told that are not granted anything.
    pub(crate) answers: BTreeMap<u64, Option<ErrorKind>>,
    /// The grants handed out since the world looked last, and their weights.
    pub(crate) granted: Vec<(Stamp, u64)>,
}

impl<M: Play> Process<M> {
    pub(crate) fn new(node: usize) -> Self {
        Self {
            machine: M::create(node),
            now: Instant::from_start(Duration::ZERO),
            session: None,
            numbers: AtomicU64::new(1),
            valid_until: Instant::from_start(Duration::ZERO),
            lineage: Lineage::default(),
            reconciling: false,
            pending: None,
            requests: Vec::new(),
            watches: BTreeMap::new(),
            waiting: BTreeSet::new(),
            held: Vec::new(),
            next_caller: 1,
            inbox: VecDeque::new(),
            is_slow: false,
            unsaid: VecDeque::new(),
            answers: BTreeMap::new(),
            granted: Vec::new(),
        }
    }

    /// Whether grants of the session are believed in.
    pub(crate) fn is_valid(&self) -> bool {
        self.session.is_some() && self.now < self.valid_until
    }

    /// The grants that are believed in.
    pub(crate) fn believed(&self) -> impl Iterator<Item = &Held> {
        let current = |held: &&Held| self.session.as_ref() == Some(&held.session) && !held.ended;
        self.held.iter().filter(current).filter(|_| self.is_valid())
    }

    /// Whether the machine has dealt with the latest discontinuity.
    pub(crate) fn is_reconciled(&self) -> bool {
        !self.reconciling
    }

    // The session -------------------------------------------------------------------------------------------------

    pub(crate) fn open(&mut self, store: &mut Store) {
        let session = store.open(self.now);
        self.observe(store.lineage());
        self.session = Some(session.clone());
        self.valid_until = self.now + BELIEF;
        self.feed(Input::SessionUp { session, hold_until: self.lineage.hold_until() });
    }

    pub(crate) fn lose(&mut self) -> Option<SessionId> {
        let session = self.session.take()?;
        self.requests.clear();
        self.watches.clear();
        self.pending = None;
        self.feed(Input::SessionDown);
        Some(session)
    }

    /// Renews. False if the session is over.
    pub(crate) fn renew(&mut self, store: &mut Store) -> bool {
        let Some(session) = self.session.clone().filter(|_| self.is_valid()) else { return false };
        if !store.renew(&session, self.now) {
            return false;
        }
        self.observe(store.lineage());
        self.pending = Some(self.now);
        self.extend();
        true
    }

    fn extend(&mut self) {
        if let Some(sent) = self.pending.take_if(|_| !self.reconciling && self.now < self.valid_until) {
            self.valid_until = self.valid_until.max(sent + BELIEF);
        }
    }

    fn observe(&mut self, lineage: Lineage) {
        if lineage.generation() > self.lineage.generation() {
            self.lineage = lineage;
            self.reconciling = true;
            self.pending = None;
            self.feed(Input::Discontinuity { hold_until: lineage.hold_until() });
        }
    }

    // Answers and watches -----------------------------------------------------------------------------------------

    /// Takes the answer of a request that was executed or refused.
    pub(crate) fn answer(&mut self, at: usize) {
        let request = self.requests.remove(at);
        if let Some(lineage) = request.lineage() {
            self.observe(lineage);
        }
        let void = request.lineage().is_some_and(|l| l.generation() < self.lineage.generation());
        match request {
            Request::Commit { tag, .. } | Request::List { tag, .. } if void => {
                self.feed(Input::Voided { tag });
            }
            Request::Commit { tag, answer, .. } => {
                self.feed(Input::Committed { tag, outcome: answer.unwrap() });
            }
            Request::List { tag, answer, .. } => self.feed(Input::Listed { tag, listing: answer.unwrap() }),
        }
    }

    /// Lets each watch say what changed since it spoke last.
    pub(crate) fn overhear(&mut self, store: &Store, interrupted: bool) {
        if self.session.as_ref().is_none_or(|session| !store.is_alive(session)) {
            return;
        }
        for watch in self.watches.values_mut() {
            watch.say(store, interrupted);
        }
    }

    /// Lets the watch in `slot` say what changed since it spoke last.
    pub(crate) fn overhear_in(&mut self, slot: u8, store: &Store) {
        self.watches.get_mut(&slot).unwrap().say(store, false);
    }

    pub(crate) fn has_heard_all(&self) -> bool {
        self.watches.values().all(|watch| watch.said.is_empty())
    }

    /// Hears one thing that a watch said.
    pub(crate) fn hear(&mut self) {
        let Some((slot, watch)) = self.watches.iter_mut().find(|(_, watch)| !watch.said.is_empty()) else {
            return;
        };
        let (slot, event) = (*slot, watch.said.pop_front().unwrap());
        let lineage = match &event {
            WatchEvent::Snapshot { lineage, .. } | WatchEvent::Changed { lineage, .. } => Some(*lineage),
            WatchEvent::Discontinuity(lineage) => Some(*lineage),
            WatchEvent::Interrupted => None,
        };
        lineage.into_iter().for_each(|lineage| self.observe(lineage));
        let void = lineage.is_some_and(|l| l.generation() < self.lineage.generation());
        if !void && self.watches.contains_key(&slot) {
            self.feed(Input::Watched { slot, event });
        }
    }

    /// What is watched.
    pub(crate) fn watched(&self) -> Vec<&WatchTarget> {
        self.watches.values().map(|watch| &watch.target).collect()
    }

    /// Tells the machine that its instant has come, if it has.
    pub(crate) fn tick(&mut self) {
        if self.machine.next_wake().is_some_and(|at| at <= self.now) {
            self.feed(Input::Tick);
        }
    }

    // Callers -----------------------------------------------------------------------------------------------------

    pub(crate) fn want(&mut self, random: &mut Random) {
        let caller = self.new_caller();
        let request = M::want(caller, random, self.now);
        self.waiting.insert(caller);
        self.feed(Input::Request(request));
    }

    pub(crate) fn give_up(&mut self, nth: usize) {
        if let Some(caller) = self.waiting.iter().nth(nth).copied() {
            self.waiting.remove(&caller);
            self.feed(Input::Request(M::give_up(caller)));
        }
    }

    pub(crate) fn let_go(&mut self, nth: usize, awaited: bool) {
        let held = self.held.remove(nth);
        let caller = awaited.then(|| self.new_caller());
        self.waiting.extend(caller);
        self.feed(Input::Request(M::let_go(held.grant, caller)));
    }

    /// The holder goes on with less.
    pub(crate) fn weaken(&mut self, nth: usize) {
        let caller = self.new_caller();
        if self.held[nth].weight == M::CAPACITY
            && let Some(request) = M::weaken(self.held[nth].grant, caller)
        {
            self.held.remove(nth);
            self.waiting.insert(caller);
            self.feed(Input::Request(request));
        }
    }

    pub(crate) fn meddle(&mut self, random: &mut Random) {
        let caller = self.new_caller();
        if let Some((request, awaited)) = M::meddle(caller, random) {
            self.waiting.extend(awaited.then_some(caller));
            self.feed(Input::Request(request));
        }
    }

    /// Tells the machine of the grants that were not delivered.
    pub(crate) fn say_unsaid(&mut self) {
        self.inbox.extend(self.unsaid.drain(..).map(Input::Request));
    }

    /// Whether nothing is left that was asked, answered, granted or said.
    pub(crate) fn is_done(&self) -> bool {
        let asked = self.waiting.is_empty() && self.held.is_empty() && self.requests.is_empty();
        asked && self.has_heard_all() && self.unsaid.is_empty() && self.machine.is_idle()
    }

    fn new_caller(&mut self) -> u64 {
        self.next_caller += 1;
        self.next_caller
    }

    // The machine -------------------------------------------------------------------------------------------------

    pub(crate) fn feed(&mut self, input: Input<M::Request>) {
        self.inbox.push_back(input);
        self.empty_inbox();
    }

    pub(crate) fn empty_inbox(&mut self) {
        let mut inputs = 0;
        while let Some(input) = self.inbox.pop_front() {
            inputs += 1;
            assert!(inputs < 100, "the machine keeps itself busy");
            let mut out = Vec::new();
            let context = Context {
                now: self.now,
                wall: self.now.since_start(),
                numbers: &self.numbers,
                ttl: Some(TTL),
            };
            self.machine.on_input(input, &context, &mut out);
            out.into_iter().for_each(|output| self.carry_out(output));
            let wake = self.machine.next_wake();
            assert!(wake.is_none_or(|at| at > self.now), "a wake-up that is due is asked for again for ever");
        }
    }

    fn carry_out(&mut self, output: Output<M::Delivery>) {
        match output {
            Output::Commit { tag, txn } => {
                self.requests.push(Request::Commit { tag, txn: txn.asked_in(self.lineage), answer: None })
            }
            Output::List { tag, collection, page } => {
                self.requests.push(Request::List { tag, collection, page, answer: None });
            }
            Output::Watch { slot, target } => {
                self.watches.insert(slot, Watch::new(target));
            }
            Output::Unwatch { slot } => drop(self.watches.remove(&slot)),
            Output::Reconciled => {
                self.reconciling = false;
                self.extend();
            }
            Output::Deliver(delivery) => self.deliver(M::news(delivery)),
        }
    }

    fn deliver(&mut self, news: News<M::Request>) {
        match news {
            News::Granted { caller, grant, weight, stamp, undelivered } => {
                if let Some(session) = self.usable(undelivered) {
                    let token = stamp.created().as_u64();
                    self.granted.push((stamp, weight));
                    self.take(caller, Held { grant, token, weight, session, ended: false });
                }
            }
            News::Weakened { caller, grant, weight, stamp, undelivered } => {
                if let Some(session) = self.usable(undelivered) {
                    let token = stamp.created().as_u64();
                    self.take(caller, Held { grant, token, weight, session, ended: false });
                } else {
                    self.waiting.remove(&caller);
                }
            }
            News::Answered { caller, error } => {
                self.waiting.remove(&caller);
                self.answers.insert(caller, error);
            }
            News::Ended { grant } => {
                self.held.iter_mut().filter(|held| held.grant == grant).for_each(|held| held.ended = true);
            }
        }
    }

    /// The session of a grant, if that is believed in; otherwise the machine is told.
    fn usable(&mut self, undelivered: M::Request) -> Option<SessionId> {
        let session = self.session.clone().filter(|_| self.is_valid());
        if session.is_none() {
            self.unsaid.push_back(undelivered);
            if !self.is_slow {
                self.say_unsaid();
            }
        }
        session
    }

    fn take(&mut self, caller: u64, held: Held) {
        if self.waiting.remove(&caller) {
            self.held.push(held);
        } else {
            // Nobody takes it: the guard is dropped.
            self.inbox.push_back(Input::Request(M::let_go(held.grant, None)));
        }
    }
}
