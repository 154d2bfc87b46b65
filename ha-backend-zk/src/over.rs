//! Whether a session is over, and why.

use std::sync::OnceLock;

use ha_core::{Error, ErrorKind};
use tokio_util::sync::CancellationToken;

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was closed from here.
    Closed,
    /// It ran out, or somebody ended it.
    Lost,
    /// The store went back; what the session did may be forgotten.
    History,
}

/// The end of a session. It comes once, in two steps: first nothing new is begun, and then nothing of it can be done any more.
#[derive(Debug, Default)]
pub(crate) struct Over {
    why: OnceLock<Why>,
    ending: CancellationToken,
    over: CancellationToken,
}

impl Over {
    /// The end begins. True for the first one to say so.
    pub(crate) fn begin(&self, why: Why) -> bool {
        let first = self.why.set(why).is_ok();
        self.ending.cancel();
        first
    }

    /// No request of the session can be done any more.
    pub(crate) fn complete(&self) {
        self.over.cancel();
    }

    /// Why it is over, or ending; `None` while it is neither.
    pub(crate) fn why(&self) -> Option<Why> {
        self.why.get().copied()
    }

    /// Waits until the end begins.
    pub(crate) async fn begun(&self) {
        self.ending.cancelled().await;
    }

    /// Waits until nothing of it can be done any more.
    pub(crate) async fn completed(&self) {
        self.over.cancelled().await;
    }

    /// Refuses `operation` once the end has begun.
    pub(crate) fn check(&self, operation: &'static str) -> Result<(), Error> {
        self.why().map_or(Ok(()), |why| Err(why.error(operation)))
    }
}

impl Why {
    /// It, in words.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Closed => "the session was closed",
            Self::Lost => "the session ran out, or somebody ended it",
            Self::History => "the store went back to an older state",
        }
    }

    /// The error of an operation that was not done because of it.
    pub(crate) fn error(self, operation: &'static str) -> Error {
        let kind = if self == Self::Closed { ErrorKind::Closed } else { ErrorKind::SessionLost };
        Error::new(kind, operation).because(format_args!("{}; open another one", self.reason()))
    }
}
