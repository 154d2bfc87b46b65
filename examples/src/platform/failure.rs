//! What stops the example itself; what the nodes meet on their way is part of the story and no failure.

use std::fmt;
use std::path::Path;

/// Why the platform could not be run or verified, in words for whoever started it.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure with this message.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A failure of `operation` on the file at `path`.
    pub(super) fn at(operation: &str, path: &Path, cause: impl fmt::Display) -> Self {
        Self(format!("cannot {operation} {}: {cause}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<ha_core::Error> for Failure {
    fn from(error: ha_core::Error) -> Self {
        Self(error.to_string())
    }
}
