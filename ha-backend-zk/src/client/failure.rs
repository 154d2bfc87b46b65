//! What an error of the client says about the request: done, not done, or unknown.

use std::fmt;

use ha_core::{Effect, Error, ErrorKind};
use zookeeper_client::{Error as ClientError, MultiWriteError};

/// The class of a failure, by what it proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// No connection could be made; nothing was sent.
    NotSent,
    /// There is no such node, or no parent for it; nothing was done.
    NoNode,
    /// There is such a node already; nothing was done.
    Exists,
    /// The node is in another version; nothing was done.
    OtherVersion,
    /// Somebody put something below the node, or the node cannot have anything below it; nothing was done.
    Misplaced,
    /// The server refused it for now; nothing was done.
    Refused,
    /// The user, its password or the permissions of a node do not allow it; nothing was done.
    Denied,
    /// The server does not know, or does not allow, such a request; nothing was done.
    Incompatible,
    /// The session is over, as far as the client knows. A request that was under way may have been done.
    Ended,
    /// It may have been done, or be done later.
    Unknown,
}

/// A failed request.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    source: Option<ClientError>,
    text: String,
}

/// A failed transaction, with the step that was refused if one was.
#[derive(Debug)]
pub(crate) struct MultiFailure {
    pub(crate) step: Option<usize>,
    pub(crate) failure: Failure,
}

impl Failure {
    /// A failure that was noticed here.
    pub(crate) fn new(kind: FailureKind, text: impl fmt::Display) -> Self {
        Self { kind, source: None, text: text.to_string() }
    }

    /// Whether the request was certainly not done, and never will be.
    pub(crate) fn is_not_applied(&self) -> bool {
        !matches!(self.kind, FailureKind::Unknown | FailureKind::Ended)
    }

    /// Whether the same request can succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.kind, FailureKind::NotSent | FailureKind::Refused | FailureKind::Unknown)
    }

    /// The error that a caller of `operation` is given once nothing of it can be done any more.
    pub(crate) fn into_error(self, operation: &'static str) -> Error {
        use FailureKind as Kind;
        let (kind, advice) = match self.kind {
            Kind::NotSent => (ErrorKind::Unavailable, "no connection; are the servers reachable?"),
            Kind::Refused => (ErrorKind::Unavailable, "the server refused it for now; try again"),
            Kind::Unknown => (ErrorKind::Unavailable, "try again"),
            Kind::NoNode | Kind::Exists | Kind::OtherVersion => {
                (ErrorKind::Unavailable, "somebody else changes what the toolkit keeps there; try again")
            }
            Kind::Misplaced => (
                ErrorKind::Corrupt,
                "there are nodes below the chroot that are not of the toolkit; remove them",
            ),
            Kind::Denied => {
                (ErrorKind::Denied, "check the user, its password, and the permissions below the chroot")
            }
            Kind::Ended => (ErrorKind::SessionLost, "the session is over"),
            Kind::Incompatible => (
                ErrorKind::Incompatible,
                "the server does not take such a request; is it ZooKeeper 3.6 or later?",
            ),
        };
        let error = Error::new(kind, operation)
            .because(format_args!("{}; {advice}", self.text))
            .with_effect(Effect::NotApplied);
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self { kind: of_error(&error), text: error.to_string(), source: Some(error) }
    }
}

impl From<MultiWriteError> for MultiFailure {
    fn from(error: MultiWriteError) -> Self {
        match error {
            MultiWriteError::RequestFailed { source } => Self { step: None, failure: source.into() },
            MultiWriteError::OperationFailed { index, source } => {
                Self { step: Some(index), failure: source.into() }
            }
        }
    }
}

/// The class of an error. What is not known for sure to have refused the request is [`FailureKind::Unknown`].
fn of_error(error: &ClientError) -> FailureKind {
    /// An ephemeral node on a session that only one server knows.
    const LOCAL_SESSION: i32 = -120;
    match error {
        ClientError::NoHosts => FailureKind::NotSent,
        ClientError::NoNode => FailureKind::NoNode,
        ClientError::NodeExists => FailureKind::Exists,
        ClientError::BadVersion => FailureKind::OtherVersion,
        ClientError::NotEmpty | ClientError::NoChildrenForEphemerals => FailureKind::Misplaced,
        ClientError::Throttled | ClientError::NotReadOnly => FailureKind::Refused,
        ClientError::NoAuth
        | ClientError::InvalidAcl
        | ClientError::AuthFailed
        | ClientError::QuotaExceeded => FailureKind::Denied,
        ClientError::BadArguments(_)
        | ClientError::Unimplemented
        | ClientError::MarshallingError
        | ClientError::ReconfigDisabled
        | ClientError::UnexpectedErrorCode(LOCAL_SESSION) => FailureKind::Incompatible,
        ClientError::SessionExpired | ClientError::ClientClosed => FailureKind::Ended,
        _ => FailureKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, FailureKind, MultiFailure, of_error};
    use ha_core::{Effect, ErrorKind};
    use zookeeper_client::{Error as ClientError, MultiWriteError};

    fn table() -> Vec<(ClientError, FailureKind)> {
        vec![
            (ClientError::NoHosts, FailureKind::NotSent),
            (ClientError::NoNode, FailureKind::NoNode),
            (ClientError::NodeExists, FailureKind::Exists),
            (ClientError::BadVersion, FailureKind::OtherVersion),
            (ClientError::NotEmpty, FailureKind::Misplaced),
            (ClientError::NoChildrenForEphemerals, FailureKind::Misplaced),
            (ClientError::Throttled, FailureKind::Refused),
            (ClientError::NotReadOnly, FailureKind::Refused),
            (ClientError::NoAuth, FailureKind::Denied),
            (ClientError::InvalidAcl, FailureKind::Denied),
            (ClientError::AuthFailed, FailureKind::Denied),
            (ClientError::QuotaExceeded, FailureKind::Denied),
            (ClientError::Unimplemented, FailureKind::Incompatible),
            (ClientError::MarshallingError, FailureKind::Incompatible),
            (ClientError::UnexpectedErrorCode(-120), FailureKind::Incompatible),
            (ClientError::SessionExpired, FailureKind::Ended),
            (ClientError::ClientClosed, FailureKind::Ended),
            // Whatever follows may have been done, or be done later.
            (ClientError::ConnectionLoss, FailureKind::Unknown),
            (ClientError::Timeout, FailureKind::Unknown),
            (ClientError::SessionMoved, FailureKind::Unknown),
            (ClientError::RuntimeInconsistent, FailureKind::Unknown),
            (ClientError::UnexpectedError("no response".to_owned()), FailureKind::Unknown),
            (ClientError::UnexpectedErrorCode(-122), FailureKind::Unknown),
        ]
    }

    #[test]
    fn each_error_is_taken_for_what_it_proves() {
        for (error, kind) in table() {
            assert_eq!(of_error(&error), kind, "{error:?}");
            let proven = !matches!(kind, FailureKind::Unknown | FailureKind::Ended);
            assert_eq!(Failure::from(error).is_not_applied(), proven, "{kind:?}");
        }
    }

    #[test]
    fn a_refused_transaction_names_its_step() {
        let refused: MultiFailure =
            MultiWriteError::OperationFailed { index: 3, source: ClientError::NoNode }.into();
        assert_eq!((refused.step, refused.failure.kind), (Some(3), FailureKind::NoNode));
        let lost: MultiFailure =
            MultiWriteError::RequestFailed { source: ClientError::ConnectionLoss }.into();
        assert_eq!((lost.step, lost.failure.kind), (None, FailureKind::Unknown));
    }

    #[test]
    fn a_caller_is_told_the_kind_what_was_said_and_what_to_do() {
        for (kind, expected) in [
            (FailureKind::NotSent, ErrorKind::Unavailable),
            (FailureKind::Denied, ErrorKind::Denied),
            (FailureKind::Ended, ErrorKind::SessionLost),
            (FailureKind::Misplaced, ErrorKind::Corrupt),
            (FailureKind::Incompatible, ErrorKind::Incompatible),
        ] {
            let error = Failure::new(kind, "the server said so").into_error("commit");
            assert_eq!((error.kind(), error.effect()), (expected, Effect::NotApplied));
            assert!(error.to_string().contains("the server said so; "), "{error}");
        }
    }
}
