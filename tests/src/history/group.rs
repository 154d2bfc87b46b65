//! What a view of a group shows.

use serde::{Deserialize, Serialize};

/// A member in a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Shown {
    /// Its node.
    pub node: String,
    /// Which process of the node it says that it is: the incarnation of the records.
    pub process: u64,
    /// Which incarnation the group says that it is.
    pub incarnation: u64,
    /// The number of what it says of itself.
    pub version: u64,
}

impl Shown {
    /// A member.
    #[must_use]
    pub fn new(node: impl Into<String>, process: u64, incarnation: u64, version: u64) -> Self {
        Self { node: node.into(), process, incarnation, version }
    }
}
