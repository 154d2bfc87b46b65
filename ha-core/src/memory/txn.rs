//! Transactions: what is refused, which guards fail, and what is applied.

use bytes::Bytes;

use crate::error::{Error, ErrorKind};
use crate::memory::namespace::Namespace;
use crate::memory::store::Wakes;
use crate::spi::{
    Capabilities, Committed, Conflict, Entry, Guard, Key, Operation, Outcome, Revision, SessionId, Stamp, Txn,
};

/// Refuses a transaction that no backend takes, or that is beyond the capabilities.
pub(super) fn validate(txn: &Txn, capabilities: &Capabilities) -> Result<(), Error> {
    let count = txn.operations().len().max(txn.guards().len());
    if count > capabilities.operations_max {
        return Err(Error::new(ErrorKind::TooLarge, "commit").because(format_args!(
            "{count} guards or operations in one transaction, at most {} fit; split it",
            capabilities.operations_max
        )));
    }
    for operation in txn.operations() {
        let (Operation::Create { value, .. } | Operation::Update { value, .. }) = operation else { continue };
        if value.len() > capabilities.value_bytes_max {
            return Err(Error::new(ErrorKind::TooLarge, "commit").on(operation.key()).because(format_args!(
                "a value of {} bytes, at most {} fit",
                value.len(),
                capabilities.value_bytes_max
            )));
        }
    }
    if txn.operations().len() > 1 {
        refuse_ambiguity(txn.operations())?;
    }
    Ok(())
}

fn refuse_ambiguity(operations: &[Operation]) -> Result<(), Error> {
    let refuse = |subject: &dyn std::fmt::Display, reason: &str| {
        Err(Error::new(ErrorKind::InvalidInput, "commit").on(subject).because(reason))
    };
    let mut keys: Vec<&Key> = operations.iter().map(Operation::key).collect();
    keys.sort_unstable();
    if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(pair[0], "two operations of one transaction change it; use two transactions");
    }
    let is_owned = |operation: &&Operation| matches!(operation, Operation::Create { owned: true, .. });
    let mut collections: Vec<_> =
        operations.iter().filter(is_owned).map(|operation| operation.key().collection()).collect();
    collections.sort_unstable();
    if let Some(pair) = collections.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(
            pair[0],
            "one transaction creates two session-owned entries in it, which would be of the same age; use two transactions",
        );
    }
    Ok(())
}

impl Namespace {
    /// Commits a valid transaction of a session that is alive.
    pub(super) fn commit(
        &mut self,
        session: &SessionId,
        txn: &Txn,
        wakes: &mut Wakes,
    ) -> Result<Outcome, Error> {
        if let Some(until) = self.hold_until()
            && txn.is_granting()
        {
            return Err(Error::new(ErrorKind::Recovering, "commit")
                .because("the store may have forgotten grants and holds back new ones; try again later")
                .with_until(until));
        }
        let failed = self.failed_guards(txn);
        if !failed.is_empty() {
            return Ok(Outcome::Conflict(Conflict::new(failed, self.lineage())));
        }
        let revision = match txn.operations() {
            [] => self.revision(),
            _ => self.begin_commit(),
        };
        let stamps = txn
            .operations()
            .iter()
            .map(|operation| self.apply(operation, revision, session, wakes))
            .collect();
        let reads = txn.reads().iter().map(|read| self.list(&read.collection, &read.page)).collect();
        Ok(Outcome::Committed(Committed::new(revision, stamps, reads, self.lineage())))
    }

    fn failed_guards(&self, txn: &Txn) -> Vec<Key> {
        let mut failed = Vec::new();
        let mut check = |satisfied: bool, key: &Key| {
            if !satisfied && !failed.contains(key) {
                failed.push(key.clone());
            }
        };
        for guard in txn.guards() {
            match guard {
                Guard::Absent(key) => check(self.entry(key).is_none(), key),
                Guard::Present(key) => check(self.entry(key).is_some(), key),
                Guard::Unchanged(stamp) => check(self.is_unchanged(stamp), stamp.key()),
                Guard::Held(stamp) => check(self.is_held(stamp), stamp.key()),
            }
        }
        for operation in txn.operations() {
            match operation {
                Operation::Create { key, .. } => check(self.entry(key).is_none(), key),
                Operation::Update { stamp, .. } => check(self.is_unchanged(stamp), stamp.key()),
                Operation::Delete { stamp } => check(self.is_held(stamp), stamp.key()),
            }
        }
        failed
    }

    /// Whether the incarnation of `stamp` exists.
    pub(super) fn is_held(&self, stamp: &Stamp) -> bool {
        self.entry(stamp.key()).is_some_and(|entry| entry.created() == stamp.created())
    }

    fn is_unchanged(&self, stamp: &Stamp) -> bool {
        self.entry(stamp.key()).is_some_and(|entry| {
            entry.created() == stamp.created() && entry.stamp().modified() == stamp.modified()
        })
    }

    fn apply(
        &mut self,
        operation: &Operation,
        revision: Revision,
        session: &SessionId,
        wakes: &mut Wakes,
    ) -> Option<Stamp> {
        let (stamp, value, owner) = match operation {
            Operation::Create { key, value, owned, naming: _ } => {
                let stamp = Stamp::new(key.clone(), revision, revision, Bytes::new());
                (stamp, value, owned.then(|| session.clone()))
            }
            Operation::Update { stamp, value } => {
                let owner = self.entry(stamp.key()).and_then(Entry::owner).cloned();
                (Stamp::new(stamp.key().clone(), stamp.created(), revision, Bytes::new()), value, owner)
            }
            Operation::Delete { stamp } => {
                self.remove(stamp.key(), wakes);
                return None;
            }
        };
        self.put(Entry::new(stamp.clone(), value.clone(), owner), wakes);
        Some(stamp)
    }
}
