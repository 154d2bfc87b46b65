//! What a member says of itself.

use std::collections::{BTreeMap, BTreeSet};

use super::records::{MemberRecord, encode};
use crate::error::{Error, ErrorKind};
use crate::names::Name;

/// What a member tells the others about itself: where it is, what it can do, and whether it is ready.
///
/// Nothing is checked before [`Group::join`](super::Group::join) or [`Membership::update`](super::Membership::update).
///
/// # Limits
/// Roles, label names and the zone are names: 1 to 200 bytes. At most [`ROLES`](Self::ROLES) roles and [`LABELS`](Self::LABELS) labels; a label's
/// value and the state have at most [`TEXT_BYTES`](Self::TEXT_BYTES), the address at most [`ADDRESS_BYTES`](Self::ADDRESS_BYTES), and all together,
/// stored, [`STORED_BYTES`](Self::STORED_BYTES).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a profile does nothing until a group is joined with it"]
pub struct Profile {
    pub(super) address: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) roles: BTreeSet<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) weight: u32,
    pub(super) ready: bool,
    pub(super) state: String,
}

impl Profile {
    /// The longest address, in bytes.
    pub const ADDRESS_BYTES: usize = 1_024;
    /// The longest value of a label, and the longest state, in bytes.
    pub const TEXT_BYTES: usize = 1_024;
    /// The most roles.
    pub const ROLES: usize = 64;
    /// The most labels.
    pub const LABELS: usize = 64;
    /// The longest stored form, in bytes. Every observer holds every profile in memory.
    pub const STORED_BYTES: usize = 16 * 1_024;

    /// A member that is ready, of weight 1, without address, zone, roles or labels.
    pub fn new() -> Self {
        Self {
            address: None,
            zone: None,
            roles: BTreeSet::new(),
            labels: BTreeMap::new(),
            weight: 1,
            ready: true,
            state: String::new(),
        }
    }

    /// Where others reach it, such as `10.0.0.1:8080`. Not interpreted.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// What it fails together with: a rack, a room, an availability zone.
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Adds something that it does, such as `rest-api`.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.insert(role.into());
        self
    }

    /// Adds a label, such as `version` with the value `1.4`; replaces the label of the same name.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Removes a label.
    pub fn without_label(mut self, name: &str) -> Self {
        self.labels.remove(name);
        self
    }

    /// How much of the work it should get, relative to the others: a whole number, so that none is negative, infinite or not a number. Default: 1. With 0 it should get none: it
    /// owns no [partition](crate::partition), what it has moves to others, and no key is routed to it.
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Whether it can serve. Default: true. A health check can hold it back as well: see
    /// [`Membership::ready_while`](super::Membership::ready_while).
    pub fn ready(mut self, ready: bool) -> Self {
        self.ready = ready;
        self
    }

    /// The member's own word for what it is doing, such as `warming up`. Not interpreted.
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = state.into();
        self
    }

    /// Whether it keeps the limits.
    pub(super) fn check(&self, operation: &'static str, node: &Name) -> Result<(), Error> {
        let too_large = |what: &str, size: usize, limit: usize| {
            Err(Error::new(ErrorKind::TooLarge, operation)
                .on(what)
                .because(format_args!("it has {size}, at most {limit} are taken")))
        };
        for (what, count, limit) in
            [("roles", self.roles.len(), Self::ROLES), ("labels", self.labels.len(), Self::LABELS)]
        {
            if count > limit {
                return too_large(what, count, limit);
            }
        }
        for role in &self.roles {
            Name::parse_user("role", role)?;
        }
        if let Some(zone) = &self.zone {
            Name::parse_user("zone", zone)?;
        }
        for name in self.labels.keys() {
            Name::parse_user("label", name)?;
        }
        if let Some(address) = self.address.as_ref().filter(|address| address.len() > Self::ADDRESS_BYTES) {
            return too_large("the address (bytes)", address.len(), Self::ADDRESS_BYTES);
        }
        let texts = self.labels.values().chain([&self.state]);
        if let Some(text) = texts.into_iter().find(|text| text.len() > Self::TEXT_BYTES) {
            return too_large("a label or the state (bytes)", text.len(), Self::TEXT_BYTES);
        }
        let stored = encode(&MemberRecord::new(node, self, false)).len();
        if stored > Self::STORED_BYTES {
            return too_large("the profile as a whole (stored bytes)", stored, Self::STORED_BYTES);
        }
        Ok(())
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::new()
    }
}
