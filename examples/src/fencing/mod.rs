//! Three resources that refuse a holder which was replaced, and remember it through a restart.
//!
//! * [`Table`]: an SQL table compares the token in the transaction of the write. No gate is needed.
//! * [`Journal`]: an append-only file, behind a gate that is resumed from the file itself.
//! * [`Receiver`]: an HTTP service in front of a journal, for writers that are elsewhere.

mod http;
mod journal;
mod table;

use std::fmt;

use ha::StaleToken;

pub use http::{Receiver, send};
pub use journal::Journal;
pub use table::Table;

/// Why a resource did not write.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// A larger token was here before.
    Stale(StaleToken),
    /// The resource itself failed. What it answers is not known to be written.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl Refusal {
    fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(error.into())
    }
}

impl From<StaleToken> for Refusal {
    fn from(stale: StaleToken) -> Self {
        Self::Stale(stale)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(stale) => write!(f, "refused: {stale}"),
            Self::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}

impl std::error::Error for Refusal {}
