//! The record of a namespace: the format of what is stored in it, and the base of its tokens.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key, Name};
use crate::spi::{Entry, Lineage, Naming, Outcome, Page, Session, Txn};

/// The format that this release writes. It reads this one and the one before.
const FORMAT: u32 = 1;
const OLDEST_READ: u32 = 1;
/// Each round of reading and writing the record can be overtaken by another node once in a while, not many times.
const ROUNDS: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: u32,
    token_base: u64,
}

/// What a session learns about its namespace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Format {
    pub(super) token_base: u64,
    pub(super) lineage: Lineage,
}

fn collection() -> Collection {
    Collection::of("_ha", &[])
}

fn key() -> Key {
    collection().key(Name::internal("format"))
}

fn decode(entry: &Entry) -> Result<Record, Error> {
    let record: Record = serde_json::from_slice(entry.value()).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "read the namespace record")
            .on(entry.key())
            .because("it is not a record of this toolkit; is the namespace used by something else?")
            .with_source(error)
    })?;
    if record.format < OLDEST_READ || record.format > FORMAT {
        return Err(Error::new(ErrorKind::Incompatible, "use the namespace").on(entry.key()).because(format_args!(
            "it is stored in format {}, this release reads {OLDEST_READ} to {FORMAT}; use a matching release",
            record.format
        )));
    }
    Ok(record)
}

fn encode(record: &Record) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}

async fn read(session: &dyn Session) -> Result<(Option<(Entry, Record)>, Lineage), Error> {
    let listing = session.list(&collection(), Page::by_name(Page::MAX_LIMIT)).await?;
    let lineage = listing.lineage();
    let found = listing.into_entries().into_iter().find(|entry| *entry.key() == key());
    Ok((found.map(|entry| decode(&entry).map(|record| (entry, record))).transpose()?, lineage))
}

/// Checks the format of the namespace, and writes it if the namespace is new.
pub(super) async fn check(session: &dyn Session) -> Result<Format, Error> {
    for _ in 0..ROUNDS {
        let (found, lineage) = read(session).await?;
        if let Some((_, record)) = found {
            return Ok(Format { token_base: record.token_base, lineage });
        }
        if session.ttl().is_none() {
            // An observer writes nothing; an empty namespace is in any format.
            return Ok(Format { token_base: 0, lineage });
        }
        let record = Record { format: FORMAT, token_base: 0 };
        let txn = Txn::new().absent(key()).create_persistent(key(), encode(&record), Naming::Reusable);
        // A conflict: another node was faster. The next round reads what was written, whoever did it.
        drop(session.commit(txn).await?);
    }
    Err(contended())
}

/// Raises what is added to each token from the next session of each node on. It never goes down.
pub(super) async fn raise_token_base(session: &dyn Session, token_base: u64) -> Result<u64, Error> {
    for _ in 0..ROUNDS {
        let (found, _) = read(session).await?;
        let Some((entry, record)) = found else {
            check(session).await?;
            continue;
        };
        if record.token_base >= token_base {
            return Ok(record.token_base);
        }
        let txn = Txn::new().update(entry.stamp().clone(), encode(&Record { token_base, ..record }));
        if let Outcome::Committed(_) = session.commit(txn).await? {
            return Ok(token_base);
        }
    }
    Err(contended())
}

fn contended() -> Error {
    Error::new(ErrorKind::Unavailable, "write the namespace record")
        .because("other nodes keep changing it; try again")
}
