//! Records of the log, as scripts write them: what was changed in one step.

use std::time::Duration;

use bytes::Bytes;
use ha_core::spi::{Change, Collection, Name};

use crate::answer::{digits, entry, name, stamp, strange};
use crate::failure::Failure;
use crate::keys::{SESSION_BYTES, place_bytes};
use crate::resp::Reply;

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) revision: u64,
    /// The revision before. Another one than that of the record before shows that some are missing.
    pub(crate) before: u64,
    pub(crate) changes: Vec<Changed>,
    /// A session was opened that may end as soon as this.
    pub(crate) opened: Option<Duration>,
    /// The session that this ended.
    pub(crate) ended: Option<Bytes>,
    /// A new history began.
    pub(crate) begins_history: bool,
}

/// A change of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) place: Vec<u8>,
    pub(crate) name: Name,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// It is stored like this.
    Put(Bytes),
    /// It was written, and is too long for the log.
    Long,
    /// The incarnation that was created then is gone.
    Removed(u64),
}

impl Changed {
    /// The change as those see it who watch `collection`; `None` if the entry has to be read.
    pub(crate) fn to(&self, collection: Option<&Collection>) -> Result<Option<Change>, Failure> {
        let Some(collection) = collection else { return Ok(None) };
        let name = self.name.clone();
        Ok(match &self.what {
            What::Put(stored) => Some(Change::Put(entry(collection, name, stored)?)),
            What::Long => None,
            What::Removed(created) => Some(Change::Removed(stamp(collection, name, *created, *created))),
        })
    }
}

impl Record {
    /// The records of an answer to `XREAD` on one stream. None if there was nothing to tell.
    pub(crate) fn parse_all(reply: Reply) -> Result<Vec<Self>, Failure> {
        let streams = match reply {
            Reply::Nil => return Ok(Vec::new()),
            Reply::List(streams) => streams,
            _ => return Err(strange("the log is no list")),
        };
        let Some(Reply::List(stream)) = streams.into_iter().next() else {
            return Err(strange("the log is missing"));
        };
        let Some(Reply::List(records)) = stream.into_iter().nth(1) else {
            return Err(strange("the records of the log are missing"));
        };
        records.iter().map(Self::parse).collect()
    }

    fn parse(reply: &Reply) -> Result<Self, Failure> {
        let Reply::List(parts) = reply else { return Err(strange("a record is no list")) };
        let [Reply::Text(id), Reply::List(fields)] = &parts[..] else {
            return Err(strange("a record has no fields"));
        };
        let [_, Reply::Text(before), _, Reply::Text(changes)] = &fields[..] else {
            return Err(strange("a record has other fields"));
        };
        let end = id.iter().position(|byte| *byte == b'-').unwrap_or(id.len());
        let mut record = Self {
            revision: digits(&id[..end])?,
            before: digits(before)?,
            changes: Vec::new(),
            opened: None,
            ended: None,
            begins_history: false,
        };
        let mut rest = Cursor(changes.clone());
        while let Some(kind) = rest.kind() {
            record.part(kind, &mut rest)?;
        }
        Ok(record)
    }

    fn part(&mut self, kind: u8, rest: &mut Cursor) -> Result<(), Failure> {
        match kind {
            b'G' => self.begins_history = true,
            b'E' => self.ended = Some(rest.exactly(SESSION_BYTES)?),
            b'S' => self.opened = Some(Duration::from_micros(rest.number(16)?)),
            b'P' => {
                let (key, stored) = (rest.number(4)?, rest.number(5)?);
                let key = rest.take(key)?;
                let stored = rest.take(stored)?;
                self.changed(&key, What::Put(stored))?;
            }
            b'R' => {
                let key = rest.number(4)?;
                let key = rest.take(key)?;
                self.changed(&key, What::Long)?;
            }
            b'D' => {
                let key = rest.number(4)?;
                let key = rest.take(key)?;
                let created = rest.number(16)?;
                self.changed(&key, What::Removed(created))?;
            }
            _ => return Err(strange("the log tells of something unknown")),
        }
        Ok(())
    }

    fn changed(&mut self, key: &[u8], what: What) -> Result<(), Failure> {
        let at = place_bytes(key).ok_or_else(|| strange("the log tells of a key that is none"))?;
        let (place, found) = key.split_at(at);
        self.changes.push(Changed { place: place.to_vec(), name: name(found)?, what });
        Ok(())
    }
}

/// What is left of a record.
struct Cursor(Bytes);

impl Cursor {
    fn kind(&mut self) -> Option<u8> {
        let kind = *self.0.first()?;
        self.0 = self.0.slice(1..);
        Some(kind)
    }

    fn number(&mut self, length: u64) -> Result<u64, Failure> {
        digits(&self.take(length)?)
    }

    fn take(&mut self, length: u64) -> Result<Bytes, Failure> {
        self.exactly(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn exactly(&mut self, length: usize) -> Result<Bytes, Failure> {
        let is_there = length <= self.0.len();
        is_there.then(|| self.0.split_to(length)).ok_or_else(|| strange("a record ends too early"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, What};
    use crate::resp::Reply;
    use std::time::Duration;

    fn text(bytes: &[u8]) -> Reply {
        Reply::Text(bytes.to_vec().into())
    }

    fn answer(changes: &[u8]) -> Reply {
        let fields = Reply::List(vec![text(b"p"), text(b"0000000000000007"), text(b"x"), text(changes)]);
        let record = Reply::List(vec![text(b"9-0"), fields]);
        Reply::List(vec![Reply::List(vec![text(b"log"), Reply::List(vec![record])])])
    }

    #[test]
    fn a_record_tells_what_one_step_has_changed() {
        let changes =
            b"E0123456789abcdef01234567P000400003\x01\x01cnxyzR0004\x01\x01cmD0004\x01\x01co0000000000000005S0000000002000000G";
        let records = Record::parse_all(answer(changes)).unwrap();
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!((record.revision, record.before), (9, 7));
        assert_eq!(record.ended.as_deref(), Some(&b"0123456789abcdef01234567"[..]));
        assert_eq!((record.opened, record.begins_history), (Some(Duration::from_secs(2)), true));
        let found: Vec<_> = record.changes.iter().map(|one| (one.name.as_str(), one.what.clone())).collect();
        let expected = [("n", What::Put("xyz".into())), ("m", What::Long), ("o", What::Removed(5))];
        assert_eq!(found, expected);
        assert!(record.changes.iter().all(|one| one.place == b"\x01\x01c"));
    }

    #[test]
    fn a_record_that_no_script_writes_is_refused() {
        for changes in
            [&b"X"[..], b"P", b"P000400009\x01\x01cnxyz", b"D0001\x000000000000000005", b"S12", b"Eshort"]
        {
            Record::parse_all(answer(changes)).expect_err(&format!("{changes:?}"));
        }
        assert_eq!(Record::parse_all(Reply::Nil).unwrap(), []);
        Record::parse_all(Reply::List(vec![])).unwrap_err();
    }
}
