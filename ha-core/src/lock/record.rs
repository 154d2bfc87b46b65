//! What a place in a lock's queue says.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Name};
use crate::spi::Entry;

/// The kind of lock that a queue belongs to. One name is one kind (R12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Mutex,
    RwLock,
    Semaphore { permits: u32 },
}

impl Kind {
    /// What a caller of such a lock does.
    pub(super) fn acquire(self) -> &'static str {
        match self {
            Self::Mutex => "acquire mutex",
            Self::RwLock => "acquire read-write lock",
            Self::Semaphore { .. } => "acquire semaphore",
        }
    }

    /// How grants and events call what is held.
    pub(super) fn noun(self, share: Share) -> &'static str {
        match (self, share) {
            (Self::Mutex, _) => "mutex",
            (Self::RwLock, Share::Whole) => "write lock",
            (Self::RwLock, _) => "read lock",
            (Self::Semaphore { .. }, _) => "semaphore",
        }
    }

    fn has(self, share: Share) -> bool {
        match (self, share) {
            (Self::Mutex | Self::RwLock, Share::Whole) | (Self::RwLock, Share::Read) => true,
            (Self::Semaphore { permits }, Share::Permits(weight)) => (1..=permits).contains(&weight),
            _ => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mutex => f.write_str("a mutex"),
            Self::RwLock => f.write_str("a read-write lock"),
            Self::Semaphore { permits } => write!(f, "a semaphore, permits: {permits}"),
        }
    }
}

/// How much of the lock a place takes once it is granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Share {
    /// All of it: a mutex, or to write.
    #[default]
    Whole,
    /// To read, beside others who read.
    Read,
    /// So many of a semaphore's permits.
    Permits(u32),
}

impl Share {
    pub(super) fn is_whole(&self) -> bool {
        *self == Self::Whole
    }

    /// The permits that it takes.
    pub(super) fn weight(self) -> u64 {
        if let Self::Permits(weight) = self { weight.into() } else { 0 }
    }
}

/// The value of a place in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    kind: Kind,
    node: String,
    #[serde(default, skip_serializing_if = "Share::is_whole")]
    share: Share,
}

impl Record {
    pub(super) fn new(kind: Kind, node: &Name, share: Share) -> Self {
        Self { kind, node: node.as_str().into(), share }
    }

    pub(super) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn decode(entry: &Entry) -> Result<Self, Error> {
        let corrupt = || {
            Error::new(ErrorKind::Corrupt, "read the queue of lock")
                .on(entry.key())
                .because("an entry there is not a place in a queue; delete it, or use another name")
        };
        let record: Self =
            serde_json::from_slice(entry.value()).map_err(|error| corrupt().with_source(error))?;
        if record.kind.has(record.share) { Ok(record) } else { Err(corrupt()) }
    }
}

/// How much the entry takes of a lock of this kind. Refuses a place of another kind, or of a semaphore with other permits.
pub(super) fn share_of(entry: &Entry, kind: Kind) -> Result<Share, Error> {
    let other = Record::decode(entry)?;
    if other.kind == kind {
        return Ok(other.share);
    }
    Err(Error::new(ErrorKind::TypeMismatch, "queue for lock").on(entry.key().collection()).because(
        format_args!("node \"{}\" uses it as {}, this is {kind}; use another name", other.node, other.kind),
    ))
}

/// The queue of the lock `name`, whatever its kind.
pub(super) fn queue(name: &Name) -> Collection {
    Collection::of("lock", &[name])
}

#[cfg(test)]
mod tests {
    use super::{Kind, Record, Share, share_of};
    use crate::error::ErrorKind;
    use crate::names::{Collection, Name};
    use crate::spi::{Entry, Revision, Stamp};
    use bytes::Bytes;

    const THREE: Kind = Kind::Semaphore { permits: 3 };

    fn entry(value: Bytes) -> Entry {
        let key = Collection::parse(&["lock", "l"]).unwrap().key(Name::parse("s1-1").unwrap());
        Entry::new(Stamp::new(key, Revision::new(1), Revision::new(1), Bytes::new()), value, None)
    }

    fn place(kind: Kind, share: Share) -> Entry {
        entry(Record::new(kind, &Name::parse("box-1").unwrap(), share).encode())
    }

    #[test]
    fn a_place_says_how_much_it_takes() {
        for (kind, share) in [
            (Kind::Mutex, Share::Whole),
            (Kind::RwLock, Share::Whole),
            (Kind::RwLock, Share::Read),
            (THREE, Share::Permits(3)),
        ] {
            assert_eq!(share_of(&place(kind, share), kind).unwrap(), share);
        }
    }

    #[test]
    fn a_place_of_another_kind_or_with_other_permits_is_a_mismatch_that_names_the_node() {
        for (theirs, share) in [
            (Kind::Mutex, Share::Whole),
            (Kind::RwLock, Share::Read),
            (Kind::Semaphore { permits: 4 }, Share::Permits(1)),
        ] {
            let error = share_of(&place(theirs, share), THREE).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TypeMismatch);
            assert!(error.to_string().contains("box-1"), "{error}");
        }
    }

    #[test]
    fn a_share_that_its_kind_does_not_have_is_corrupt() {
        for (kind, share) in [
            (Kind::Mutex, Share::Read),
            (Kind::RwLock, Share::Permits(1)),
            (THREE, Share::Whole),
            (THREE, Share::Permits(0)),
            (THREE, Share::Permits(4)),
        ] {
            assert_eq!(share_of(&place(kind, share), kind).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        let unknown = r#"{"kind":"barrier","node":"a"}"#;
        assert_eq!(share_of(&entry(unknown.into()), THREE).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn the_place_of_a_mutex_says_no_more_than_it_ever_did() {
        let record = Record::new(Kind::Mutex, &Name::parse("box-1").unwrap(), Share::Whole);
        assert_eq!(record.encode(), r#"{"kind":"mutex","node":"box-1"}"#);
    }
}
