//! A transaction of the contract as one of etcd's, and what etcd's answer means for it.

use std::collections::BTreeMap;

use ha_core::spi::{Guard, Key, Naming, Operation, Revision, Stamp, Txn};
use ha_core::{Error, ErrorKind};

use crate::client::{Compare, Found, Is, Kv, Lease, Read, Step, TxnAnswer, TxnRequest};
use crate::keys::Layout;
use crate::page::{Detail, PageRead};
use crate::value;

/// What a server with the default limit takes in one request, less what its envelope may need.
const REQUEST_BYTES_MAX: usize = 1_572_864 - 8 * 1024;
/// What a condition, a step or a key costs beside its own bytes.
const OVERHEAD_BYTES: usize = 32;
/// What a server with the default limit takes as steps of one transaction.
pub(crate) const STEPS_MAX: usize = 128;

/// What shows, after every copy of the request is dead, whether one was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Nothing has to: it changes nothing.
    None,
    /// The operation stands in a slot of the session, which nobody else writes to.
    Slot,
    /// Only entries that nobody else has a reason to touch were created or deleted: own ones with unique names.
    Entries,
}

/// A transaction on its way.
#[derive(Debug)]
pub(crate) struct Plan {
    txn: Txn,
    operation: String,
    lease: i64,
    pub(crate) evidence: Evidence,
    guards: Vec<(Key, Compare)>,
    pub(crate) reads: Vec<PageRead>,
}

/// What an answer decided.
#[derive(Debug)]
pub(crate) enum Decided {
    Done {
        revision: u64,
        found: Vec<Found>,
    },
    /// These guards were not satisfied.
    Refused(Vec<Key>),
    /// Nothing was done: the fence was another one.
    Fenced(u64),
    /// Nothing was done: the session has no record any more.
    Over,
}

impl Plan {
    /// Plans `txn` for the session with `lease`, as the operation with this name.
    ///
    /// # Errors
    /// `TooLarge` if a server with the default limits would not take it, `Unsupported` for a guard or an operation that this release
    /// does not know.
    pub(crate) fn new(txn: Txn, operation: String, lease: i64, layout: &Layout) -> Result<Self, Error> {
        refuse_unknown(&txn)?;
        let evidence = if txn.operations().is_empty() {
            Evidence::None
        } else if txn.operations().iter().all(|operation| is_own_affair(operation, lease)) {
            Evidence::Entries
        } else {
            Evidence::Slot
        };
        let reads = txn.reads().iter().map(|read| PageRead::new(read.collection.clone(), read.page.clone()));
        let plan =
            Self { guards: guards(&txn, layout), reads: reads.collect(), evidence, operation, lease, txn };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::new(ErrorKind::TooLarge, "commit").because(reason));
        let steps = self.txn.operations().len() + 1 + self.reads.len();
        if steps.max(self.guards.len() + 1) > STEPS_MAX {
            return refuse(format!("{steps} operations and read-backs, at most {STEPS_MAX} fit; split it"));
        }
        let values = self.txn.operations().iter().map(|operation| {
            let (Operation::Create { value, .. } | Operation::Update { value, .. }) = operation else {
                return 0;
            };
            value.len()
        });
        // A key stands in a condition, in a step, and in what is read when a condition fails.
        let keys = self.guards.iter().map(|(_, compare)| 3 * (compare.key.len() + OVERHEAD_BYTES));
        let bytes = values.sum::<usize>() + keys.sum::<usize>();
        if bytes > REQUEST_BYTES_MAX {
            return refuse(format!(
                "{bytes} bytes in one request, at most {REQUEST_BYTES_MAX} fit; split it"
            ));
        }
        Ok(())
    }

    pub(crate) fn txn(&self) -> &Txn {
        &self.txn
    }

    /// The request: guarded by the record of the session having been modified at `fence`, and marked in `slot`.
    pub(crate) fn request(
        &self,
        layout: &Layout,
        record: &[u8],
        fence: u64,
        slot: Option<u32>,
    ) -> TxnRequest {
        let fence = Compare { key: record.to_vec(), is: Is::ModifiedAt(fence) };
        let when = std::iter::once(fence).chain(self.guards.iter().map(|(_, compare)| compare.clone()));
        let mut then: Vec<Step> =
            self.txn.operations().iter().filter_map(|operation| self.step(operation, layout)).collect();
        if self.evidence == Evidence::Slot {
            let session = crate::page::session_text(self.lease);
            let key = layout.slot(&session, slot.unwrap_or(0));
            let value = self.operation.clone().into_bytes();
            then.push(Step::Put { key, value, lease: Lease::Of(self.lease) });
        }
        then.extend(self.reads.iter().filter_map(|read| Some(Step::Read(read.read(layout)?))));
        let looked_at: BTreeMap<&[u8], ()> =
            self.guards.iter().map(|(_, compare)| (compare.key.as_slice(), ())).collect();
        let otherwise = std::iter::once(record)
            .chain(looked_at.into_keys())
            .map(|key| Step::Read(Read::revisions(key.to_vec())));
        TxnRequest { when: when.collect(), then, otherwise: otherwise.collect() }
    }

    fn step(&self, operation: &Operation, layout: &Layout) -> Option<Step> {
        let key = layout.entry(operation.key());
        Some(match operation {
            Operation::Create { value, owned, naming, .. } => Step::Put {
                key,
                value: value::seal(*naming, &self.operation, value),
                lease: if *owned { Lease::Of(self.lease) } else { Lease::None },
            },
            Operation::Update { stamp, value } => {
                let detail = Detail::of(stamp);
                // To keep a lease the server looks for the entry twice more. That there is none is known: the entry is the very one of the stamp.
                let lease = if detail.lease == 0 { Lease::None } else { Lease::Keep };
                Step::Put { key, value: value::seal(detail.naming, &self.operation, value), lease }
            }
            Operation::Delete { .. } => Step::Delete(key),
            // Refused before.
            _ => return None,
        })
    }

    /// What `answer` means for the request that was guarded by `fence`.
    pub(crate) fn decided(&self, record: &[u8], fence: u64, answer: TxnAnswer) -> Decided {
        if answer.succeeded {
            return Decided::Done { revision: answer.header.revision, found: answer.found };
        }
        let kvs: BTreeMap<&[u8], &Kv> =
            answer.found.iter().flat_map(|found| &found.kvs).map(|kv| (kv.key.as_slice(), kv)).collect();
        match kvs.get(record) {
            None => Decided::Over,
            Some(kv) if kv.modified != fence => Decided::Fenced(kv.modified),
            Some(_) => {
                let failed = self
                    .guards
                    .iter()
                    .filter(|(_, compare)| !compare.is.holds(kvs.get(compare.key.as_slice()).copied()));
                let mut keys: Vec<Key> = failed.map(|(key, _)| key.clone()).collect();
                keys.sort_unstable();
                keys.dedup();
                Decided::Refused(keys)
            }
        }
    }

    /// The keys that show whether it was done.
    pub(crate) fn traces(&self, layout: &Layout, slot: Option<u32>) -> Vec<Vec<u8>> {
        if let Some(slot) = slot {
            return vec![layout.slot(&crate::page::session_text(self.lease), slot)];
        }
        let creation = self.txn.operations().iter().find(|each| matches!(each, Operation::Create { .. }));
        match creation {
            Some(creation) => vec![layout.entry(creation.key())],
            None => self.txn.operations().iter().map(|each| layout.entry(each.key())).collect(),
        }
    }

    /// At which revision it was done, from what was found at the traces; every copy was dead at the revision `killed`.
    pub(crate) fn trace(&self, found: &[Found], killed: u64) -> Option<u64> {
        let kvs: Vec<&Kv> = found.iter().flat_map(|found| &found.kvs).collect();
        if self.evidence == Evidence::Slot {
            return kvs.iter().find(|kv| kv.value == self.operation).map(|kv| kv.modified);
        }
        let is_creation = |each: &Operation| matches!(each, Operation::Create { .. });
        if self.txn.operations().iter().any(is_creation) {
            let own = |kv: &&&Kv| value::open(&kv.value).operation == self.operation;
            return kvs.iter().find(own).map(|kv| kv.created);
        }
        // Deletions of own entries: they are gone, which nobody else had a reason to do.
        let incarnations: Vec<u64> = kvs.iter().map(|kv| kv.created).collect();
        let is_there = |each: &Operation| match each {
            Operation::Delete { stamp } => incarnations.contains(&stamp.created().as_u64()),
            _ => false,
        };
        (!self.txn.operations().iter().any(is_there)).then_some(killed)
    }

    /// The stamps of a commit at `revision`.
    pub(crate) fn stamps(&self, revision: u64) -> Vec<Option<Stamp>> {
        let revision = Revision::new(revision);
        let stamp = |operation: &Operation| match operation {
            Operation::Create { key, owned, naming, .. } => {
                let lease = if *owned { self.lease } else { 0 };
                let detail = Detail { naming: *naming, lease }.encode();
                Some(Stamp::new(key.clone(), revision, revision, detail))
            }
            Operation::Update { stamp, .. } => {
                let detail = Detail::of(stamp).encode();
                Some(Stamp::new(stamp.key().clone(), stamp.created(), revision, detail))
            }
            _ => None,
        };
        self.txn.operations().iter().map(stamp).collect()
    }
}

/// Whether only the session with `lease` has a reason to touch the entry, and its name never comes again.
fn is_own_affair(operation: &Operation, lease: i64) -> bool {
    match operation {
        Operation::Create { owned, naming, .. } => *owned && *naming == Naming::Unique,
        Operation::Delete { stamp } => Detail::of(stamp) == Detail { naming: Naming::Unique, lease },
        _ => false,
    }
}

/// The contract may grow; what is not understood must not be committed.
fn refuse_unknown(txn: &Txn) -> Result<(), Error> {
    let guards = txn.guards().iter().all(|guard| {
        matches!(guard, Guard::Absent(_) | Guard::Present(_) | Guard::Unchanged(_) | Guard::Held(_))
    });
    let operations = txn.operations().iter().all(|operation| {
        matches!(operation, Operation::Create { .. } | Operation::Update { .. } | Operation::Delete { .. })
    });
    if guards && operations {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "commit").because(
        "it has a guard or an operation that the etcd backend does not know; update it with the core",
    ))
}

/// The conditions of a transaction, explicit and of its operations, each once.
fn guards(txn: &Txn, layout: &Layout) -> Vec<(Key, Compare)> {
    let mut guards: BTreeMap<Compare, Key> = BTreeMap::new();
    let mut add = |key: &Key, is: Is| {
        guards.insert(Compare { key: layout.entry(key), is }, key.clone());
    };
    let held = |stamp: &Stamp| Is::CreatedAt(stamp.created().as_u64());
    let unchanged = |stamp: &Stamp| Is::ModifiedAt(stamp.modified().as_u64());
    for guard in txn.guards() {
        match guard {
            Guard::Absent(key) => add(key, Is::CreatedAt(0)),
            Guard::Present(key) => add(key, Is::Present),
            Guard::Unchanged(stamp) => add(stamp.key(), unchanged(stamp)),
            Guard::Held(stamp) => add(stamp.key(), held(stamp)),
            // Refused before.
            _ => {}
        }
    }
    for operation in txn.operations() {
        match operation {
            Operation::Create { key, .. } => add(key, Is::CreatedAt(0)),
            Operation::Update { stamp, .. } => add(stamp.key(), unchanged(stamp)),
            Operation::Delete { stamp } => add(stamp.key(), held(stamp)),
            // Refused before.
            _ => {}
        }
    }
    guards.into_iter().map(|(compare, key)| (key, compare)).collect()
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
