//! A transaction of the contract as a call of the script, and what the script's answer means for it.

use ha_core::spi::{Guard, Key, Listing, Operation, ReadBack, Revision, SessionId, Stamp, Txn};
use ha_core::{Error, ErrorKind};

use crate::answer::{Answer, Status};
use crate::failure::Failure;
use crate::keys::{self, digits};
use crate::link::page_arguments;
use crate::scripts::{Call, Script};

/// A transaction on its way.
#[derive(Debug)]
pub(crate) struct Plan {
    txn: Txn,
    operation: u64,
    guards: Vec<Condition>,
}

/// What an answer decided.
#[derive(Debug)]
pub(crate) enum Decided {
    Done(Answer),
    /// These guards were not satisfied.
    Refused(Vec<Key>),
    /// Nothing was done: another epoch is in force.
    Fenced(u64),
    /// Nothing was done: nothing is granted for now.
    Held,
    /// Nothing was done: it was asked for in an earlier history, as whoever answers has learned.
    Outdated,
    /// Nothing was done: the session is over.
    Over,
}

/// A guard, explicit or of an operation, as the script knows it.
#[derive(Debug)]
struct Condition {
    kind: &'static str,
    key: Key,
    stamp: Option<Stamp>,
}

impl Plan {
    /// Plans `txn`, as the operation with this number.
    ///
    /// # Errors
    /// `Unsupported` for a part that this release does not know.
    pub(crate) fn new(txn: Txn, operation: u64) -> Result<Self, Error> {
        let explicit = txn.guards().iter().map(condition_of_guard);
        let implied = txn.operations().iter().map(condition_of_operation);
        let guards = explicit.chain(implied).collect::<Option<Vec<_>>>().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "commit")
                .because("the transaction has a part that this release of the backend does not know")
        })?;
        Ok(Self { txn, operation, guards })
    }

    pub(crate) fn txn(&self) -> &Txn {
        &self.txn
    }

    /// Whether a copy that is done twice, or later, would do harm.
    pub(crate) fn changes_something(&self) -> bool {
        !self.txn.operations().is_empty()
    }

    /// The call that commits it, if `epoch` is in force.
    pub(crate) fn call(&self, session: &SessionId, epoch: u64, slot: u32) -> Call {
        let call = Call::new(Script::Commit).of(Some(session));
        let call = call.with(digits(epoch)).with(format!("{slot:04}")).with(digits(self.operation));
        let call = call.with(if self.txn.is_granting() { "1" } else { "0" });
        let call = call.with(digits(self.txn.history().unwrap_or(0)));
        let call = call.with(self.guards.len().to_string());
        let call = self.guards.iter().fold(call, |call, condition| condition.arguments(call));
        let call = call.with(self.txn.operations().len().to_string());
        let call = self.txn.operations().iter().fold(call, operation_arguments);
        let call = call.with(self.txn.reads().len().to_string());
        self.txn
            .reads()
            .iter()
            .fold(call, |call, read| page_arguments(call, &read.collection, &read.page, None))
    }

    /// What an answer of the script means.
    pub(crate) fn decided(&self, answer: Answer) -> Result<Decided, Failure> {
        Ok(match answer.status {
            Status::Done => Decided::Done(answer),
            Status::Conflict => {
                let mut keys: Vec<Key> = Vec::new();
                for index in answer.failed()? {
                    let key = self.guards.get(index).map(|condition| &condition.key);
                    keys.extend(key.filter(|key| !keys.contains(key)).cloned());
                }
                Decided::Refused(keys)
            }
            Status::Fenced => Decided::Fenced(answer.epoch()?),
            Status::Held => Decided::Held,
            Status::Older => Decided::Outdated,
            Status::Lost | Status::Taken => Decided::Over,
        })
    }

    /// Whether what stands in the slot is this operation: then it was done at that revision.
    pub(crate) fn traced(&self, trace: Option<(u64, u64)>) -> Option<u64> {
        trace.filter(|(operation, _)| *operation == self.operation).map(|(_, revision)| revision)
    }

    /// What was read back, in the same step.
    pub(crate) fn listings(
        &self,
        answer: &Answer,
        lineage: ha_core::spi::Lineage,
    ) -> Result<Vec<Listing>, Failure> {
        let collections: Vec<_> = self.reads().iter().map(|read| read.collection.clone()).collect();
        let revision = Revision::new(answer.revision);
        let pages = answer.pages(&collections)?.into_iter();
        Ok(pages.map(|page| Listing::new(page.entries, page.has_more, revision, lineage)).collect())
    }

    pub(crate) fn reads(&self) -> &[ReadBack] {
        self.txn.reads()
    }

    /// For each operation its new stamp, once it is done at `revision`.
    pub(crate) fn stamps(&self, revision: u64) -> Vec<Option<Stamp>> {
        let revision = Revision::new(revision);
        let new = |key: &Key, created| Some(Stamp::new(key.clone(), created, revision, bytes::Bytes::new()));
        let stamps = self.txn.operations().iter().map(|operation| match operation {
            Operation::Create { key, .. } => new(key, revision),
            Operation::Update { stamp, .. } => new(stamp.key(), stamp.created()),
            _ => None,
        });
        stamps.collect()
    }

    /// For each operation whether it creates what vanishes with the session.
    pub(crate) fn owned(&self) -> Vec<bool> {
        let is_owned = |operation: &Operation| matches!(operation, Operation::Create { owned: true, .. });
        self.txn.operations().iter().map(is_owned).collect()
    }
}

impl Condition {
    fn arguments(&self, call: Call) -> Call {
        let (created, modified) = self.stamp.as_ref().map_or_else(Default::default, |stamp| {
            (digits(stamp.created().as_u64()), digits(stamp.modified().as_u64()))
        });
        call.with(self.kind).with(keys::entry(&self.key)).with(created).with(modified)
    }
}

fn condition_of_guard(guard: &Guard) -> Option<Condition> {
    Some(match guard {
        Guard::Absent(key) => Condition { kind: "absent", key: key.clone(), stamp: None },
        Guard::Present(key) => Condition { kind: "present", key: key.clone(), stamp: None },
        Guard::Unchanged(stamp) => stamped("unchanged", stamp),
        Guard::Held(stamp) => stamped("held", stamp),
        _ => return None,
    })
}

fn condition_of_operation(operation: &Operation) -> Option<Condition> {
    Some(match operation {
        Operation::Create { key, .. } => Condition { kind: "absent", key: key.clone(), stamp: None },
        Operation::Update { stamp, .. } => stamped("unchanged", stamp),
        Operation::Delete { stamp } => stamped("held", stamp),
        _ => return None,
    })
}

fn stamped(kind: &'static str, stamp: &Stamp) -> Condition {
    Condition { kind, key: stamp.key().clone(), stamp: Some(stamp.clone()) }
}

fn operation_arguments(call: Call, operation: &Operation) -> Call {
    match operation {
        Operation::Create { key, value, owned, .. } => {
            call.with(if *owned { "own" } else { "keep" }).with(keys::entry(key)).with(&value[..])
        }
        Operation::Update { stamp, value } => {
            call.with("update").with(keys::entry(stamp.key())).with(&value[..])
        }
        _ => call.with("delete").with(keys::entry(operation.key())).with(""),
    }
}

#[cfg(test)]
mod tests {
    use super::{Decided, Plan};
    use crate::answer::{Answer, Status};
    use crate::resp::Reply;
    use bytes::Bytes;
    use ha_core::spi::{Collection, Key, Name, Naming, Revision, Stamp, Txn};
    use std::time::Duration;

    fn key(name: &str) -> Key {
        Collection::parse(&["c"]).unwrap().key(Name::parse(name).unwrap())
    }

    fn answer(status: Status, rest: Reply) -> Answer {
        Answer { status, generation: 1, hold: Duration::ZERO, revision: 9, next_over: None, rest }
    }

    #[test]
    fn a_conflict_names_each_key_once_also_of_guards_that_an_operation_implies() {
        let stamp = Stamp::new(key("b"), Revision::new(3), Revision::new(4), Bytes::new());
        let txn = Txn::new().present(key("a")).held(stamp.clone()).delete(stamp).create(key("c"), "");
        let plan = Plan::new(txn, 1).unwrap();
        let failed = Reply::List([0, 1, 2, 3].map(Reply::Number).to_vec());
        let Decided::Refused(keys) = plan.decided(answer(Status::Conflict, failed)).unwrap() else {
            panic!("not a conflict");
        };
        assert_eq!(keys, [key("a"), key("b"), key("c")]);
    }

    #[test]
    fn only_its_own_operation_in_the_slot_shows_that_it_was_done() {
        let plan = Plan::new(Txn::new().create(key("a"), "v"), 7).unwrap();
        assert_eq!(plan.traced(Some((7, 30))), Some(30));
        assert_eq!(plan.traced(Some((6, 30))), None);
        assert_eq!(plan.traced(None), None);
    }

    #[test]
    fn stamps_are_as_the_script_writes_them() {
        let old = Stamp::new(key("u"), Revision::new(3), Revision::new(4), Bytes::new());
        let gone = Stamp::new(key("d"), Revision::new(3), Revision::new(4), Bytes::new());
        let txn = Txn::new().create_owned(key("a"), "", Naming::Unique).update(old, "v").delete(gone);
        let plan = Plan::new(txn, 1).unwrap();
        let numbers = |stamp: &Option<Stamp>| {
            stamp.as_ref().map(|stamp| (stamp.created().as_u64(), stamp.modified().as_u64()))
        };
        let stamps: Vec<_> = plan.stamps(9).iter().map(numbers).collect();
        assert_eq!(stamps, [Some((9, 9)), Some((3, 9)), None]);
        assert_eq!(plan.owned(), [true, false, false]);
    }
}
