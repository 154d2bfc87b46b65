//! Stores that choose wrongly what a worker takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ha_core::Error;
use ha_core::spi::{
    Collection, Entry, Guard, Key, Lineage, Listing, Name, Operation, Order, Outcome, Page, Reads, Revision,
    Session, Stamp, Take, Txn,
};

use super::{Defect, Mutant, now_at, rebuild_without_take};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant::new(
        "a_take_ignores_when_items_are_due",
        "work_set_waiting::an_item_that_was_put_off_since_is_not_claimed_before_its_time",
        || Arc::new(Choosing { seen_as: |value| ready_at_once(value, READY), ..Choosing::RIGHT }),
    ),
    Mutant::new(
        "a_take_takes_what_others_have",
        "work_set_takes::what_an_older_list_names_is_not_taken_from_who_has_it",
        || Arc::new(Choosing { seen_as: |value| ready_at_once(value, CLAIMED), ..Choosing::RIGHT }),
    ),
    Mutant::new(
        "a_take_is_made_of_what_was_there_before",
        "work_set::a_thousand_items_are_each_done_once_by_workers_that_start_at_once",
        || Arc::new(Choosing { overwrites: true, ..Choosing::RIGHT }),
    ),
    Mutant::new(
        "a_take_leaves_no_record",
        "work_set_in_trouble::claims_of_a_dead_worker_are_there_again_in_time",
        || Arc::new(Choosing { unrecorded: true, ..Choosing::RIGHT }),
    ),
    Mutant::new("a_take_takes_nothing", "work_set_takes::a_claim_takes_one_request_or_three", || {
        Arc::new(Choosing { idle: true, ..Choosing::RIGHT })
    }),
];

const READY: u8 = 0;
const CLAIMED: u8 = 1;

/// Chooses from what it has read before, and then writes that.
#[derive(Debug)]
struct Choosing {
    /// What it takes the value of an item for.
    seen_as: fn(&[u8]) -> Option<Vec<u8>>,
    /// Writes over what others have written meanwhile.
    overwrites: bool,
    /// Does not write what says what was taken.
    unrecorded: bool,
    /// Says that there is nothing.
    idle: bool,
}

impl Choosing {
    const RIGHT: Self = Self { seen_as: |_| None, overwrites: false, unrecorded: false, idle: false };

    async fn take(&self, session: &Arc<dyn Session>, txn: &Txn, take: &Take) -> Result<Outcome, Error> {
        let mut before = None;
        loop {
            let mut taken = match before.take() {
                Some(taken) => taken,
                None if self.idle => Vec::new(),
                None => take.plan(&Seen::of(&**session, take, self.seen_as).await?),
            };
            let record = |operation: &Operation| operation.key() == take.record();
            let unrecorded = self.unrecorded.then(|| taken.iter().position(record)).flatten();
            let unwritten = unrecorded.map(|at| taken.remove(at));
            if self.overwrites {
                tokio::time::sleep(Duration::from_millis(1)).await;
                before = Some(taken.clone());
                taken = as_it_is_now(&**session, taken).await;
            }
            let all = txn.operations().iter().chain(&taken).cloned().collect();
            let written = session.commit(rebuild_without_take(txn, txn.guards().to_vec(), all)).await?;
            match written {
                Outcome::Committed(mut committed) => {
                    let stamp = |key: &Key| {
                        Stamp::new(key.clone(), committed.revision, committed.revision, Vec::new().into())
                    };
                    let lie = unwritten.as_ref().map(|operation| stamp(operation.key()));
                    committed.stamps.extend(lie.map(Some));
                    taken.extend(unwritten);
                    return Ok(Outcome::Committed(committed.with_taken(taken)));
                }
                Outcome::Conflict(conflict) if is_of_guards(&conflict.keys, txn.guards()) => {
                    return Ok(Outcome::Conflict(conflict));
                }
                // Somebody else was faster.
                _ => {}
            }
        }
    }
}

#[async_trait]
impl Defect for Choosing {
    async fn commit(&self, session: &Arc<dyn Session>, txn: Txn) -> Result<Outcome, Error> {
        match txn.choice() {
            Some(take) => self.take(session, &txn, take).await,
            None => session.commit(txn).await,
        }
    }
}

fn is_of_guards(keys: &[Key], guards: &[Guard]) -> bool {
    let of = |guard: &Guard| matches!(guard, Guard::Held(stamp) if keys.contains(stamp.key()));
    guards.iter().any(of)
}

/// The operations on what is there now, whatever was there when they were chosen.
async fn as_it_is_now(session: &dyn Session, operations: Vec<Operation>) -> Vec<Operation> {
    let mut changed = Vec::new();
    for operation in operations {
        let now = now_at(session, operation.key()).await.map(|entry| entry.stamp().clone());
        changed.extend(match (operation, now) {
            (Operation::Update { value, .. }, Some(stamp)) => Some(Operation::Update { stamp, value }),
            (Operation::Delete { .. }, Some(stamp)) => Some(Operation::Delete { stamp }),
            (Operation::Update { .. } | Operation::Delete { .. }, None) => None,
            (operation, _) => Some(operation),
        });
    }
    changed
}

/// The value of an item in this state as that of one that is ready; `None` for one in another state. Numbers have seven bits a byte, the highest bit set in all bytes
/// but the last: format, state, priority, three counters, when it is due.
fn ready_at_once(value: &[u8], state: u8) -> Option<Vec<u8>> {
    let ends: Vec<usize> = (0..value.len()).filter(|at| value[*at] & 0x80 == 0).take(7).collect();
    let [_, _, _, _, _, before, due] = ends[..] else { return None };
    (value[1] == state).then(|| [&value[..1], &[READY], &value[2..=before], &[0], &value[due + 1..]].concat())
}

/// What was there when it was looked.
struct Seen {
    entries: BTreeMap<Collection, BTreeMap<Name, Entry>>,
    lineage: Lineage,
}

impl Seen {
    async fn of(
        session: &dyn Session,
        take: &Take,
        seen_as: fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Self, Error> {
        let mut seen = Self { entries: BTreeMap::new(), lineage: Lineage::default() };
        for collection in take.reads_from() {
            let (of, mut after) = (seen.entries.entry(collection.clone()).or_default(), None);
            loop {
                let page = Page::new(Order::Name { after: after.take() }, Page::MAX_LIMIT);
                let listing = session.list(collection, page).await?;
                let more = listing.has_more();
                seen.lineage = listing.lineage();
                for entry in listing.into_entries() {
                    after = Some(entry.key().name().clone());
                    let value = seen_as(entry.value()).map_or_else(|| entry.value().clone(), Into::into);
                    let shown = Entry::new(entry.stamp().clone(), value, entry.owner().cloned());
                    of.insert(entry.key().name().clone(), shown);
                }
                if !more {
                    break;
                }
            }
        }
        Ok(seen)
    }
}

impl Reads for Seen {
    fn entry(&self, collection: &Collection, name: &Name) -> Option<&Entry> {
        self.entries.get(collection)?.get(name)
    }

    fn page(&self, collection: &Collection, page: &Page) -> Listing {
        let all = self.entries.get(collection);
        let behind = |entry: &&Entry| match page.order() {
            Order::Name { after: Some(after) } => entry.key().name() > after,
            Order::Only { name } => entry.key().name() == name,
            _ => true,
        };
        let mut rest = all.into_iter().flat_map(BTreeMap::values).filter(behind);
        let entries = rest.by_ref().take(page.limit()).cloned().collect();
        Listing::new(entries, rest.next().is_some(), Revision::default(), self.lineage)
    }
}
