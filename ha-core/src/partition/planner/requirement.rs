//! Which members may run a partition.

use super::problem::Seat;

/// What a member has to be to run a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// It has this label with this value.
    Label(String, String),
    /// It does this.
    Role(String),
    /// It is in this zone.
    Zone(String),
    /// It is this node.
    Node(String),
}

impl Requirement {
    /// A label with a value.
    #[must_use]
    pub fn label(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Label(name.into(), value.into())
    }

    /// Whether this seat is such a one.
    #[must_use]
    pub fn is_met_by(&self, seat: &Seat) -> bool {
        match self {
            Self::Label(name, value) => seat.labels.get(name) == Some(value),
            Self::Role(role) => seat.roles.contains(role),
            Self::Zone(zone) => seat.zone.as_ref() == Some(zone),
            Self::Node(node) => seat.node == *node,
        }
    }
}
