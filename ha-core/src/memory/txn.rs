//! Transactions: which guards fail, and what is applied.

use bytes::Bytes;

use crate::error::{Error, ErrorKind};
use crate::memory::namespace::Namespace;
use crate::memory::store::Wakes;
use crate::memory::table::Table;
use crate::spi::{
    Collection, Committed, Conflict, Entry, Guard, Key, Listing, Name, Operation, Outcome, Page, Reads,
    Revision, SessionId, Stamp, Txn,
};

impl Reads for Namespace {
    fn entry(&self, collection: &Collection, name: &Name) -> Option<&Entry> {
        self.tables.find(collection)?.entry(name)
    }

    fn page(&self, collection: &Collection, page: &Page) -> Listing {
        self.list(collection, page)
    }
}

impl Namespace {
    /// Commits a valid transaction of a session that is alive.
    pub(super) fn commit(
        &mut self,
        session: &SessionId,
        mut txn: Txn,
        wakes: &mut Wakes,
    ) -> Result<Outcome, Error> {
        self.lineage().admit(&txn)?;
        if let Some(until) = self.hold_until()
            && txn.is_granting()
        {
            return Err(Error::new(ErrorKind::Recovering, "commit")
                .because("the store may have forgotten grants and holds back new ones; try again later")
                .with_until(until));
        }
        let taken = txn.choice().map_or_else(Vec::new, |take| take.plan(self));
        let failed = self.failed_guards(&txn, &taken);
        if !failed.is_empty() {
            return Ok(Outcome::Conflict(Conflict::new(failed, self.lineage())));
        }
        wakes.reserve(txn.operations().len() + taken.len());
        let mut operations = txn.take_operations().into_iter().chain(taken.iter().cloned()).peekable();
        let revision = match operations.peek() {
            None => self.revision(),
            Some(_) => self.begin_commit(),
        };
        let stamps = operations.map(|operation| self.apply(operation, revision, session, wakes)).collect();
        let reads = txn.reads().iter().map(|read| self.list(&read.collection, &read.page)).collect();
        Ok(Outcome::Committed(Committed::new(revision, stamps, reads, self.lineage()).with_taken(taken)))
    }

    fn failed_guards<'a>(&'a self, txn: &'a Txn, taken: &'a [Operation]) -> Vec<Key> {
        let mut failed = Vec::new();
        let mut near: Option<(&Collection, Option<&Table>)> = None;
        // Mostly the same collection again.
        let mut entry = |key: &'a Key| {
            let table = match near {
                Some((collection, table)) if collection == key.collection() => table,
                _ => self.tables.find(key.collection()),
            };
            near = Some((key.collection(), table));
            table?.entry(key.name())
        };
        let mut check = |satisfied: bool, key: &Key| {
            if !satisfied && !failed.contains(key) {
                failed.push(key.clone());
            }
        };
        for guard in txn.guards() {
            match guard {
                Guard::Absent(key) => check(entry(key).is_none(), key),
                Guard::Present(key) => check(entry(key).is_some(), key),
                Guard::Unchanged(stamp) => check(is_unchanged(entry(stamp.key()), stamp), stamp.key()),
                Guard::Held(stamp) => check(is_held(entry(stamp.key()), stamp), stamp.key()),
            }
        }
        for operation in txn.operations().iter().chain(taken) {
            match operation {
                Operation::Create { key, .. } => check(entry(key).is_none(), key),
                Operation::Update { stamp, .. } => {
                    check(is_unchanged(entry(stamp.key()), stamp), stamp.key())
                }
                Operation::Delete { stamp } => check(is_held(entry(stamp.key()), stamp), stamp.key()),
            }
        }
        failed
    }

    /// Whether the incarnation of `stamp` exists.
    pub(super) fn is_held(&self, stamp: &Stamp) -> bool {
        is_held(self.entry(stamp.key()), stamp)
    }

    fn apply(
        &mut self,
        operation: Operation,
        revision: Revision,
        session: &SessionId,
        wakes: &mut Wakes,
    ) -> Option<Stamp> {
        match operation {
            Operation::Create { key, value, owned, naming: _ } => {
                let stamp = Stamp::new(key, revision, revision, Bytes::new());
                self.put(Entry::new(stamp.clone(), value, owned.then(|| session.clone())), wakes);
                Some(stamp)
            }
            Operation::Update { stamp, value } => {
                self.update(stamp.key(), value, wakes);
                Some(stamp.at(revision))
            }
            Operation::Delete { stamp } => {
                self.remove(stamp.key(), wakes);
                None
            }
        }
    }
}

fn is_held(entry: Option<&Entry>, stamp: &Stamp) -> bool {
    entry.is_some_and(|entry| entry.created() == stamp.created())
}

fn is_unchanged(entry: Option<&Entry>, stamp: &Stamp) -> bool {
    is_held(entry, stamp) && entry.is_some_and(|entry| entry.stamp().modified() == stamp.modified())
}
