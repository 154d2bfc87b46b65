//! Transactions: guards and operations in one atomic step.

use bytes::Bytes;

use crate::names::{Collection, Key};
use crate::spi::{Lineage, Listing, Naming, Page, Revision, Stamp, Take};

/// A condition of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guard {
    /// No entry exists at the key.
    Absent(Key),
    /// Some entry exists at the key.
    Present(Key),
    /// The entry is the very state of the stamp: same incarnation, not modified since.
    Unchanged(Stamp),
    /// The entry is the incarnation of the stamp, whatever its value is now.
    Held(Stamp),
}

/// A change that a transaction makes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Creates an entry; guarded by its absence.
    Create {
        /// Where.
        key: Key,
        /// What it says.
        value: Bytes,
        /// Whether it vanishes with the session that commits it. Otherwise it is persistent.
        owned: bool,
        /// Whether its name can ever be used again.
        naming: Naming,
    },
    /// Replaces the value of an entry; guarded by `unchanged(stamp)`. Its owner stays.
    Update {
        /// The state to replace.
        stamp: Stamp,
        /// The new value.
        value: Bytes,
    },
    /// Deletes an entry; guarded by `held(stamp)`.
    Delete {
        /// The incarnation to delete.
        stamp: Stamp,
    },
}

impl Operation {
    /// Where the operation acts.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Create { key, .. } => key,
            Self::Update { stamp, .. } | Self::Delete { stamp } => stamp.key(),
        }
    }
}

/// What to read in the same step, after the operations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadBack {
    /// The collection to read.
    pub collection: Collection,
    /// Which of its entries.
    pub page: Page,
}

/// Guards and operations that a session commits in one atomic step, and what to read back.
///
/// Every transaction is also guarded by its own session being alive. Each key appears in at most one operation, and a
/// transaction creates at most one session-owned entry per collection, because entries created together share their
/// revision and could not be told apart by age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a transaction does nothing until a session commits it"]
pub struct Txn {
    guards: Vec<Guard>,
    operations: Vec<Operation>,
    reads: Vec<ReadBack>,
    granting: bool,
    history: Option<u64>,
    take: Option<Take>,
}

impl Txn {
    /// A transaction with no guard and no operation.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a guard.
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }

    /// Requires that no entry exists at `key`.
    pub fn absent(self, key: Key) -> Self {
        self.guard(Guard::Absent(key))
    }

    /// Requires that an entry exists at `key`.
    pub fn present(self, key: Key) -> Self {
        self.guard(Guard::Present(key))
    }

    /// Requires that the entry is in the very state of `stamp`.
    pub fn unchanged(self, stamp: Stamp) -> Self {
        self.guard(Guard::Unchanged(stamp))
    }

    /// Requires that the incarnation of `stamp` still exists.
    pub fn held(self, stamp: Stamp) -> Self {
        self.guard(Guard::Held(stamp))
    }

    /// Adds an operation.
    pub fn operation(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// Creates an entry that vanishes with the session.
    pub fn create_owned(self, key: Key, value: impl Into<Bytes>, naming: Naming) -> Self {
        self.operation(Operation::Create { key, value: value.into(), owned: true, naming })
    }

    /// Creates an entry that stays until it is deleted.
    pub fn create_persistent(self, key: Key, value: impl Into<Bytes>, naming: Naming) -> Self {
        self.operation(Operation::Create { key, value: value.into(), owned: false, naming })
    }

    /// Creates an entry that stays until it is deleted and whose name can be used again: what users of the
    /// [store](crate::store) want.
    pub fn create(self, key: Key, value: impl Into<Bytes>) -> Self {
        self.create_persistent(key, value, Naming::Reusable)
    }

    /// Replaces the value of the entry, if it is in the very state of `stamp`.
    pub fn update(self, stamp: Stamp, value: impl Into<Bytes>) -> Self {
        self.operation(Operation::Update { stamp, value: value.into() })
    }

    /// Deletes the incarnation of `stamp`.
    pub fn delete(self, stamp: Stamp) -> Self {
        self.operation(Operation::Delete { stamp })
    }

    /// Reads a page of `collection` in the same step, after the operations.
    pub fn read_back(mut self, collection: Collection, page: Page) -> Self {
        self.reads.push(ReadBack { collection, page });
        self
    }

    /// Marks a transaction that grants something by an update, such as the claim of a work item: it is refused while
    /// the store holds back new grants. A transaction that creates a session-owned entry is refused then anyway.
    pub fn granting(mut self) -> Self {
        self.granting = true;
        self
    }

    /// Binds it to the history that `lineage` tells of: it is decided from what was seen in that one, and is refused once the store
    /// has begun a later one. Without this it is taken in any.
    pub fn asked_in(mut self, lineage: Lineage) -> Self {
        self.history = Some(lineage.generation());
        self
    }

    /// The generation that it was [asked in](Self::asked_in), if it is bound to one.
    #[must_use]
    pub fn history(&self) -> Option<u64> {
        self.history
    }

    /// Leaves it to the store what else is done: where the [capabilities](crate::spi::Capabilities::takes) allow it. It grants something.
    pub fn take(mut self, take: Take) -> Self {
        self.take = Some(take);
        self
    }

    /// The explicit guards.
    #[must_use]
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// The operations, in the order in which they were added.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Makes room for so many operations more.
    pub(crate) fn reserve(&mut self, operations: usize) {
        self.operations.reserve(operations);
    }

    /// Adds an operation to a transaction of many.
    pub(crate) fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// The operations, without the rest.
    pub(crate) fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// Takes the operations out.
    pub(crate) fn take_operations(&mut self) -> Vec<Operation> {
        std::mem::take(&mut self.operations)
    }

    /// What to read back.
    #[must_use]
    pub fn reads(&self) -> &[ReadBack] {
        &self.reads
    }

    /// What is left to the store.
    #[must_use]
    pub fn choice(&self) -> Option<&Take> {
        self.take.as_ref()
    }

    /// Whether the store must refuse it while it holds back new grants: it creates a session-owned entry, or is
    /// marked as granting.
    #[must_use]
    pub fn is_granting(&self) -> bool {
        self.granting
            || self.take.is_some()
            || self.operations.iter().any(|op| matches!(op, Operation::Create { owned: true, .. }))
    }

    /// Whether it changes an entry that does not vanish with a session, so that its effect outlives a lost session.
    #[must_use]
    pub fn writes_persistent(&self) -> bool {
        self.take.is_some()
            || self.operations.iter().any(|op| !matches!(op, Operation::Create { owned: true, .. }))
    }
}

/// How a transaction ended that the store has decided on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a conflict is an outcome too, and has changed nothing"]
#[non_exhaustive]
pub enum Outcome {
    /// Every guard was satisfied and every operation applied, once.
    Committed(Committed),
    /// A guard was not satisfied; nothing was applied.
    Conflict(Conflict),
}

impl Outcome {
    /// The history that the answer belongs to.
    #[must_use]
    pub fn lineage(&self) -> Lineage {
        match self {
            Self::Committed(committed) => committed.lineage,
            Self::Conflict(conflict) => conflict.lineage,
        }
    }

    /// Whether every operation was applied.
    #[must_use]
    pub fn is_committed(&self) -> bool {
        matches!(self, Self::Committed(_))
    }

    /// The commit, if it was one.
    #[must_use]
    pub fn committed(self) -> Option<Committed> {
        match self {
            Self::Committed(committed) => Some(committed),
            Self::Conflict(_) => None,
        }
    }
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// The revision of the commit; of a transaction without operations, a revision that it is not older than.
    pub revision: Revision,
    /// For each operation, in order, and then for each that was [taken](Self::taken): the new stamp, or `None` for a deletion.
    pub stamps: Vec<Option<Stamp>>,
    /// For each read-back, in order: the state at or after the commit, its own writes included, never earlier.
    pub reads: Vec<Listing>,
    /// The operations of the [`Take`], if the transaction had one.
    pub taken: Vec<Operation>,
    /// The history that the answer belongs to.
    pub lineage: Lineage,
}

impl Committed {
    /// A commit, as a backend reports it.
    #[must_use]
    pub fn new(
        revision: Revision,
        stamps: Vec<Option<Stamp>>,
        reads: Vec<Listing>,
        lineage: Lineage,
    ) -> Self {
        Self { revision, stamps, reads, taken: Vec::new(), lineage }
    }

    /// The same commit, of a transaction with a take that did this.
    #[must_use]
    pub fn with_taken(mut self, taken: Vec<Operation>) -> Self {
        self.taken = taken;
        self
    }
}

/// Why a transaction was not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// Keys whose guards, explicit or of an operation, were not satisfied: at least one, not necessarily all. By the
    /// time of the answer they may be satisfied again.
    pub keys: Vec<Key>,
    /// The history that the answer belongs to.
    pub lineage: Lineage,
}

impl Conflict {
    /// A conflict, as a backend reports it.
    #[must_use]
    pub fn new(keys: Vec<Key>, lineage: Lineage) -> Self {
        Self { keys, lineage }
    }
}
