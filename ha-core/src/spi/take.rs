//! A choice that is left to the store: what a worker takes of a work-set.

use std::fmt;
use std::sync::Arc;

use crate::names::{Collection, Key, Name};
use crate::spi::{Entry, Listing, Operation, Page};

/// What a worker takes of what is ready, chosen by the store itself at the instant of the commit.
///
/// Without it a worker looks which items are ready, reads them, and takes them in a third request, which is in vain when somebody else was faster. A backend whose
/// [capabilities](super::Capabilities::takes) say so takes it as a part of a [`Txn`](super::Txn) instead, does what [`plan`](Self::plan) says, and reports the operations
/// in [`Committed::taken`](super::Committed::taken).
///
/// # Guarantees
/// * The state that the plan is made from is the one that its operations are applied to: nothing happens between.
/// * A plan that takes an item creates an entry at [`record`](Self::record) that names all that it takes. So a request whose reply was lost was applied with effect if
///   that entry is there.
///
/// Two takes are equal if they have the same record.
#[derive(Clone)]
pub struct Take(Arc<dyn Choice>);

/// The state of the store at one instant.
pub trait Reads {
    /// The entry of this name.
    fn entry(&self, collection: &Collection, name: &Name) -> Option<&Entry>;

    /// A page of a collection.
    fn page(&self, collection: &Collection, page: &Page) -> Listing;
}

/// What a recipe chooses.
pub(crate) trait Choice: fmt::Debug + Send + Sync + 'static {
    fn record(&self) -> &Key;

    fn reads_from(&self) -> &[Collection];

    fn plan(&self, reads: &dyn Reads) -> Vec<Operation>;
}

impl Take {
    pub(crate) fn new(choice: impl Choice) -> Self {
        Self(Arc::new(choice))
    }

    /// What is to be done in the state that `reads` shows. It is a function of that state alone, and waits for nothing.
    ///
    /// # Guarantees
    /// Nothing if nothing is ready. At most as many operations as the capabilities allow beside four others; each key in at most one, and none of them creates an entry that a
    /// session owns. The entries that the plan does not write about need no guard: they are what `reads` has shown.
    pub fn plan(&self, reads: &dyn Reads) -> Vec<Operation> {
        self.0.plan(reads)
    }

    /// Where the entry is created that says what was taken; the name is never used again.
    #[must_use]
    pub fn record(&self) -> &Key {
        self.0.record()
    }

    /// The collections that a plan reads from.
    #[must_use]
    pub fn reads_from(&self) -> &[Collection] {
        self.0.reads_from()
    }
}

impl PartialEq for Take {
    fn eq(&self, other: &Self) -> bool {
        self.record() == other.record()
    }
}

impl Eq for Take {}

impl fmt::Debug for Take {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Take").field(&self.0).finish()
    }
}
