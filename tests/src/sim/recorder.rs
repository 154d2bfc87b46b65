//! Writes the history of a simulated run, and plays the resource that the grants protect.

mod excuses;
mod items;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ha_core::spi::{Revision, SessionId};
use ha_core::{Grant, LossReason, Standing, Token};

use super::cluster::Life;
use super::counters::{Counter, Counters};
use super::executor::{NodeId, World};
use crate::history::{Answer, Change, EndReason, Event, History, Key, Phase, Recipe, Record, Sight, Target};

/// Who wrote, and who else is asked.
#[derive(Debug)]
pub(super) struct Recorder {
    world: Arc<World>,
    /// Where the recorder's own tasks run: never frozen, never crashed.
    witness: NodeId,
    start: u64,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    history: History,
    next: u64,
    open: BTreeMap<u64, Open>,
    /// The grants that were recorded.
    known: BTreeSet<u64>,
    /// The largest token that each resource has accepted.
    accepted: BTreeMap<&'static str, u64>,
    last_holder: BTreeMap<&'static str, String>,
    faults: BTreeMap<u64, Option<String>>,
    mistakes: Vec<String>,
    /// The tokens of grants whose entries an administrator has deleted, and when.
    deleted: BTreeMap<u64, u64>,
    /// The same of items, which several claims share a token of.
    deleted_items: BTreeMap<(String, u64), u64>,
    /// When the store forgot its latest commits for the last time.
    forgot: Option<u64>,
    /// What processes hold, as the history does not say any more since an administrator ended their sessions.
    excused: Vec<Open>,
    /// Processes from which an administrator took their partitions: those of the steps up to this one.
    robbed_of: BTreeMap<(String, u64), u64>,
    /// Processes whose ended session a store that forgets has brought back, and the largest token of what was stored until then: that was taken away.
    pardoned: BTreeMap<(String, u64), u64>,
    /// The largest token of what was stored when the store forgot for the last time.
    newest_forgotten: u64,
    /// The nodes of all sessions.
    sessions: BTreeMap<String, String>,
    /// The latest session of each process.
    latest: BTreeMap<(String, u64), SessionId>,
    /// Nodes of which an administrator has deleted an entry, by the number of the trouble.
    robbed: BTreeMap<u64, String>,
    /// When the latest fault of each node was healed.
    healed: BTreeMap<String, u64>,
    /// Whether the network holds nothing up.
    calm: bool,
    /// The present history of the store.
    generation: u64,
    /// Processes whose session an administrator has ended, and in which history, until they have another session or are told of a later
    /// history, which brought theirs back.
    condemned: BTreeMap<(String, u64), u64>,
}

/// A grant that somebody believes in.
#[derive(Clone, Debug)]
struct Open {
    node: String,
    incarnation: u64,
    recipe: Recipe,
    name: &'static str,
    grant: Grant,
}

impl Recorder {
    /// A recorder of this world.
    #[must_use]
    pub(super) fn new(
        world: &Arc<World>,
        witness: NodeId,
        counters: &Arc<Counters>,
        calm: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            witness,
            start: world.now(),
            counters: Arc::clone(counters),
            state: Mutex::new(State { calm, ..State::default() }),
        })
    }

    /// When the run began.
    #[must_use]
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, state: &mut State, node: &str, incarnation: u64, event: Event) {
        let at = self.world.now();
        state.history.push(Record::new(at, node, incarnation, event));
    }

    fn record(&self, life: &Life, event: Event) {
        self.push(&mut self.state(), &life.name, life.incarnation, event);
    }

    pub(super) fn number(&self) -> u64 {
        let mut state = self.state();
        state.next += 1;
        state.next
    }

    /// Records something that `life` did or saw.
    pub(super) fn event(&self, life: &Life, event: Event) {
        self.record(life, event);
    }

    /// Records what the store has committed.
    pub(super) fn committed(&self, revision: u64, session: Option<String>, changes: Vec<Change>) {
        let event = Event::Committed { revision, session, op: None, changes };
        self.push(&mut self.state(), "store", 1, event);
    }

    /// Records a step of whoever assigns partitions.
    pub(super) fn stepped(&self, step: Event) {
        self.push(&mut self.state(), "store", 1, step);
    }

    // Nodes and faults --------------------------------------------------------------------------------------------

    pub(super) fn started(&self, life: &Life) {
        self.record(life, Event::Started);
    }

    pub(super) fn crashed(&self, life: &Life) {
        self.record(life, Event::Crashed);
        let mut state = self.state();
        state.open.retain(|_, open| open.node != life.name || open.incarnation != life.incarnation);
    }

    /// The process ended in good order.
    pub(super) fn stopped(&self, life: &Life) {
        self.record(life, Event::Stopped);
        let mut state = self.state();
        state.open.retain(|_, open| open.node != life.name || open.incarnation != life.incarnation);
    }

    pub(super) fn frozen(&self, life: &Life, frozen: bool) {
        self.record(life, if frozen { Event::Frozen } else { Event::Thawed });
        if !frozen {
            self.state().healed.insert(life.name.clone(), self.world.now());
        }
    }

    /// Records a fault; the number is for [`healed`](Self::healed).
    pub(super) fn fault(&self, kind: &str, node: Option<&str>) -> u64 {
        let fault = self.number();
        let mut state = self.state();
        state.faults.insert(fault, node.map(str::to_owned));
        let target = node.map_or(Target::Store, |node| Target::Node(node.to_owned()));
        self.push(&mut state, "nemesis", 1, Event::Fault { fault, kind: kind.to_owned(), target });
        fault
    }

    pub(super) fn healed(&self, fault: u64) {
        let mut state = self.state();
        if let Some(node) = state.faults.remove(&fault) {
            let now = self.world.now();
            state.healed.extend(node.map(|node| (node, now)));
            self.push(&mut state, "nemesis", 1, Event::Healed { fault });
        }
    }

    /// The second phase begins: everything is healed but what strikes `broken`.
    pub(super) fn liveness(&self, broken: Option<&str>) {
        let mut state = self.state();
        for (fault, node) in std::mem::take(&mut state.faults) {
            if broken.is_some() && node.as_deref() == broken {
                state.faults.insert(fault, node);
            } else {
                self.push(&mut state, "nemesis", 1, Event::Healed { fault });
            }
        }
        self.push(&mut state, "nemesis", 1, Event::Phase { phase: Phase::Liveness });
    }

    /// The store forgot its latest commits, the last of them at `revision`.
    pub(super) fn forgot(&self, generation: u64, revision: Revision) {
        let mut state = self.state();
        state.forgot = Some(self.world.now());
        state.generation = generation;
        state.newest_forgotten = revision.as_u64();
        self.push(&mut state, "store", 1, Event::Discontinuity { generation });
    }

    /// Something went wrong that cannot go wrong.
    pub(super) fn mistake(&self, what: String) {
        self.state().mistakes.push(what);
    }

    // Grants ------------------------------------------------------------------------------------------------------

    pub(super) fn asked(&self, life: &Life, recipe: Recipe, name: &str) -> u64 {
        let call = self.number();
        self.record(life, Event::Asked { recipe, name: name.to_owned(), call });
        call
    }

    pub(super) fn gave_up(&self, life: &Life, call: u64, reason: &str) {
        self.world.note(call);
        self.record(life, Event::GaveUp { call, reason: reason.to_owned() });
    }

    /// Records a grant, and from then on until when it is believed in.
    pub(super) fn granted(
        self: &Arc<Self>,
        life: &Life,
        call: u64,
        recipe: Recipe,
        name: &'static str,
        held: &Grant,
    ) -> u64 {
        self.lapse();
        let number = self.number();
        let token = held.token().as_u64();
        self.world.note(token ^ number << 32);
        self.counters.add(Counter::Granted);
        let mut state = self.state();
        let is_robbed = can_be_robbed(recipe) && state.is_robbed_of(life, token);
        if is_robbed || state.is_excused(life, name, token, self.world.now()) {
            drop(state);
            self.gave_up(life, call, "an administrator took it away");
            if is_robbed {
                self.holds_unseen(held.clone());
            }
            return number;
        }
        if state.last_holder.insert(name, life.name.clone()).is_some_and(|last| last != life.name) {
            self.counters.add(Counter::MovedNode);
        }
        self.noticed_by(&mut state, &life.name);
        let event = Event::Granted { recipe, name: name.to_owned(), call, grant: number, token };
        self.push(&mut state, &life.name, life.incarnation, event);
        let (node, incarnation) = (life.name.clone(), life.incarnation);
        let open = Open { node, incarnation, recipe, name, grant: held.clone() };
        state.open.insert(number, open);
        state.known.insert(number);
        drop(state);
        self.follow(number, held.clone());
        number
    }

    /// How much a grant takes of what several can hold.
    pub(super) fn shares(&self, life: &Life, grant: u64, weight: u64, permits: u64) {
        if self.is_known(grant) {
            self.record(life, Event::Shares { grant, weight, permits });
        }
    }

    /// Records the very instant at which a local deadline passes, also when its process is frozen.
    fn follow(self: &Arc<Self>, number: u64, grant: Grant) {
        let recorder = Arc::clone(self);
        let task = async move {
            loop {
                let remaining = grant.remaining();
                if remaining.is_zero() {
                    break;
                }
                recorder.world.sleep(remaining).await;
            }
            if matches!(grant.standing(), Standing::Lost(LossReason::Expired)) {
                recorder.end(number, EndReason::Expired, true);
            }
        };
        self.world.spawn(self.witness, Box::pin(task));
    }

    /// Ends, in the history, what nobody believes in any more.
    fn lapse(&self) {
        let over: Vec<u64> = {
            let state = self.state();
            state.open.iter().filter(|(_, open)| !open.grant.is_valid()).map(|(number, _)| *number).collect()
        };
        for number in over {
            self.end(number, EndReason::Expired, false);
        }
    }

    /// The holder lets go, or sees that it has lost.
    pub(super) fn ended(&self, number: u64, reason: EndReason) {
        self.end(number, reason, false);
    }

    fn end(&self, number: u64, reason: EndReason, deadline_passed: bool) {
        let mut state = self.state();
        let Some(open) = state.open.remove(&number) else { return };
        let now = self.world.now();
        let remaining = u64::try_from(open.grant.remaining().as_nanos()).unwrap_or(0);
        if remaining > 0 || deadline_passed {
            let until = Event::ValidUntil { grant: number, until: now + remaining };
            self.push(&mut state, &open.node, open.incarnation, until);
        }
        self.push(&mut state, &open.node, open.incarnation, Event::Ended { grant: number, reason });
    }

    pub(super) fn loss_noticed(&self, life: &Life, number: u64, reason: LossReason) {
        let by_itself =
            matches!(reason, LossReason::Released | LossReason::Transferred | LossReason::Shutdown);
        if !self.is_known(number) {
            return;
        }
        self.ended(number, if by_itself { EndReason::Released } else { EndReason::Lost });
        self.record(life, Event::LossNoticed { grant: number });
    }

    pub(super) fn released(&self, life: &Life, number: u64) {
        if self.is_known(number) {
            self.record(life, Event::Released { grant: number });
        }
    }

    fn is_known(&self, number: u64) -> bool {
        self.state().known.contains(&number)
    }

    // The fenced resource -----------------------------------------------------------------------------------------

    /// A write with `token` reaches the resource: accepted unless a larger token has been seen.
    pub(super) fn wrote(&self, resource: &'static str, token: Token) -> bool {
        let token = token.as_u64();
        let mut state = self.state();
        let newest = state.accepted.entry(resource).or_default();
        let accepted = token >= *newest;
        *newest = token.max(*newest);
        let answer = if accepted { Answer::Accepted } else { Answer::Refused };
        let event = Event::Wrote { resource: resource.to_owned(), token, answer };
        self.push(&mut state, resource, 1, event);
        accepted
    }

    // Elections and sessions --------------------------------------------------------------------------------------

    pub(super) fn observed(&self, life: &Life, observer: u64, name: &str, sight: Sight) {
        self.record(life, Event::Observed { observer, name: name.to_owned(), sight });
    }

    /// A number for an observer.
    pub(super) fn observer(&self) -> u64 {
        self.number()
    }

    pub(super) fn session(&self, life: &Life, session: &str, ttl: u64) {
        self.record(life, Event::SessionOpened { session: session.to_owned(), ttl });
    }

    // The end -----------------------------------------------------------------------------------------------------

    /// An entry that should not be there any more.
    pub(super) fn leftover(&self, key: Key, owner: Option<String>) {
        let owner_alive = owner.is_some();
        self.push(&mut self.state(), "store", 1, Event::Leftover { key, owner, owner_alive });
    }

    /// The history, and what went wrong that cannot go wrong.
    #[must_use]
    pub(super) fn finish(&self) -> (History, Vec<String>) {
        let mut state = self.state();
        state.open.clear();
        (std::mem::take(&mut state.history), std::mem::take(&mut state.mistakes))
    }
}

/// Whether an administrator takes it away with what says whose it is, and not with an entry of its own.
fn can_be_robbed(recipe: Recipe) -> bool {
    matches!(recipe, Recipe::Partition | Recipe::Claim)
}
