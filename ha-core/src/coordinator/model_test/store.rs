//! The store of a world: what the contract promises and no more, applied when the scheduler says so.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key};
use crate::runtime::Instant;
use crate::spi::{
    Committed, Conflict, Entry, Guard, Lineage, Listing, Operation, Order, Outcome, Page, Revision,
    SessionId, Stamp, Txn, WatchTarget,
};

/// How long a session lives in the store without a renewal.
pub(crate) const TTL: Duration = Duration::from_secs(10);
/// How long new grants are held back once something may be forgotten: longer than any grant that was is believed in.
const HOLD: Duration = Duration::from_secs(11);
/// How many commits a failover can forget at most.
const PAST: usize = 6;

#[derive(Clone, Debug, Default)]
struct Table {
    entries: BTreeMap<Key, Entry>,
    /// Until when each session lives.
    sessions: BTreeMap<SessionId, Instant>,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    table: Table,
    past: Vec<Table>,
    revision: u64,
    opened: usize,
    lineage: Lineage,
    /// Who made each commit.
    authors: BTreeMap<u64, SessionId>,
    /// Whether the store leaves it to its clients to grant nothing during a hold, and to know in which history it is.
    pub(crate) trusts_clients: bool,
}

impl Store {
    pub(crate) fn lineage(&self) -> Lineage {
        self.lineage
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.table.entries.values()
    }

    /// Who created what has this stamp.
    pub(crate) fn author(&self, created: Revision) -> Option<&SessionId> {
        self.authors.get(&created.as_u64())
    }

    // Sessions ----------------------------------------------------------------------------------------------------

    pub(crate) fn open(&mut self, now: Instant) -> SessionId {
        self.opened += 1;
        let id = SessionId::parse(&format!("s{}", self.opened)).unwrap();
        self.table.sessions.insert(id.clone(), now + TTL);
        id
    }

    pub(crate) fn is_alive(&self, session: &SessionId) -> bool {
        self.table.sessions.contains_key(session)
    }

    pub(crate) fn renew(&mut self, session: &SessionId, now: Instant) -> bool {
        self.table.sessions.get_mut(session).map(|until| *until = now + TTL).is_some()
    }

    pub(crate) fn end(&mut self, session: &SessionId) {
        self.table.sessions.remove(session);
        self.table.entries.retain(|_, entry| entry.owner() != Some(session));
        self.revision += 1;
    }

    /// Ends the sessions that were not renewed; none during a hold.
    pub(crate) fn expire(&mut self, now: Instant) {
        if self.lineage.hold_until().is_some_and(|until| now < until) {
            return;
        }
        let due = self.table.sessions.iter().filter(|(_, until)| **until <= now);
        let due: Vec<SessionId> = due.map(|(id, _)| id.clone()).collect();
        due.iter().for_each(|id| self.end(id));
    }

    /// Forgets the last `commits`: what they deleted is back, also whole sessions.
    pub(crate) fn forget(&mut self, commits: usize, now: Instant) {
        let kept = self.past.len().saturating_sub(commits);
        if let Some(table) = self.past.drain(kept..).next() {
            self.table = table;
        }
        self.past.clear();
        self.revision += 1_000;
        self.lineage = Lineage::new(self.lineage.generation() + 1).held_until(now + HOLD);
    }

    // Requests ----------------------------------------------------------------------------------------------------

    pub(crate) fn commit(&mut self, session: &SessionId, txn: &Txn, now: Instant) -> Result<Outcome, Error> {
        if !self.is_alive(session) {
            return Err(Error::new(ErrorKind::SessionLost, "commit"));
        }
        if !self.trusts_clients {
            self.lineage.admit(txn)?;
        }
        let hold = self.lineage.hold_until().filter(|until| now < *until && !self.trusts_clients);
        if let (Some(until), true) = (hold, txn.is_granting()) {
            return Err(Error::new(ErrorKind::Recovering, "commit").with_until(until));
        }
        let failed = self.failed(txn);
        if !failed.is_empty() {
            return Ok(Outcome::Conflict(Conflict::new(failed, self.lineage)));
        }
        self.past.push(self.table.clone());
        if self.past.len() > PAST {
            self.past.remove(0);
        }
        self.revision += 1;
        self.authors.insert(self.revision, session.clone());
        let stamps = txn.operations().iter().map(|operation| self.apply(operation, session)).collect();
        let reads = txn.reads().iter().map(|read| self.list(&read.collection, &read.page)).collect();
        let revision = Revision::new(self.revision);
        Ok(Outcome::Committed(Committed::new(revision, stamps, reads, self.lineage)))
    }

    fn failed(&self, txn: &Txn) -> Vec<Key> {
        let entry = |key: &Key| self.table.entries.get(key);
        let held = |stamp: &Stamp| entry(stamp.key()).is_some_and(|e| e.stamp().is_same_incarnation(stamp));
        let unchanged =
            |stamp: &Stamp| held(stamp) && entry(stamp.key()).unwrap().stamp().modified() == stamp.modified();
        let guards = txn.guards().iter().map(|guard| match guard {
            Guard::Absent(key) => (key, entry(key).is_none()),
            Guard::Present(key) => (key, entry(key).is_some()),
            Guard::Unchanged(stamp) => (stamp.key(), unchanged(stamp)),
            Guard::Held(stamp) => (stamp.key(), held(stamp)),
        });
        let implied = txn.operations().iter().map(|operation| match operation {
            Operation::Create { key, .. } => (key, entry(key).is_none()),
            Operation::Update { stamp, .. } => (stamp.key(), unchanged(stamp)),
            Operation::Delete { stamp } => (stamp.key(), held(stamp)),
        });
        guards.chain(implied).filter(|(_, fits)| !fits).map(|(key, _)| key.clone()).collect()
    }

    fn apply(&mut self, operation: &Operation, session: &SessionId) -> Option<Stamp> {
        let revision = Revision::new(self.revision);
        let (stamp, value, owner) = match operation {
            Operation::Create { key, value, owned, .. } => {
                let stamp = Stamp::new(key.clone(), revision, revision, Bytes::new());
                (stamp, value, owned.then(|| session.clone()))
            }
            Operation::Update { stamp, value } => {
                let owner = self.table.entries[stamp.key()].owner().cloned();
                (Stamp::new(stamp.key().clone(), stamp.created(), revision, Bytes::new()), value, owner)
            }
            Operation::Delete { stamp } => {
                self.table.entries.remove(stamp.key());
                return None;
            }
        };
        self.table.entries.insert(stamp.key().clone(), Entry::new(stamp.clone(), value.clone(), owner));
        Some(stamp)
    }

    /// In a read-back nothing is younger than the commit, so the youngest are those at the commit.
    pub(crate) fn list(&self, collection: &Collection, page: &Page) -> Listing {
        let all = self.table.entries.values().filter(|entry| entry.key().collection() == collection);
        let mut entries: Vec<Entry> = match page.order() {
            Order::Name { after } => {
                all.filter(|e| after.as_ref().is_none_or(|after| e.key().name() > after)).cloned().collect()
            }
            Order::Only { name } => all.filter(|e| e.key().name() == name).cloned().collect(),
            Order::Newest { up_to: Some(up_to) } => all.filter(|e| e.created() <= *up_to).cloned().collect(),
            _ => all.cloned().collect(),
        };
        match page.order() {
            Order::Name { .. } | Order::Only { .. } => {}
            _ => entries.sort_by(|a, b| (a.created(), a.key().name()).cmp(&(b.created(), b.key().name()))),
        }
        if matches!(page.order(), Order::Newest { .. }) {
            entries.reverse();
        }
        let more = entries.len() > page.limit();
        entries.truncate(page.limit());
        Listing::new(entries, more, Revision::new(self.revision), self.lineage)
    }

    /// What a watch on `target` would show now.
    pub(crate) fn watched(&self, target: &WatchTarget) -> (BTreeMap<Key, Entry>, Revision) {
        let fits = |key: &Key| match target {
            WatchTarget::Entry(wanted) => key == wanted,
            WatchTarget::Collection(wanted) => key.collection() == wanted,
        };
        let shown = self.table.entries.iter().filter(|(key, _)| fits(key));
        (shown.map(|(key, entry)| (key.clone(), entry.clone())).collect(), Revision::new(self.revision))
    }
}
