//! Whether a session is over, and why.

use std::sync::OnceLock;

use ha_core::{Error, ErrorKind};
use tokio_util::sync::CancellationToken;

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was closed from here.
    Closed,
    /// The server does not know it any more.
    Lost,
}

/// The end of a session: it comes once.
#[derive(Debug, Default)]
pub(crate) struct Over {
    why: OnceLock<Why>,
    token: CancellationToken,
}

impl Over {
    /// The session is over; why, is what the first one says.
    pub(crate) fn set(&self, why: Why) -> Why {
        let why = *self.why.get_or_init(|| why);
        self.token.cancel();
        why
    }

    /// Why it is over; `None` while it is not.
    pub(crate) fn why(&self) -> Option<Why> {
        self.why.get().copied()
    }

    /// Waits until it is over.
    pub(crate) async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Refuses `operation` once it is over.
    pub(crate) fn check(&self, operation: &'static str) -> Result<(), Error> {
        self.why().map_or(Ok(()), |why| Err(why.error(operation)))
    }
}

impl Why {
    /// It, in words.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Closed => "the session was closed",
            Self::Lost => "the session's ttl has passed, somebody ended it, or the server has forgotten it",
        }
    }

    /// The error of an operation that was not done because of it.
    pub(crate) fn error(self, operation: &'static str) -> Error {
        let kind = if self == Self::Closed { ErrorKind::Closed } else { ErrorKind::SessionLost };
        Error::new(kind, operation).because(format_args!("{}; open another one", self.reason()))
    }
}
