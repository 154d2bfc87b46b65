//! Shows the entries of a store under other names or with other revisions, for defects that mix them up.

use ha_core::spi::{
    Committed, Conflict, Entry, Guard, Key, Listing, Name, Operation, Outcome, Revision, Stamp, Txn,
};

/// A translation of names and revisions, the same one towards the store and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relabel {
    name: fn(&str) -> String,
    revision: fn(u64) -> u64,
}

impl Relabel {
    /// Translates names only.
    pub(super) fn names(name: fn(&str) -> String) -> Self {
        Self { name, revision: |revision| revision }
    }

    /// Translates revisions only. Twice must be the same as not at all.
    pub(super) fn revisions(revision: fn(u64) -> u64) -> Self {
        Self { name: str::to_owned, revision }
    }

    /// The transaction as the store is to see it.
    pub(super) fn txn(self, txn: &Txn) -> Txn {
        let guards = txn.guards().iter().map(|guard| match guard {
            Guard::Absent(key) => Guard::Absent(self.key(key)),
            Guard::Present(key) => Guard::Present(self.key(key)),
            Guard::Unchanged(stamp) => Guard::Unchanged(self.stamp(stamp)),
            Guard::Held(stamp) => Guard::Held(self.stamp(stamp)),
            guard => guard.clone(),
        });
        let operations = txn.operations().iter().map(|operation| match operation.clone() {
            Operation::Create { key, value, owned, naming } => {
                Operation::Create { key: self.key(&key), value, owned, naming }
            }
            Operation::Update { stamp, value } => Operation::Update { stamp: self.stamp(&stamp), value },
            Operation::Delete { stamp } => Operation::Delete { stamp: self.stamp(&stamp) },
            operation => operation,
        });
        super::rebuild(txn, guards.collect(), operations.collect())
    }

    /// The outcome as the client is to see it.
    pub(super) fn outcome(self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Committed(committed) => {
                let stamps =
                    committed.stamps.iter().map(|stamp| stamp.as_ref().map(|stamp| self.stamp(stamp)));
                let reads = committed.reads.into_iter().map(|read| self.listing(read)).collect();
                let revision = self.revision(committed.revision);
                let relabelled = Committed::new(revision, stamps.collect(), reads, committed.lineage);
                Outcome::Committed(relabelled.with_taken(committed.taken))
            }
            Outcome::Conflict(conflict) => {
                let keys = conflict.keys.iter().map(|key| self.key(key)).collect();
                Outcome::Conflict(Conflict::new(keys, conflict.lineage))
            }
            outcome => outcome,
        }
    }

    /// The listing as the client is to see it.
    pub(super) fn listing(self, listing: Listing) -> Listing {
        let (more, revision, lineage) = (listing.has_more(), listing.revision(), listing.lineage());
        let entries = listing.into_entries().iter().map(|entry| self.entry(entry)).collect();
        Listing::new(entries, more, self.revision(revision), lineage)
    }

    fn key(self, key: &Key) -> Key {
        let text = (self.name)(key.name().as_str());
        key.collection().key(Name::parse(&text).unwrap_or_else(|_| key.name().clone()))
    }

    fn revision(self, revision: Revision) -> Revision {
        Revision::new((self.revision)(revision.as_u64()))
    }

    fn stamp(self, stamp: &Stamp) -> Stamp {
        let (created, modified) = (self.revision(stamp.created()), self.revision(stamp.modified()));
        Stamp::new(self.key(stamp.key()), created, modified, stamp.detail().clone())
    }

    fn entry(self, entry: &Entry) -> Entry {
        Entry::new(self.stamp(entry.stamp()), entry.value().clone(), entry.owner().cloned())
    }
}
