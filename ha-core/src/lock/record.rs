//! What a place in a lock's queue says.

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
    Semaphore,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::Mutex => "a mutex",
            Self::RwLock => "a read-write lock",
            Self::Semaphore => "a semaphore",
        }
    }
}

/// The value of a place in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    kind: Kind,
    node: String,
}

impl Record {
    pub(super) fn mutex(node: &Name) -> Self {
        Self { kind: Kind::Mutex, node: node.as_str().into() }
    }

    pub(super) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    fn decode(entry: &Entry) -> Result<Self, Error> {
        serde_json::from_slice(entry.value()).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "read the queue of lock")
                .on(entry.key())
                .because("an entry there is not a place in a queue; delete it, or use another name")
                .with_source(error)
        })
    }

    /// Refuses a queue whose entry ahead is of another kind.
    pub(super) fn check_kind(&self, ahead: &Entry) -> Result<(), Error> {
        let other = Self::decode(ahead)?;
        if other.kind == self.kind {
            return Ok(());
        }
        Err(Error::new(ErrorKind::TypeMismatch, "queue for lock").on(ahead.key().collection()).because(
            format_args!(
                "node \"{}\" uses it as {}, this is {}; use another name",
                other.node,
                other.kind.text(),
                self.kind.text()
            ),
        ))
    }
}

/// The queue of the lock `name`, whatever its kind.
pub(super) fn queue(name: &Name) -> Collection {
    Collection::of("lock", &[name])
}
