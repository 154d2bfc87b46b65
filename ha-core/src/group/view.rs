//! Who is here, as one process sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::records::{MemberRecord, StatusRecord, decode};
use crate::spi::Entry;
use crate::token::Token;

/// What an operator wants of a node, beside the node's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It may get work. The default.
    Active,
    /// It should get no new work.
    Drained,
}

/// A member of a group, as it was when the view was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// The stable name of the node.
    pub node: String,
    /// Which life of the node: larger than that of every earlier life in this group.
    pub incarnation: Token,
    /// Where it is reached, if it said so.
    pub address: Option<String>,
    /// What it fails together with, if it said so.
    pub zone: Option<String>,
    /// What it does.
    pub roles: BTreeSet<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How much of the work it should get, relative to the others.
    pub weight: u32,
    /// Whether it says that it can serve, and its health check agrees.
    pub ready: bool,
    /// Its own word for what it is doing.
    pub state: String,
    /// What an operator wants of it.
    pub status: Status,
}

impl Member {
    /// The member of this entry; `None` for an entry that no member wrote.
    pub(super) fn of(entry: &Entry, status: Option<&Entry>) -> Option<Self> {
        let record: MemberRecord = decode(entry).ok()?;
        Some(Self {
            node: record.node,
            incarnation: Token::new(entry.created().as_u64()),
            address: record.address,
            zone: record.zone,
            roles: record.roles,
            labels: record.labels,
            weight: record.weight,
            ready: record.ready,
            state: record.state,
            status: status.map_or(Status::Active, status_of),
        })
    }

    /// Whether it should get work: it is ready, and no operator drained it.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.ready && self.status == Status::Active
    }

    /// The same, with the base of the namespace's tokens added.
    pub(super) fn lifted(mut self, base: u64) -> Self {
        self.incarnation = Token::new(self.incarnation.as_u64().saturating_add(base));
        self
    }
}

/// Whether an operator's entry says that its node is to get no work.
pub(crate) fn is_drained(entry: &Entry) -> bool {
    status_of(entry) == Status::Drained
}

/// An entry that cannot be read was put there by an operator's newer tool, or by mistake: the node gets no work until somebody looks.
fn status_of(entry: &Entry) -> Status {
    match decode::<StatusRecord>(entry) {
        Ok(StatusRecord { drained: false, .. }) => Status::Active,
        Ok(_) | Err(_) => Status::Drained,
    }
}

/// The members of a group as one process knows them. A snapshot: it does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub(super) number: u64,
    pub(super) is_current: bool,
    pub(super) members: BTreeMap<String, Arc<Member>>,
}

impl View {
    /// Its number: one more for each [`Change`] that this process was told of. Other processes count differently.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the process heard from the store when it asked for the view. Otherwise this is what it knew last: it has no session, or the
    /// store cannot be reached.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.is_current
    }

    /// The members, by node.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values().map(|member| &**member)
    }

    /// The members that should get work.
    pub fn available(&self) -> impl Iterator<Item = &Member> {
        self.members().filter(|member| member.is_available())
    }

    /// The member of this node.
    #[must_use]
    pub fn get(&self, node: &str) -> Option<&Member> {
        self.members.get(node).map(|member| &**member)
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

/// How a view came about from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A node is here that was not.
    Joined(Arc<Member>),
    /// This member is gone: it left, its process died, or its session was lost.
    Left(Arc<Member>),
    /// A member changed what it says of itself, or its status was changed.
    Updated(Arc<Member>),
    /// A node is here in a new life: its process was restarted, or lost its session and has another one. Told in place of `Joined` when the earlier
    /// life was in a view before, whether that has been told to have left or not.
    Restarted {
        /// The new life.
        member: Arc<Member>,
        /// The incarnation of the life before.
        before: Token,
    },
    /// Everything: this is the whole view. Told first, and after each gap, in which members may have come and gone.
    Resynced(View),
}
