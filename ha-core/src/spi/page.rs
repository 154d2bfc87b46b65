//! Reading a collection in pages.

use crate::names::Name;
use crate::spi::{Entry, Lineage, Revision};

/// The order in which a page shows entries, and where it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// By name, byte-wise ascending, beginning behind `after`.
    Name {
        /// The name behind which the page begins; it need not exist.
        after: Option<Name>,
    },
    /// One entry, by its name: a look that costs the same however large the collection is.
    Only {
        /// The name.
        name: Name,
    },
    /// By age, oldest first: ascending by (`created`, name).
    Oldest,
    /// By age, youngest first: descending by (`created`, name).
    Newest {
        /// Leaves out entries created after this revision. In a read-back `None` means: not created after the commit
        /// itself, so that the first entry is the one which the commit created, if it created one here.
        up_to: Option<Revision>,
    },
}

/// Which entries of a collection to read: an order and a limit, and whether others may have gone on since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    order: Order,
    limit: usize,
    relaxed: bool,
}

impl Page {
    /// The most entries that one page holds, whatever limit is asked for.
    pub const MAX_LIMIT: usize = 1_000;

    /// A page in `order` of at most `limit` entries; a limit is clamped to 1 ..= [`Page::MAX_LIMIT`].
    #[must_use]
    pub fn new(order: Order, limit: usize) -> Self {
        Self { order, limit: limit.clamp(1, Self::MAX_LIMIT), relaxed: false }
    }

    /// The first page by name.
    #[must_use]
    pub fn by_name(limit: usize) -> Self {
        Self::new(Order::Name { after: None }, limit)
    }

    /// A page by name, beginning behind `after`.
    #[must_use]
    pub fn after(after: Name, limit: usize) -> Self {
        Self::new(Order::Name { after: Some(after) }, limit)
    }

    /// The entry of this name, if there is one, and nothing else.
    #[must_use]
    pub fn only(name: Name) -> Self {
        Self::new(Order::Only { name }, 1)
    }

    /// The oldest entries.
    #[must_use]
    pub fn oldest(limit: usize) -> Self {
        Self::new(Order::Oldest, limit)
    }

    /// The youngest entries; in a read-back: at the commit.
    #[must_use]
    pub fn newest(limit: usize) -> Self {
        Self::new(Order::Newest { up_to: None }, limit)
    }

    /// The youngest entries among those created at `revision` or before.
    #[must_use]
    pub fn newest_up_to(revision: Revision, limit: usize) -> Self {
        Self::new(Order::Newest { up_to: Some(revision) }, limit)
    }

    /// The same page for somebody whom an older state serves as well, down to the latest one that this session has committed or was shown, by a watch as well: sequential
    /// consistency instead of linearizability. One server can answer it without asking the others.
    #[must_use]
    pub fn relaxed(self) -> Self {
        Self { relaxed: true, ..self }
    }

    /// Whether a state that others have changed since may be [shown](Self::relaxed). A read-back shows its own commit or later in any case.
    #[must_use]
    pub fn is_relaxed(&self) -> bool {
        self.relaxed
    }

    /// The order.
    #[must_use]
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The most entries that the answer has.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// What a page of a collection held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    entries: Vec<Entry>,
    more: bool,
    revision: Revision,
    lineage: Lineage,
}

impl Listing {
    /// An answer made by a backend: `entries` in the order asked for, `more` if the limit cut it, as of `revision`.
    #[must_use]
    pub fn new(entries: Vec<Entry>, more: bool, revision: Revision, lineage: Lineage) -> Self {
        Self { entries, more, revision, lineage }
    }

    /// The entries, in the order asked for.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries, by value.
    #[must_use]
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Whether there are entries behind the last one shown; never where [one](Order::Only) was asked for.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// A revision that the answer is not older than.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The history that the answer belongs to.
    #[must_use]
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }
}
