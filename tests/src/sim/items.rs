//! The items of a work-set, as the store sees them: each change of one is written into the history. Also what an administrator takes away by deleting entries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ha_core::spi::{Collection, Entry, Operation, Revision, SessionId};

use super::cluster::{Cluster, NAMESPACE, nanos};
use super::counters::Counter;
use super::node::EPOCH;
use super::server::Witness;
use crate::history::Stage;

/// The work-set.
pub(super) const SET: &str = "jobs";
/// Its parts from which an administrator deletes. Without a list nobody finds what it names: that is said of work-sets, and not tried.
pub(super) const ITEMS: &[&str] = &["work", SET, "item"];
pub(super) const WORKERS: &[&str] = &["work", SET, "worker"];
const CLAIMS: &[&str] = &["work", SET, "claim"];
pub(super) const DONE: &[&str] = &["work", SET, "done"];
pub(super) const DEAD: &[&str] = &["work", SET, "dead"];
pub(super) const TALLIES: &[&str] = &["work", SET, "tally"];

/// What is remembered of the items.
#[derive(Debug)]
pub(super) struct Items {
    items: Option<Collection>,
    workers: Option<Collection>,
    claims: Option<Collection>,
    /// The latest state of each that is there.
    known: Mutex<BTreeMap<String, (Revision, Stage)>>,
}

impl Default for Items {
    fn default() -> Self {
        let of = |part| Collection::parse(part).ok();
        Self { items: of(ITEMS), workers: of(WORKERS), claims: of(CLAIMS), known: Mutex::default() }
    }
}

impl Items {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, (Revision, Stage)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at commits for a cluster, which owns the server that tells of them.
#[derive(Debug)]
struct ItemWitness(Weak<Cluster>);

impl Witness for ItemWitness {
    fn committed(&self, session: &SessionId, operations: &[Operation], revision: Revision) {
        let Some(cluster) = self.0.upgrade() else { return };
        let of_items =
            |operation: &&Operation| Some(operation.key().collection()) == cluster.items.items.as_ref();
        cluster.count_claim(operations);
        for operation in operations.iter().filter(of_items) {
            let stage = match operation {
                Operation::Create { value, .. } | Operation::Update { value, .. } => stage_in(value),
                _ => Some(Stage::Gone),
            };
            let id = operation.key().name().as_str();
            match stage {
                Some(Stage::Gone) => {
                    cluster.excuse_holder(id);
                    cluster.filed(id, Some(session), Stage::Gone, revision);
                }
                Some(stage) => cluster.filed(id, Some(session), stage, revision),
                None => {
                    cluster.recorder.mistake(format!("item {id:?} has a value that is not of the layout"))
                }
            }
        }
    }
}

impl Cluster {
    /// Looks at every commit from now on.
    pub(super) fn watch_items(self: &Arc<Self>) {
        self.server.watch_commits(ItemWitness(Arc::downgrade(self)));
    }

    fn filed(&self, id: &str, session: Option<&SessionId>, stage: Stage, revision: Revision) {
        let name = format!("{SET}/{id}");
        let before = match stage {
            Stage::Gone => self.items.known().remove(&name),
            stage => self.items.known().insert(name.clone(), (revision, stage)),
        };
        self.count(before.map(|(_, stage)| stage), stage);
        self.recorder.filed(name, session.map(ToString::to_string), stage, revision.as_u64());
    }

    /// Somebody deletes an item. Its holder, if it has one, hears of it when it settles the claim; until then the item may be added and claimed again.
    fn excuse_holder(&self, id: &str) {
        let name = format!("{SET}/{id}");
        let claimed = self.items.known().get(&name).filter(|(_, stage)| *stage == Stage::Claimed).copied();
        if let Some((token, _)) = claimed {
            self.recorder.excuse_item(&name, token.as_u64());
        }
    }

    /// Counts by whom it was chosen what a worker takes.
    fn count_claim(&self, operations: &[Operation]) {
        let is_claim =
            |operation: &Operation| Some(operation.key().collection()) == self.items.claims.as_ref();
        if operations
            .iter()
            .any(|operation| is_claim(operation) && matches!(operation, Operation::Create { .. }))
        {
            let by_store = self.plan.takes();
            self.counters.add(if by_store { Counter::ChosenByStore } else { Counter::ChosenByWorker });
        }
    }

    fn count(&self, before: Option<Stage>, after: Stage) {
        self.counters.add(match (before, after) {
            (_, Stage::Done) => Counter::Completed,
            (_, Stage::Dead) => Counter::DeadLetter,
            (Some(Stage::Done), Stage::Gone | Stage::Ready { .. }) => Counter::ForgottenItem,
            (Some(Stage::Claimed), Stage::Ready { .. }) => Counter::GivenBack,
            _ => return,
        });
    }

    fn of_work(&self, part: &[&str]) -> Vec<Entry> {
        let collection = Collection::parse(part);
        collection.map_or_else(|_| Vec::new(), |of| self.server.memory().entries(NAMESPACE, &of))
    }

    /// The store is not what it was: the items are written down anew.
    pub(super) fn file_anew(&self) {
        let there = self.of_work(ITEMS);
        let known = self.items.known().clone();
        for id in known.keys().filter_map(|name| name.split_once('/').map(|(_, id)| id)) {
            if !there.iter().any(|entry| entry.key().name().as_str() == id) {
                self.filed(id, None, Stage::Gone, self.server.memory().faults().revision(NAMESPACE));
            }
        }
        for entry in there {
            let name = format!("{SET}/{}", entry.key().name());
            let is_same = known.get(&name).is_some_and(|(revision, _)| *revision == entry.stamp().modified());
            if let Some(stage) = stage_in(entry.value()).filter(|_| !is_same) {
                self.filed(entry.key().name().as_str(), None, stage, entry.stamp().modified());
            }
        }
    }

    /// An administrator deletes this entry of the work-set.
    pub(super) fn delete_of_work(self: &Arc<Self>, entry: &Entry) {
        let faults = self.server.memory().faults();
        let upto = faults.revision(NAMESPACE).as_u64();
        if Some(entry.key().collection()) == self.items.items.as_ref() {
            self.excuse_holder(entry.key().name().as_str());
        }
        faults.delete(NAMESPACE, entry.key());
        self.file_anew();
        let owner = entry.owner().filter(|_| Some(entry.key().collection()) == self.items.workers.as_ref());
        let Some(life) = owner.and_then(|owner| self.steps.life_of(owner)) else { return };
        // Whoever sees that a worker is not there may take what was claimed under it. Whoever has not heard of it well after all is calm never will.
        let late =
            self.recorder.start() + nanos(self.plan.safety + self.plan.weather.slow_max + self.plan.ttl * 4);
        self.recorder.excuse_steps(&life, upto, late);
    }

    /// The numbers of the workers together are the numbers of the items, unless an administrator has deleted some.
    pub(super) fn check_numbers(&self) {
        if self.counters.get(Counter::Deleted) > 0 {
            return;
        }
        let mut sum = [0; 4];
        for tally in self.of_work(TALLIES).iter().filter_map(|entry| tally_in(entry.value())) {
            sum.iter_mut().zip(tally).for_each(|(sum, by)| *sum += by);
        }
        let mut there = [0; 4];
        for stage in self.of_work(ITEMS).iter().filter_map(|entry| stage_in(entry.value())) {
            let place = match stage {
                Stage::Ready { .. } => 0,
                Stage::Claimed => 1,
                Stage::Done => 2,
                _ => 3,
            };
            there[place] += 1;
        }
        if sum != there {
            let what = "numbers: ready, claimed, done and dead items are";
            self.recorder.mistake(format!("{what} {there:?}, and the workers say {sum:?}"));
        }
    }
}

/// What the value of an item says: format, state, priority, three counters, when it is due.
fn stage_in(value: &[u8]) -> Option<Stage> {
    let mut numbers = Numbers(value);
    let [format, stage] = [numbers.next()?, numbers.next()?];
    let due = numbers.nth(4)?;
    let stage = match stage {
        0 => Stage::Ready { from: (due * 1_000_000).saturating_sub(nanos(EPOCH)) },
        1 => Stage::Claimed,
        2 => Stage::Done,
        _ => Stage::Dead,
    };
    (format == 1).then_some(stage)
}

/// By how much a worker changed the number of items in each state.
fn tally_in(value: &[u8]) -> Option<[i64; 4]> {
    let mut numbers = Numbers(value).skip(1);
    // The sign is in the lowest bit.
    let mut signed =
        || numbers.next().map(|number| (number >> 1).cast_signed() ^ -(number & 1).cast_signed());
    Some([signed()?, signed()?, signed()?, signed()?])
}

/// Numbers of seven bits a byte, the lowest first, the highest bit set in all bytes but the last.
struct Numbers<'v>(&'v [u8]);

impl Iterator for Numbers<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let length = self.0.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let (number, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(number.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f)))
    }
}
