//! What a group stores, and where.
//!
//! `group/<name>/members` has one entry per incarnation, owned by the member's session; `group/<name>/ids/<node>` has `member` while that node is a
//! member, which refuses a second one; `group/<name>/status` has one persistent entry per node that an operator drained.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::profile::Profile;
use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Key, Name};
use crate::partition::planner::Seat;
use crate::spi::Entry;

/// The collections and keys of one group, as one node uses them.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) members: Collection,
    /// A collection of its own for each node: it is read by nobody but processes of that node.
    pub(super) ids: Collection,
    pub(super) id: Key,
    pub(super) status: Collection,
    /// Of a recipe that stands on the group: where a member has another entry, of the same name, for as long as it acts as that member. Without either, others do what it did.
    pub(super) acts: Option<Collection>,
}

impl Keys {
    /// Those of a group of this kind: `group`, or another recipe that stands on one.
    pub(super) fn of(kind: &'static str, group: &Name, node: &Name) -> Self {
        let ids = Collection::of(kind, &[group, &Name::internal("ids"), node]);
        Self {
            members: Collection::of(kind, &[group, &Name::internal("members")]),
            id: ids.key(Name::internal("member")),
            ids,
            status: Collection::of(kind, &[group, &Name::internal("status")]),
            acts: None,
        }
    }

    /// Those of a group whose members have another entry in `acts`.
    pub(super) fn with_acts(self, acts: Option<Collection>) -> Self {
        Self { acts, ..self }
    }
}

/// The value of a member's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberRecord {
    pub(super) node: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) roles: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) weight: u32,
    pub(super) ready: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) state: String,
}

impl MemberRecord {
    /// What `node` says of itself; `healthy` is what its health check says.
    pub(super) fn new(node: &Name, profile: &Profile, healthy: bool) -> Self {
        Self {
            node: node.as_str().into(),
            address: profile.address.clone(),
            zone: profile.zone.clone(),
            roles: profile.roles.clone(),
            labels: profile.labels.clone(),
            weight: profile.weight,
            ready: profile.ready && healthy,
            state: profile.state.clone(),
        }
    }
}

impl MemberRecord {
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    pub(crate) fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// The member as planners see it.
    pub(crate) fn seat(&self) -> Seat {
        let mut seat = Seat::new(self.node.as_str()).weight(self.weight);
        if let Some(zone) = &self.zone {
            seat = seat.zone(zone.as_str());
        }
        seat = self.roles.iter().fold(seat, |seat, role| seat.role(role.as_str()));
        self.labels.iter().fold(seat, |seat, (name, value)| seat.label(name.as_str(), value.as_str()))
    }
}

/// The value of the entry that refuses a second member of the same node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IdRecord {
    /// The name of the member's entry.
    pub(super) member: String,
    /// The ttl of the session that owns it: for how long it can outlive its process.
    pub(super) ttl_ms: u64,
}

impl IdRecord {
    pub(super) fn new(member: &Name, ttl: Duration) -> Self {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        Self { member: member.as_str().into(), ttl_ms }
    }

    pub(super) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }
}

/// The value of an operator's entry. No entry: active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StatusRecord {
    pub(super) drained: bool,
    /// The node from which it was set.
    pub(super) by: String,
}

pub(super) fn encode(record: &impl Serialize) -> Bytes {
    serde_json::to_vec(record).unwrap_or_default().into()
}

pub(super) fn decode<T: DeserializeOwned>(entry: &Entry) -> Result<T, Error> {
    serde_json::from_slice(entry.value()).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "read an entry of group")
            .on(entry.key())
            .because("it is not what a group stores there; delete it, or use another name")
            .with_source(error)
    })
}
