//! The steps of whoever assigns partitions, as the store sees them: they are written into the history, and some are the last act of their author. Also what an
//! administrator takes from an owner by deleting entries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ha_core::spi::{Collection, Entry, Operation, Revision, SessionId};

use super::cluster::{Cluster, Life, NAMESPACE, nanos};
use super::counters::Counter;
use super::server::Witness;
use crate::history::Event;

/// The group whose partitions are assigned.
pub(super) const GROUP: &str = "sensors";
/// The parts of what is stored of it.
pub(super) const MEMBERS: &[&str] = &["partition", GROUP, "members"];
pub(super) const NAME_OF_ONE: &[&str] = &["partition", GROUP, "ids", "n0"];
pub(super) const CANDIDATES: &[&str] = &["partition", GROUP, "candidates"];
pub(super) const LEADER: &[&str] = &["partition", GROUP, "record"];
pub(super) const PLAN: &[&str] = &["partition", GROUP, "plan"];
pub(super) const ASSIGNED: &[&str] = &["partition", GROUP, "assigned"];
pub(super) const ACKS: &[&str] = &["partition", GROUP, "acks"];

/// What is remembered of steps, sessions and what was deleted.
#[derive(Debug)]
pub(super) struct Steps {
    plan: Option<Collection>,
    members: Option<Collection>,
    assigned: Option<Collection>,
    acks: Option<Collection>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whose session is whose.
    lives: BTreeMap<String, Life>,
    /// How many steps each session has committed.
    committed: BTreeMap<String, u64>,
    /// How many authors have crashed right after a step.
    crashed: u64,
}

/// When authors of steps crash: all of them right after their n-th step, so many times in a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastAct {
    pub(super) step: u64,
    pub(super) times: u64,
}

impl Default for Steps {
    fn default() -> Self {
        let of = |part| Collection::parse(part).ok();
        Self {
            plan: of(PLAN),
            members: of(MEMBERS),
            assigned: of(ASSIGNED),
            acks: of(ACKS),
            state: Mutex::default(),
        }
    }
}

impl Steps {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `life` has this session.
    pub(super) fn opened(&self, life: &Life, session: &SessionId) {
        self.state().lives.insert(session.to_string(), life.clone());
    }

    /// Whose session it is.
    pub(super) fn life_of(&self, session: &SessionId) -> Option<Life> {
        self.state().lives.get(session.as_str()).cloned()
    }
}

/// Looks at commits for a cluster, which owns the server that tells of them.
#[derive(Debug)]
struct StepWitness(Weak<Cluster>);

impl Witness for StepWitness {
    fn committed(&self, session: &SessionId, operations: &[Operation], _: Revision) {
        if let Some(cluster) = self.0.upgrade() {
            cluster.committed(session, operations);
        }
    }
}

impl Cluster {
    /// Looks at every commit from now on.
    pub(super) fn watch_steps(self: &Arc<Self>) {
        self.server.watch_commits(StepWitness(Arc::downgrade(self)));
    }

    fn committed(self: &Arc<Self>, session: &SessionId, operations: &[Operation]) {
        let is_of = |operation: &Operation, part: &Option<Collection>| {
            Some(operation.key().collection()) == part.as_ref()
        };
        let (mut is_step, mut number) = (false, None);
        for operation in operations {
            if is_of(operation, &self.steps.plan) {
                (is_step, number) = (true, number_of(operation));
            }
            is_step |= is_of(operation, &self.steps.assigned);
        }
        if !is_step {
            return;
        }
        let leader = self.stored(LEADER).into_iter().find(|entry| entry.key().name().as_str() == "leader");
        let leader = leader.and_then(|entry| entry.owner().map(ToString::to_string));
        let (name, session) = (GROUP.to_owned(), session.to_string());
        let event = Event::Stepped { name, session: session.clone(), leader, number };
        self.recorder.stepped(event);
        self.perhaps_its_last_act(&session);
    }

    /// Crashes the author of a step right after it, where the plan of the run says so. Nothing has answered it yet.
    fn perhaps_its_last_act(self: &Arc<Self>, session: &str) {
        let safe = self.world.now() < self.recorder.start() + nanos(self.plan.safety);
        let Some(last_act) = self.plan.last_act.filter(|_| safe) else { return };
        let life = {
            let mut state = self.steps.state();
            let committed = state.committed.entry(session.to_owned()).or_default();
            *committed += 1;
            let is_last = *committed == last_act.step && state.crashed < last_act.times;
            let life = state.lives.get(session).filter(|life| is_last && !self.has_crashed(life)).cloned();
            state.crashed += u64::from(life.is_some());
            life
        };
        let Some(life) = life else { return };
        self.counters.add(if last_act.step == 1 { Counter::LastActFirst } else { Counter::LastAct });
        let span = self.world.draw(|random| random.between(1_000_000, 2 * nanos(self.plan.ttl)));
        self.crash(&life, Some(Duration::from_nanos(span)));
    }

    fn stored(&self, part: &[&str]) -> Vec<Entry> {
        let collection = Collection::parse(part);
        collection.map_or_else(|_| Vec::new(), |of| self.server.memory().entries(NAMESPACE, &of))
    }

    /// An administrator has deleted this entry of the group. What a member has is in its record; without that, and without both entries that its session
    /// owns, others may be given it, whatever it has heard. `upto` is the step that the plan was at.
    pub(super) fn rob_owner(self: &Arc<Self>, deleted: &Entry, upto: u64) {
        let (collection, member) = (Some(deleted.key().collection()), deleted.key().name().as_str());
        let steps = &self.steps;
        let is_of_session = collection == steps.members.as_ref() || collection == steps.acks.as_ref();
        let is_there = |part| self.stored(part).iter().any(|entry| entry.key().name().as_str() == member);
        let bared = is_of_session && !is_there(MEMBERS) && !is_there(ACKS);
        if bared || collection == steps.assigned.as_ref() {
            self.excuse_owner(member, upto);
        }
    }

    /// The step that the plan is at.
    pub(super) fn step_reached(&self) -> u64 {
        self.stored(PLAN).iter().find_map(|entry| number_in(entry.value())).unwrap_or(u64::MAX)
    }

    fn excuse_owner(self: &Arc<Self>, member: &str, upto: u64) {
        let session = member.rsplit_once('-').map_or(member, |(session, _)| session);
        let Some(life) = self.steps.state().lives.get(session).cloned() else { return };
        // Whoever has not heard of it well after all is calm never will.
        let late =
            self.recorder.start() + nanos(self.plan.safety + self.plan.weather.slow_max + self.plan.ttl * 4);
        self.recorder.excuse_steps(&life, upto, late);
    }
}

/// The number of the step that an operation on the plan writes.
fn number_of(operation: &Operation) -> Option<u64> {
    match operation {
        Operation::Create { value, .. } | Operation::Update { value, .. } => number_in(value),
        _ => None,
    }
}

fn number_in(plan: &[u8]) -> Option<u64> {
    serde_json::from_slice::<serde_json::Value>(plan).ok()?.get("seq")?.as_u64()
}
