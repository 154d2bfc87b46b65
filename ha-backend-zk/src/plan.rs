//! A transaction of the contract as one of ZooKeeper's, and what a refusal means for it.
//!
//! The first step is that the marker of the session is in the version that we know. Then come the guards, each once, and then the operations: the steps of
//! ZooKeeper are done one after the other, and a guard must not see what an operation did. The last step writes the name of the operation to a slot of the session:
//! it shows whether the transaction was done, and its answer tells the revision.

use std::collections::BTreeSet;

use ha_core::spi::{Collection, Entry, Guard, Key, Name, Naming, Operation, Revision, SessionId, Stamp, Txn};
use ha_core::{Error, ErrorKind};

use crate::client::{Failure, FailureKind, Life, MultiFailure, Stat, Step};
use crate::keys::Layout;
use crate::stamp::{Detail, session_text};
use crate::value;

/// What a server with the default limit takes in one request, less what its envelope may need. A longer one is answered by hanging up.
const REQUEST_BYTES_MAX: usize = 1_048_575 - 16 * 1024;

/// A transaction on its way.
#[derive(Debug)]
pub(crate) struct Plan {
    txn: Txn,
    pub(crate) operation: String,
    session: i64,
    /// The steps of the guards and operations, each with the key that it is about.
    steps: Vec<(Key, Step)>,
    /// The collections that something is created in, be it only to see that it is absent.
    pub(crate) collections: BTreeSet<String>,
    /// What stands in the stamps, one for each operation.
    details: Vec<Option<Detail>>,
}

/// What a refusal means.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The session has no marker any more.
    Over,
    /// The marker is in another version.
    Fenced,
    /// The slot is not there.
    NoSlot,
    /// A collection, or what all collections stand in, is not there yet.
    NoParent(Key),
    /// A guard was not satisfied.
    Conflict(Key),
    /// Something else.
    Failed(Failure),
}

impl Plan {
    /// Plans `txn` for the session, as the operation with this name.
    ///
    /// # Errors
    /// `TooLarge` if a server with the default limits would not take it, `Unsupported` for a guard or an operation that this release
    /// does not know.
    pub(crate) fn new(txn: Txn, operation: String, session: i64, layout: &Layout) -> Result<Self, Error> {
        let mut plan = Self {
            operation,
            session,
            steps: Vec::new(),
            collections: BTreeSet::new(),
            details: Vec::new(),
            txn,
        };
        let txn = plan.txn.clone();
        plan.add_guards(&txn, layout)?;
        for (number, operation) in txn.operations().iter().enumerate() {
            plan.add_operation(number, operation, layout)?;
        }
        let bytes: usize = plan.steps.iter().map(|(_, step)| step.bytes()).sum();
        if bytes > REQUEST_BYTES_MAX {
            return Err(Error::new(ErrorKind::TooLarge, "commit").because(format_args!(
                "{bytes} bytes in one request, at most {REQUEST_BYTES_MAX} fit; split it"
            )));
        }
        Ok(plan)
    }

    fn add_guards(&mut self, txn: &Txn, layout: &Layout) -> Result<(), Error> {
        // What an operation checks anyway. An absence that a creation needs, too, would be checked by creating the node twice.
        let created: BTreeSet<&Key> = txn
            .operations()
            .iter()
            .filter(|operation| matches!(operation, Operation::Create { .. }))
            .map(Operation::key)
            .collect();
        let mut absent = BTreeSet::new();
        for guard in txn.guards() {
            match guard {
                Guard::Absent(key) if created.contains(key) || !absent.insert(key) => {}
                Guard::Absent(key) => {
                    let path = layout.entry(key);
                    self.collections.insert(layout.collection(key.collection()));
                    // Nothing else checks for an absence: who watches sees nothing, because both are done at one instant.
                    let create =
                        Step::Create { path: path.clone(), data: Vec::new(), life: Life::Persistent };
                    self.add(key, create);
                    self.add(key, Step::Delete { path });
                }
                Guard::Present(key) => self.add(key, check(layout.entry(key), None)),
                Guard::Unchanged(stamp) => {
                    let detail = Detail::of(stamp);
                    self.add(stamp.key(), check(layout.entry(stamp.key()), Some(detail.version)));
                    self.add_companion(stamp.key(), &detail, layout);
                }
                Guard::Held(stamp) => {
                    self.add(stamp.key(), check(layout.entry(stamp.key()), None));
                    self.add_companion(stamp.key(), &Detail::of(stamp), layout);
                }
                _ => return Err(unknown()),
            }
        }
        Ok(())
    }

    fn add_operation(&mut self, number: usize, operation: &Operation, layout: &Layout) -> Result<(), Error> {
        let detail = match operation {
            Operation::Create { key, value, owned, naming } => {
                let life = if *owned { Life::Ephemeral } else { Life::Persistent };
                let companion = match naming {
                    Naming::Unique => String::new(),
                    _ => format!("{}.{number}", self.operation),
                };
                let data = value::seal(&companion, value);
                self.collections.insert(layout.collection(key.collection()));
                self.add(key, Step::Create { path: layout.entry(key), data, life });
                if !companion.is_empty() {
                    let path = layout.companion(&companion);
                    self.add(key, Step::Create { path, data: Vec::new(), life });
                }
                Some(Detail { version: 0, owner: if *owned { self.session } else { 0 }, companion })
            }
            Operation::Update { stamp, value } => {
                let detail = Detail::of(stamp);
                self.add_companion(stamp.key(), &detail, layout);
                let data = value::seal(&detail.companion, value);
                let path = layout.entry(stamp.key());
                self.add(stamp.key(), Step::Set { path, data, version: Some(detail.version) });
                Some(detail)
            }
            Operation::Delete { stamp } => {
                let companion = Detail::of(stamp).companion;
                if !companion.is_empty() {
                    self.add(stamp.key(), Step::Delete { path: layout.companion(&companion) });
                }
                self.add(stamp.key(), Step::Delete { path: layout.entry(stamp.key()) });
                None
            }
            _ => return Err(unknown()),
        };
        self.details.push(detail);
        Ok(())
    }

    /// The incarnation of the stamp is there as long as its companion is.
    fn add_companion(&mut self, key: &Key, detail: &Detail, layout: &Layout) {
        if !detail.companion.is_empty() {
            self.add(key, check(layout.companion(&detail.companion), None));
        }
    }

    fn add(&mut self, key: &Key, step: Step) {
        let is_check = matches!(step, Step::Check { .. });
        if !is_check || !self.steps.iter().any(|(_, other)| *other == step) {
            self.steps.push((key.clone(), step));
        }
    }

    pub(crate) fn txn(&self) -> &Txn {
        &self.txn
    }

    /// The request: guarded by the marker being in the version `fence`, and written down in `slot`.
    pub(crate) fn request(&self, marker: &str, fence: i32, slot: &str) -> Vec<Step> {
        let guard = check(marker.to_owned(), Some(fence));
        let trace =
            Step::Set { path: slot.to_owned(), data: self.operation.clone().into_bytes(), version: None };
        std::iter::once(guard).chain(self.steps.iter().map(|(_, step)| step.clone())).chain([trace]).collect()
    }

    /// What it means that a step was refused.
    pub(crate) fn refused(&self, failed: MultiFailure) -> Refused {
        use FailureKind::{Exists, NoNode, OtherVersion};
        let MultiFailure { step: Some(step), failure } = failed else {
            return Refused::Failed(failed.failure);
        };
        if step == 0 {
            return match failure.kind {
                NoNode => Refused::Over,
                OtherVersion => Refused::Fenced,
                _ => Refused::Failed(failure),
            };
        }
        let Some((key, refused)) = self.steps.get(step - 1) else {
            return if failure.kind == NoNode { Refused::NoSlot } else { Refused::Failed(failure) };
        };
        match (refused, failure.kind) {
            (Step::Create { .. }, NoNode) => Refused::NoParent(key.clone()),
            (_, NoNode | Exists | OtherVersion) => Refused::Conflict(key.clone()),
            _ => Refused::Failed(failure),
        }
    }

    /// The revision of a commit, from what its steps left.
    pub(crate) fn revision(results: &[Option<Stat>]) -> Option<u64> {
        results.last().copied().flatten().map(|stat| stat.modified)
    }

    /// The entry that a commit at `revision` created there, if nobody else has a reason to touch it: it is owned, and its name is used once.
    pub(crate) fn own_creation(&self, collection: &Collection, name: &Name, revision: u64) -> Option<Entry> {
        let is_it = |operation: &&Operation| {
            let key = operation.key();
            key.name() == name && key.collection() == collection
        };
        let Operation::Create { key, value, owned: true, naming: Naming::Unique } =
            self.txn.operations().iter().find(is_it)?
        else {
            return None;
        };
        let revision = Revision::new(revision);
        let detail = Detail { version: 0, owner: self.session, companion: String::new() };
        let stamp = Stamp::new(key.clone(), revision, revision, detail.encode());
        Some(Entry::new(stamp, value.clone(), SessionId::parse(&session_text(self.session)).ok()))
    }

    /// The stamps of a commit at `revision`.
    pub(crate) fn stamps(&self, revision: u64) -> Vec<Option<Stamp>> {
        let revision = Revision::new(revision);
        let operations = self.txn.operations().iter().zip(&self.details);
        operations
            .map(|(operation, detail)| {
                let mut detail = detail.clone()?;
                let created = match operation {
                    Operation::Update { stamp, .. } => {
                        detail.version = detail.version.wrapping_add(1);
                        stamp.created()
                    }
                    _ => revision,
                };
                Some(Stamp::new(operation.key().clone(), created, revision, detail.encode()))
            })
            .collect()
    }
}

fn check(path: String, version: Option<i32>) -> Step {
    Step::Check { path, version }
}

/// The contract may grow; what is not understood must not be committed.
fn unknown() -> Error {
    Error::new(ErrorKind::Unsupported, "commit").because(
        "it has a guard or an operation that the ZooKeeper backend does not know; update it with the core",
    )
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
