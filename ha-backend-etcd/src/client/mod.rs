//! The seam to the client library: what this backend asks of etcd, in its own words.
//!
//! Nothing outside this folder names a type of `etcd-client` or `tonic`, so that the library can be replaced.

mod connection;
mod convert;
mod failure;
mod stream;
mod together;

use bytes::Bytes;

pub(crate) use connection::{Connection, Endpoint, TlsMaterial};
pub(crate) use failure::{Failure, FailureKind};
pub(crate) use stream::{Event, Told, WatchAnswer, WatchOrder, WatchReader};

/// Who answered, as of when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) cluster: u64,
    pub(crate) revision: u64,
    pub(crate) term: u64,
}

/// A key with its value, as etcd shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kv {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Bytes,
    pub(crate) created: u64,
    pub(crate) modified: u64,
    /// 0 for none.
    pub(crate) lease: i64,
}

/// The keys from `key` up to, and without, `end`; only `key` if `end` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub(crate) key: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl KeyRange {
    /// One key.
    pub(crate) fn one(key: Vec<u8>) -> Self {
        Self { key, end: Vec::new() }
    }
}

/// How a read is sorted. By name is the natural order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Name,
    Oldest,
    Newest,
}

/// A read of some keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) range: KeyRange,
    pub(crate) sort: Sort,
    /// 0 for no limit.
    pub(crate) limit: usize,
    /// Bounds of the revision of creation, both included; 0 for none.
    pub(crate) created_from: u64,
    pub(crate) created_to: u64,
    /// The revision to read at; 0 for the latest.
    pub(crate) revision: u64,
    pub(crate) keys_only: bool,
    /// What the member that is asked has, without the others (etcd: serializable). It may be behind them.
    pub(crate) alone: bool,
}

impl Read {
    /// Reads one key.
    pub(crate) fn key(key: Vec<u8>) -> Self {
        Self { range: KeyRange::one(key), ..Self::default() }
    }

    /// Reads what is known of one key but its value.
    pub(crate) fn revisions(key: Vec<u8>) -> Self {
        Self { keys_only: true, ..Self::key(key) }
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kvs: Vec<Kv>,
    pub(crate) more: bool,
}

/// A condition on one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Compare {
    pub(crate) key: Vec<u8>,
    pub(crate) is: Is,
}

/// What a key has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Is {
    /// Created at this revision; at 0: absent.
    CreatedAt(u64),
    ModifiedAt(u64),
    Present,
}

impl Is {
    /// Whether it holds for what was read at the key.
    pub(crate) fn holds(self, kv: Option<&Kv>) -> bool {
        match self {
            Self::CreatedAt(revision) => kv.map_or(0, |kv| kv.created) == revision,
            Self::ModifiedAt(revision) => kv.map_or(0, |kv| kv.modified) == revision,
            Self::Present => kv.is_some(),
        }
    }
}

/// Which lease a put key gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    None,
    Of(i64),
    /// The one that it has.
    Keep,
}

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Put { key: Vec<u8>, value: Vec<u8>, lease: Lease },
    Delete(Vec<u8>),
    Read(Read),
}

/// Steps that are done if all of `when` holds, or else others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TxnRequest {
    pub(crate) when: Vec<Compare>,
    pub(crate) then: Vec<Step>,
    pub(crate) otherwise: Vec<Step>,
}

/// What became of a transaction: which way it went, and what that way read, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TxnAnswer {
    pub(crate) header: Header,
    pub(crate) succeeded: bool,
    pub(crate) found: Vec<Found>,
}
