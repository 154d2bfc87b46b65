//! One step of a batch: what may be done while the write lock is ours.

use ha_core::spi::{
    Committed, Conflict, Guard, Key, Lineage, Listing, Name, Operation, Outcome, ReadBack, Stamp, Txn,
};
use ha_core::{Error, ErrorKind};
use rusqlite::{Connection, params};

use crate::clock::{MachineClock, Moment};
use crate::error::Failure;
use crate::keys::{Number, Place};
use crate::rows::{self, Incarnation};
use crate::schema::State;

/// How many revisions back changes stay listed. Who is further behind reads everything anew.
const LISTED: i64 = 4_096;

/// The database within a write transaction.
///
/// A step checks everything before it changes anything: one that is refused has changed nothing, and the others of its batch stand.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    connection: &'a Connection,
    clock: MachineClock,
    state: State,
    loaded: State,
    ended: Vec<Number>,
}

impl<'a> Step<'a> {
    /// Begins on `connection`, in a write transaction.
    pub(crate) fn begin(connection: &'a Connection, clock: MachineClock) -> rusqlite::Result<Self> {
        let state = State::load(connection)?;
        Ok(Self { connection, clock, state, loaded: state, ended: Vec::new() })
    }

    /// Writes down where the store stands now. Tells whether anything has changed, and which sessions have ended.
    pub(crate) fn end(mut self) -> rusqlite::Result<(bool, Vec<Number>)> {
        let changed = self.state != self.loaded;
        if self.state.revision > self.state.trimmed + 2 * LISTED {
            self.state.trimmed = self.state.revision - LISTED;
            self.connection
                .prepare_cached("DELETE FROM changes WHERE revision <= ?1")?
                .execute([self.state.trimmed])?;
        }
        if changed {
            self.state.save(self.connection)?;
        }
        Ok((changed, self.ended))
    }

    /// The present moment. Read after the write lock was taken.
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Whether deadlines end nobody for now.
    pub(crate) fn is_holding(&self) -> bool {
        self.state.is_holding(self.now())
    }

    fn lineage(&self) -> Lineage {
        self.state.lineage(self.clock, self.now())
    }

    /// The number that the next session gets.
    pub(crate) fn next_number(&self) -> Number {
        Number(self.state.revision + 1)
    }

    /// Adds the session of the next number.
    pub(crate) fn open_session(&mut self, node: &Name, ttl: i64, process: &str) -> Result<(), Failure> {
        let number = self.next_number();
        self.state.revision = number.0;
        self.state.membership = number.0;
        self.connection.prepare_cached("INSERT INTO sessions VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            number.0,
            node.as_str(),
            ttl,
            process
        ])?;
        Ok(())
    }

    /// Whether the session `number` is alive.
    pub(crate) fn is_alive(&self, number: Number) -> Result<bool, Failure> {
        is_alive(self.connection, number)
    }

    /// Refuses `operation` of a session that is over.
    pub(crate) fn require_alive(&self, number: Number, operation: &'static str) -> Result<(), Failure> {
        if self.is_alive(number)? { Ok(()) } else { Err(lost(number, operation).into()) }
    }

    /// Ends a session: what it owns vanishes in one revision.
    pub(crate) fn end_session(&mut self, number: Number) -> Result<(), Failure> {
        if !self.is_alive(number)? {
            return Ok(());
        }
        self.state.revision += 1;
        self.state.membership = self.state.revision;
        self.connection
            .prepare_cached(
                "INSERT INTO changes SELECT ?2, place, name, created FROM entries WHERE owner = ?1",
            )?
            .execute([number.0, self.state.revision])?;
        self.connection.prepare_cached("DELETE FROM entries WHERE owner = ?1")?.execute([number.0])?;
        self.connection.prepare_cached("DELETE FROM sessions WHERE number = ?1")?.execute([number.0])?;
        self.ended.push(number);
        Ok(())
    }

    /// Ends all sessions of a process.
    pub(crate) fn end_process(&mut self, process: &str) -> Result<(), Failure> {
        let mut statement =
            self.connection.prepare_cached("SELECT number FROM sessions WHERE process = ?1")?;
        let numbers: Result<Vec<i64>, _> = statement.query_map([process], |row| row.get(0))?.collect();
        numbers?.into_iter().try_for_each(|number| self.end_session(Number(number)))
    }

    /// Commits a valid transaction of the session `number` in `namespace`.
    pub(crate) fn commit(&mut self, number: Number, namespace: &Name, txn: &Txn) -> Result<Outcome, Failure> {
        self.require_alive(number, "commit")?;
        self.lineage().admit(txn)?;
        if txn.is_granting() && self.is_holding() {
            return Err(Error::new(ErrorKind::Recovering, "commit")
                .because("the file was replaced by another one, and grants of the old one may still be believed in; try again later")
                .with_until(self.clock.instant(self.state.hold_until))
                .into());
        }
        let failed = self.failed_guards(namespace, txn)?;
        if !failed.is_empty() {
            return Ok(Outcome::Conflict(Conflict::new(failed, self.lineage())));
        }
        if !txn.operations().is_empty() {
            self.state.revision += 1;
        }
        let mut stamps = Vec::with_capacity(txn.operations().len());
        for operation in txn.operations() {
            stamps.push(self.apply(number, namespace, operation)?);
        }
        let reads: Result<Vec<_>, _> =
            txn.reads().iter().map(|read| self.read_back(namespace, read)).collect();
        let revision = rows::revision(self.state.revision);
        Ok(Outcome::Committed(Committed::new(revision, stamps, reads?, self.lineage())))
    }

    /// Deletes the incarnations of `stamps`, as far as they exist.
    pub(crate) fn undo(&mut self, namespace: &Name, stamps: &[Stamp]) -> Result<(), Failure> {
        for stamp in stamps {
            let place = Place::of(namespace, stamp.key().collection());
            let found = rows::incarnation(self.connection, &place, stamp.key().name())?;
            if found.is_some_and(|found| found.created == rows::signed(stamp.created())) {
                self.state.revision += 1;
                self.delete(&place, stamp)?;
            }
        }
        Ok(())
    }

    fn failed_guards(&self, namespace: &Name, txn: &Txn) -> Result<Vec<Key>, Failure> {
        let mut failed: Vec<Key> = Vec::new();
        let mut check =
            |key: &Key, holds: fn(Option<Incarnation>, Option<&Stamp>) -> bool, stamp: Option<&Stamp>| {
                let place = Place::of(namespace, key.collection());
                let found = rows::incarnation(self.connection, &place, key.name())?;
                if !holds(found, stamp) && !failed.contains(key) {
                    failed.push(key.clone());
                }
                Ok::<_, Failure>(())
            };
        for guard in txn.guards() {
            match guard {
                Guard::Absent(key) => check(key, is_absent, None)?,
                Guard::Present(key) => check(key, is_present, None)?,
                Guard::Unchanged(stamp) => check(stamp.key(), is_unchanged, Some(stamp))?,
                Guard::Held(stamp) => check(stamp.key(), is_held, Some(stamp))?,
                _ => return Err(unknown_part()),
            }
        }
        for operation in txn.operations() {
            match operation {
                Operation::Create { key, .. } => check(key, is_absent, None)?,
                Operation::Update { stamp, .. } => check(stamp.key(), is_unchanged, Some(stamp))?,
                Operation::Delete { stamp } => check(stamp.key(), is_held, Some(stamp))?,
                _ => return Err(unknown_part()),
            }
        }
        Ok(failed)
    }

    fn apply(
        &self,
        number: Number,
        namespace: &Name,
        operation: &Operation,
    ) -> Result<Option<Stamp>, Failure> {
        let place = Place::of(namespace, operation.key().collection());
        let (name, revision) = (operation.key().name(), self.state.revision);
        match operation {
            Operation::Create { key, value, owned, .. } => {
                self.connection
                    .prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3, ?3, ?4, ?5)")?
                    .execute(params![
                        place.as_bytes(),
                        name.as_str().as_bytes(),
                        revision,
                        owned.then_some(number.0),
                        &value[..]
                    ])?;
                self.note(&place, name, revision)?;
                Ok(Some(rows::stamp(key.clone(), revision, revision)))
            }
            Operation::Update { stamp, value } => {
                self.connection
                    .prepare_cached(
                        "UPDATE entries SET modified = ?3, value = ?4 WHERE place = ?1 AND name = ?2",
                    )?
                    .execute(params![place.as_bytes(), name.as_str().as_bytes(), revision, &value[..]])?;
                let created = rows::signed(stamp.created());
                self.note(&place, name, created)?;
                Ok(Some(rows::stamp(stamp.key().clone(), created, revision)))
            }
            Operation::Delete { stamp } => {
                self.delete(&place, stamp)?;
                Ok(None)
            }
            _ => Err(unknown_part()),
        }
    }

    fn delete(&self, place: &Place, stamp: &Stamp) -> Result<(), Failure> {
        let name = stamp.key().name();
        self.connection
            .prepare_cached("DELETE FROM entries WHERE place = ?1 AND name = ?2")?
            .execute(params![place.as_bytes(), name.as_str().as_bytes()])?;
        self.note(place, name, rows::signed(stamp.created()))
    }

    /// Lists the change of an incarnation for those who watch.
    fn note(&self, place: &Place, name: &Name, created: i64) -> Result<(), Failure> {
        self.connection.prepare_cached("INSERT INTO changes VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            self.state.revision,
            place.as_bytes(),
            name.as_str().as_bytes(),
            created
        ])?;
        Ok(())
    }

    fn read_back(&self, namespace: &Name, read: &ReadBack) -> Result<Listing, Failure> {
        let place = Place::of(namespace, &read.collection);
        let (entries, more) = rows::page(self.connection, &place, &read.collection, &read.page)?;
        Ok(Listing::new(entries, more, rows::revision(self.state.revision), self.lineage()))
    }
}

fn is_absent(found: Option<Incarnation>, _: Option<&Stamp>) -> bool {
    found.is_none()
}

fn is_present(found: Option<Incarnation>, _: Option<&Stamp>) -> bool {
    found.is_some()
}

fn is_held(found: Option<Incarnation>, stamp: Option<&Stamp>) -> bool {
    found.zip(stamp).is_some_and(|(found, stamp)| found.created == rows::signed(stamp.created()))
}

fn is_unchanged(found: Option<Incarnation>, stamp: Option<&Stamp>) -> bool {
    is_held(found, stamp)
        && found.zip(stamp).is_some_and(|(found, stamp)| found.modified == rows::signed(stamp.modified()))
}

/// Whether the session `number` is alive.
pub(crate) fn is_alive(connection: &Connection, number: Number) -> Result<bool, Failure> {
    Ok(connection.prepare_cached("SELECT 1 FROM sessions WHERE number = ?1")?.exists([number.0])?)
}

/// The error of a request that found its session over.
pub(crate) fn lost(number: Number, operation: &'static str) -> Error {
    Error::new(ErrorKind::SessionLost, operation)
        .on(format_args!("of session {}", number.text()))
        .because("its ttl has passed, or it was closed or ended; open a new one")
}

fn unknown_part() -> Failure {
    Failure::Refused(
        Error::new(ErrorKind::Unsupported, "commit")
            .because("the transaction has a part that this release of the backend does not know"),
    )
}
