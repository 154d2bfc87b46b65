//! What a partitioned group stores, and where.
//!
//! Under `partition/<name>`: `members`, `ids` and `status` are those of a [group](crate::group); `candidates` and `assignor` those of an
//! [election](crate::election). `plan/plan` is written by every step of the assignor and never deleted. `assigned/<member>` says what one member has; only the assignor
//! writes it, and it outlives the member. `acks/<member>` is the member's own, and vanishes with its session.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::codec::{Reader, Writer};
use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key, Name};
use crate::spi::Entry;

/// The first byte of a record, so that another form can follow.
const FORM: u64 = 1;

/// The collections and keys of one partitioned group.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) members: Collection,
    pub(super) status: Collection,
    pub(super) assigned: Collection,
    pub(super) acks: Collection,
    pub(super) plan: Key,
}

impl Keys {
    /// The first segment of every collection.
    pub(super) const KIND: &'static str = "partition";

    pub(super) fn new(name: &Name) -> Self {
        let of = |part: &'static str| Collection::of(Self::KIND, &[name, &Name::internal(part)]);
        Self {
            members: of("members"),
            status: of("status"),
            assigned: of("assigned"),
            acks: of("acks"),
            plan: of("plan").key(Name::internal("plan")),
        }
    }
}

/// The value of the plan's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PlanRecord {
    /// Larger with every step, also after a store forgot some: the token of what the step grants.
    pub(super) seq: u64,
    /// How many partitions there are.
    pub(super) count: u32,
    /// How many grants there were to another node than before.
    #[serde(default)]
    pub(super) moves: u64,
}

/// Partitions that were granted in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) token: u64,
    pub(super) set: Vec<u32>,
}

/// Partitions that are to be given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Revoked {
    /// The step that revoked them: an acknowledgement of it, or of a later one, is needed before they move.
    pub(super) rseq: u64,
    pub(super) set: Vec<u32>,
}

/// What one member has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assigned {
    /// The step that wrote it.
    pub(super) seq: u64,
    /// What the member last said of itself: it names the node, and says how to plan for it while it is away.
    pub(super) profile: Vec<u8>,
    /// For how long what it has is kept for the next life of its node, once it is gone.
    pub(super) hold_ms: u64,
    /// How long it may take to end what is revoked.
    pub(super) drain_ms: u64,
    /// It was told to stop everything at once.
    pub(super) evicted: bool,
    pub(super) granted: Vec<Granted>,
    pub(super) revoked: Vec<Revoked>,
    /// What it is the standby for.
    pub(super) standby: Vec<u32>,
}

impl Assigned {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Writer::default();
        for number in [FORM, self.seq, self.hold_ms, self.drain_ms, u64::from(self.evicted)] {
            out.number(number);
        }
        out.bytes(&self.profile);
        out.number(self.granted.len() as u64);
        for granted in &self.granted {
            out.number(granted.token);
            out.set(&granted.set);
        }
        out.number(self.revoked.len() as u64);
        for revoked in &self.revoked {
            out.number(revoked.rseq);
            out.set(&revoked.set);
        }
        out.set(&self.standby);
        out.finish().into()
    }

    /// One more than the largest partition in it.
    pub(super) fn count(&self) -> u32 {
        let granted = self.granted.iter().filter_map(|granted| granted.set.last());
        let revoked = self.revoked.iter().filter_map(|revoked| revoked.set.last());
        granted.chain(revoked).max().map_or(0, |last| last + 1)
    }

    pub(super) fn decode(entry: &Entry) -> Result<Self, Error> {
        Self::read(entry.value()).ok_or_else(|| corrupt(entry))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(bytes);
        if from.number()? != FORM {
            return None;
        }
        let (seq, hold_ms, drain_ms, evicted) =
            (from.number()?, from.number()?, from.number()?, from.number()?);
        let profile = from.bytes()?.to_vec();
        let mut record = Self { seq, profile, hold_ms, drain_ms, evicted: evicted != 0, ..Self::default() };
        for _ in 0..from.number()? {
            record.granted.push(Granted { token: from.number()?, set: from.set(MAX_PARTITIONS)? });
        }
        for _ in 0..from.number()? {
            record.revoked.push(Revoked { rseq: from.number()?, set: from.set(MAX_PARTITIONS)? });
        }
        record.standby = from.set(MAX_PARTITIONS)?;
        Some(record)
    }
}

/// The most partitions of one group.
pub(super) const MAX_PARTITIONS: u32 = 1 << 20;

/// What a member says to the assignor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ack {
    /// The step whose record the member has seen: whatever that does not grant is stopped, and nothing is started from an older one.
    pub(super) seq: u64,
    /// What of it is not stopped yet.
    pub(super) except: Vec<u32>,
    /// What it is granted but will never start, because the grant is from before the store forgot something: it wants a new one.
    pub(super) void: Vec<u32>,
    /// It announces a restart: what it has is to be kept for its next life for so long.
    pub(super) returns_ms: u64,
    /// How many partitions it wants there to be, at least.
    pub(super) count: u32,
    /// The node whose place it takes.
    pub(super) replaces: String,
}

impl Ack {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Writer::default();
        for number in [FORM, self.seq, self.returns_ms, u64::from(self.count)] {
            out.number(number);
        }
        out.set(&self.except);
        out.set(&self.void);
        out.bytes(self.replaces.as_bytes());
        out.finish().into()
    }

    pub(super) fn decode(entry: &Entry) -> Option<Self> {
        let mut from = Reader::new(entry.value());
        let (FORM, seq, returns_ms, count) = (from.number()?, from.number()?, from.number()?, from.small()?)
        else {
            return None;
        };
        let (except, void) = (from.set(MAX_PARTITIONS)?, from.set(MAX_PARTITIONS)?);
        let replaces = String::from_utf8(from.bytes()?.to_vec()).ok()?;
        Some(Self { seq, except, void, returns_ms, count, replaces })
    }

    /// Whether the member asks for another grant in place of this one, which it has seen.
    pub(super) fn refuses(&self, partition: u32, token: u64) -> bool {
        self.seq >= token && self.void.binary_search(&partition).is_ok()
    }

    /// Whether the member has stopped the partition since the step `rseq` took it away.
    pub(super) fn covers(&self, partition: u32, rseq: u64) -> bool {
        self.seq >= rseq && self.except.binary_search(&partition).is_err()
    }
}

pub(super) fn decode_plan(entry: &Entry) -> Result<PlanRecord, Error> {
    serde_json::from_slice(entry.value()).map_err(|error| corrupt(entry).with_source(error))
}

pub(super) fn encode_plan(record: &PlanRecord) -> Bytes {
    serde_json::to_vec(record).unwrap_or_default().into()
}

fn corrupt(entry: &Entry) -> Error {
    Error::new(ErrorKind::Corrupt, "read an entry of partitions")
        .on(entry.key())
        .because("it is not what is stored there; stop all members, delete the collections of these partitions, and start them again")
}

#[cfg(test)]
mod tests {
    use super::{Ack, Assigned, Granted, Revoked};
    use crate::names::{Collection, Name};
    use crate::spi::{Entry, Revision, Stamp};
    use bytes::Bytes;

    fn entry(value: Bytes) -> Entry {
        let key = Collection::parse(&["c"]).unwrap().key(Name::parse("e").unwrap());
        Entry::new(Stamp::new(key, Revision::new(1), Revision::new(1), Bytes::new()), value, None)
    }

    fn record() -> Assigned {
        Assigned {
            seq: 900,
            profile: b"{}".to_vec(),
            hold_ms: 1,
            drain_ms: 2,
            evicted: true,
            granted: vec![Granted { token: 7, set: vec![0, 2] }, Granted { token: 900, set: vec![9] }],
            revoked: vec![Revoked { rseq: 899, set: vec![3] }],
            standby: vec![4, 5],
        }
    }

    #[test]
    fn records_are_read_as_they_were_written_and_cut_ones_are_refused() {
        let bytes = record().encode();
        assert_eq!(Assigned::decode(&entry(bytes.clone())).unwrap(), record());
        for end in 0..bytes.len() {
            assert!(Assigned::decode(&entry(bytes.slice(..end))).is_err());
        }
        let ack =
            Ack { seq: 5, except: vec![1], void: vec![2], returns_ms: 3, count: 4, replaces: "ä".into() };
        assert_eq!(Ack::decode(&entry(ack.encode())), Some(ack));
    }

    #[test]
    fn a_hundred_thousand_partitions_of_one_member_fit_into_an_entry() {
        // As a member has them to whom half of the others' partitions fell, again and again.
        let mut left: Vec<u32> = (0..100_000).collect();
        let mut record = Assigned::default();
        let mut token = 1_u32;
        while !left.is_empty() {
            let falls = |at: &u32| {
                let mixed = (*at ^ token.wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B);
                (mixed ^ mixed >> 13).wrapping_mul(0xC2B2_AE35) >> 31 == 0
            };
            let (set, rest): (Vec<u32>, Vec<u32>) = left.iter().partition(|at| left.len() < 100 || falls(at));
            record.granted.push(Granted { token: u64::from(token) * 1_000_000, set });
            (left, token) = (rest, token + 1);
        }
        let bytes = record.encode().len();
        assert!(
            record.granted.len() > 5 && bytes <= 64 * 1024,
            "{bytes} bytes, {} grants",
            record.granted.len()
        );
    }

    #[test]
    fn an_acknowledgement_covers_what_was_revoked_until_then_and_is_stopped() {
        let ack = Ack { seq: 10, except: vec![3], ..Ack::default() };
        assert!(ack.covers(2, 10) && ack.covers(2, 9));
        assert!(!ack.covers(2, 11), "revoked later");
        assert!(!ack.covers(3, 10), "not stopped yet");
    }
}
