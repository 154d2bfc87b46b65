//! Reading entries.

use bytes::Bytes;
use ha_core::spi::{Collection, Entry, Key, Name, Order, Page, Revision, Stamp};
use ha_core::{Error, ErrorKind};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Failure;
use crate::keys::{Number, Place};

/// What guards compare, without the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incarnation {
    pub(crate) created: i64,
    pub(crate) modified: i64,
}

/// The incarnation at a key.
pub(crate) fn incarnation(
    connection: &Connection,
    place: &Place,
    name: &Name,
) -> rusqlite::Result<Option<Incarnation>> {
    let sql = "SELECT created, modified FROM entries WHERE place = ?1 AND name = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![place.as_bytes(), name.as_str().as_bytes()], |row| {
        Ok(Incarnation { created: row.get(0)?, modified: row.get(1)? })
    });
    found.optional()
}

/// The entry at `key`.
pub(crate) fn entry(connection: &Connection, place: &Place, key: &Key) -> Result<Option<Entry>, Failure> {
    let sql = "SELECT name, created, modified, owner, value FROM entries WHERE place = ?1 AND name = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![place.as_bytes(), key.name().as_str().as_bytes()])?;
    rows.next()?.map(|row| read(row, key.collection())).transpose()
}

/// All entries of a collection, by name.
pub(crate) fn all(
    connection: &Connection,
    place: &Place,
    collection: &Collection,
) -> Result<Vec<Entry>, Failure> {
    let sql = "SELECT name, created, modified, owner, value FROM entries WHERE place = ?1 ORDER BY name";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![place.as_bytes()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row, collection)?);
    }
    Ok(found)
}

/// The entries of a page, and whether there are more behind it.
pub(crate) fn page(
    connection: &Connection,
    place: &Place,
    collection: &Collection,
    page: &Page,
) -> Result<(Vec<Entry>, bool), Failure> {
    // One more than asked for shows whether there are more.
    let limit = i64::try_from(page.limit() + 1).unwrap_or(i64::MAX);
    let place = place.as_bytes();
    let mut statement = connection.prepare_cached(sql_of(page.order()))?;
    let mut rows = match page.order() {
        Order::Name { after: Some(after) } => {
            statement.query(params![place, limit, after.as_str().as_bytes()])?
        }
        Order::Only { name } => statement.query(params![place, limit, name.as_str().as_bytes()])?,
        Order::Newest { up_to: Some(up_to) } => statement.query(params![place, limit, signed(*up_to)])?,
        _ => statement.query(params![place, limit])?,
    };
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if found.len() == page.limit() {
            return Ok((found, true));
        }
        found.push(read(row, collection)?);
    }
    Ok((found, false))
}

fn sql_of(order: &Order) -> &'static str {
    match order {
        Order::Name { after: Some(_) } => {
            "SELECT name, created, modified, owner, value FROM entries WHERE place = ?1 AND name > ?3 ORDER BY name LIMIT ?2"
        }
        Order::Only { .. } => {
            "SELECT name, created, modified, owner, value FROM entries WHERE place = ?1 AND name = ?3 LIMIT ?2"
        }
        Order::Oldest => {
            "SELECT name, created, modified, owner, value FROM entries INDEXED BY entries_by_age
             WHERE place = ?1 ORDER BY created, name LIMIT ?2"
        }
        Order::Newest { up_to: None } => {
            "SELECT name, created, modified, owner, value FROM entries INDEXED BY entries_by_age
             WHERE place = ?1 ORDER BY created DESC, name DESC LIMIT ?2"
        }
        Order::Newest { up_to: Some(_) } => {
            "SELECT name, created, modified, owner, value FROM entries INDEXED BY entries_by_age
             WHERE place = ?1 AND created <= ?3 ORDER BY created DESC, name DESC LIMIT ?2"
        }
        _ => {
            "SELECT name, created, modified, owner, value FROM entries WHERE place = ?1 ORDER BY name LIMIT ?2"
        }
    }
}

fn read(row: &Row<'_>, collection: &Collection) -> Result<Entry, Failure> {
    let name: Vec<u8> = row.get(0)?;
    let name = name_of(&name)?;
    let (created, modified): (i64, i64) = (row.get(1)?, row.get(2)?);
    let owner: Option<i64> = row.get(3)?;
    let value: Vec<u8> = row.get(4)?;
    let owner = owner.map(|number| Number(number).id()).transpose()?;
    Ok(Entry::new(stamp(collection.key(name), created, modified), value.into(), owner))
}

/// A name as the file has it.
pub(crate) fn name_of(bytes: &[u8]) -> Result<Name, Failure> {
    let corrupt = |reason: &str| {
        Failure::Refused(Error::new(ErrorKind::Corrupt, "read the local store").because(reason))
    };
    let text = std::str::from_utf8(bytes).map_err(|_invalid| corrupt("a name in it is not UTF-8"))?;
    Name::parse(text).map_err(|_invalid| corrupt("a name in it is empty or too long"))
}

/// The stamp of what was created and modified then.
pub(crate) fn stamp(key: Key, created: i64, modified: i64) -> Stamp {
    Stamp::new(key, revision(created), revision(modified), Bytes::new())
}

/// A revision as the file has it.
pub(crate) fn revision(number: i64) -> Revision {
    Revision::new(number.cast_unsigned())
}

/// A revision as the file has it; one that no file has is later than all.
pub(crate) fn signed(revision: Revision) -> i64 {
    i64::try_from(revision.as_u64()).unwrap_or(i64::MAX)
}
