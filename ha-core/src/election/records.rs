//! What an election stores, and where.
//!
//! `election/<name>/candidates` has one entry per candidate; `election/<name>/record` has `leader`, owned by the leader's session, and
//! `tenure`, persistent, which says how the latest term ended and to whom it was handed.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key, Name};
use crate::spi::{Entry, Revision};

/// The collections and keys of one election.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) candidates: Collection,
    pub(super) record: Collection,
    pub(super) leader: Key,
    pub(super) tenure: Key,
}

impl Keys {
    /// Those of an election of this kind: `election`, or another recipe that elects somebody.
    pub(super) fn new(kind: &'static str, election: &Name) -> Self {
        let record = Collection::of(kind, &[election, &Name::internal("record")]);
        Self {
            candidates: Collection::of(kind, &[election, &Name::internal("candidates")]),
            leader: record.key(Name::internal("leader")),
            tenure: record.key(Name::internal("tenure")),
            record,
        }
    }
}

/// The value of a candidate's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CandidateRecord {
    pub(super) node: String,
    pub(super) priority: i32,
}

/// The value of the leader's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeaderRecord {
    pub(super) node: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
}

/// The value of the tenure entry. Each leader writes it with its grant, by the stamp that it saw, so it knows exactly how its
/// predecessor ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TenureRecord {
    /// Who led.
    pub(super) node: String,
    /// Whether it resigned. Otherwise it leads, or vanished.
    pub(super) released: bool,
    /// The `created` of the candidate that leadership was handed to. A hint: it changes ranks only, and is void once that candidate is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) handover: Option<u64>,
}

impl TenureRecord {
    pub(super) fn handover(&self) -> Option<Revision> {
        self.handover.map(Revision::new)
    }
}

pub(super) fn encode(record: &impl Serialize) -> Bytes {
    serde_json::to_vec(record).unwrap_or_default().into()
}

pub(super) fn decode<T: DeserializeOwned>(entry: &Entry) -> Result<T, Error> {
    serde_json::from_slice(entry.value()).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "read an entry of election")
            .on(entry.key())
            .because("it is not what an election stores there; delete it, or use another name")
            .with_source(error)
    })
}
