//! The seam to the client library: what the rest of this crate says to ZooKeeper, in its own words.
//!
//! Nothing outside of this folder knows the library. A method of [`Connection`] puts its request into the queue when its future is polled first, and
//! requests are done in the order of the queue.

mod connection;
mod failure;
mod watcher;

use bytes::Bytes;

pub(crate) use connection::{Access, Connection, Login, Settings, Sign, Signs, Ticket};
pub(crate) use failure::{Failure, FailureKind, MultiFailure};
pub(crate) use watcher::{News, OneWatcher, TreeWatcher};

/// What the server knows of a node beside its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) created: u64,
    pub(crate) modified: u64,
    /// Begins at 0 with each incarnation.
    pub(crate) version: i32,
    /// The session that the node vanishes with, or 0.
    pub(crate) owner: i64,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) data: Bytes,
    pub(crate) stat: Stat,
}

/// The names of the children of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Children {
    pub(crate) names: Vec<String>,
    /// When the latest of them was created or deleted.
    pub(crate) changed: u64,
}

/// What was read at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// One for each path that was asked for, in order.
    pub(crate) nodes: Vec<Option<Node>>,
    /// The names of the children, without the order or the time of changes.
    pub(crate) children: Vec<String>,
}

/// How long a node lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Persistent,
    /// As long as the session.
    Ephemeral,
    /// Until it is empty again.
    Container,
}

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The node exists, in this version or in any.
    Check {
        path: String,
        version: Option<i32>,
    },
    Create {
        path: String,
        data: Vec<u8>,
        life: Life,
    },
    Set {
        path: String,
        data: Vec<u8>,
        version: Option<i32>,
    },
    Delete {
        path: String,
    },
}

impl Step {
    /// About how many bytes of a request it takes.
    pub(crate) fn bytes(&self) -> usize {
        /// Lengths, numbers and the list of permissions.
        const OVERHEAD: usize = 64;
        let own = match self {
            Self::Check { path, .. } | Self::Delete { path } => path.len(),
            Self::Create { path, data, .. } | Self::Set { path, data, .. } => path.len() + data.len(),
        };
        own + OVERHEAD
    }
}
