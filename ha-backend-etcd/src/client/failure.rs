//! What an error of the client says about the request: done, not done, or unknown.

use std::fmt;

use ha_core::{Effect, Error, ErrorKind};
use tonic::Code;

/// The class of a failure, by what it proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Nothing was sent: no connection.
    NotSent,
    /// The member refused it before doing anything; another one may take it.
    Refused,
    /// The token was not accepted; nothing was done.
    StaleToken,
    /// The lease does not exist; nothing was done.
    LeaseNotFound,
    /// The id of the lease is taken; nothing was done.
    LeaseExists,
    /// The revision asked for is compacted.
    Compacted,
    /// The user, its password or its permissions do not allow it; nothing was done.
    Denied,
    /// Larger than the server takes; nothing was done.
    TooLarge,
    /// The server does not know, or does not allow, such a request; nothing was done.
    Incompatible,
    /// The server is full. It refuses, as a rule; it can have done it nevertheless.
    NoSpace,
    /// It may have been done, or be done later.
    Unknown,
}

/// A failed request.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    source: Option<etcd_client::Error>,
    text: String,
}

impl Failure {
    /// A failure that was noticed here.
    pub(crate) fn new(kind: FailureKind, text: impl fmt::Display) -> Self {
        Self { kind, source: None, text: text.to_string() }
    }

    /// Whether the request was certainly not done, and never will be.
    pub(crate) fn is_not_applied(&self) -> bool {
        !matches!(self.kind, FailureKind::Unknown | FailureKind::NoSpace)
    }

    /// Whether the same request can succeed later, or on another member.
    pub(crate) fn is_transient(&self) -> bool {
        use FailureKind::{NoSpace, NotSent, Refused, StaleToken, Unknown};
        matches!(self.kind, NotSent | Refused | StaleToken | Unknown | NoSpace)
    }

    /// The error that a caller of `operation` is given once nothing of it can be done any more.
    pub(crate) fn into_error(self, operation: &'static str) -> Error {
        let (kind, advice) = match self.kind {
            FailureKind::NotSent => (ErrorKind::Unavailable, "no connection; are the members reachable?"),
            FailureKind::Refused => {
                (ErrorKind::Unavailable, "the member refused it; has the cluster a leader?")
            }
            FailureKind::Unknown | FailureKind::Compacted => (ErrorKind::Unavailable, "try again"),
            FailureKind::NoSpace => (
                ErrorKind::Unavailable,
                "the store is full; compact and defragment it, then disarm its alarm",
            ),
            FailureKind::StaleToken | FailureKind::Denied => {
                (ErrorKind::Denied, "check the user, its password, and its permissions on the prefix")
            }
            FailureKind::LeaseNotFound => (ErrorKind::SessionLost, "its lease is gone"),
            FailureKind::LeaseExists => (ErrorKind::Unavailable, "the id of the lease is taken; try again"),
            FailureKind::TooLarge => (
                ErrorKind::TooLarge,
                "split it; a server with the default limits takes what the capabilities say",
            ),
            FailureKind::Incompatible => {
                (ErrorKind::Incompatible, "the server does not take such a request; is it etcd 3.4 or later?")
            }
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

impl From<etcd_client::Error> for Failure {
    fn from(error: etcd_client::Error) -> Self {
        let kind = match &error {
            etcd_client::Error::GRpcStatus(status) if is_connect_error(status) => FailureKind::NotSent,
            etcd_client::Error::GRpcStatus(status) => of_status(status.code(), status.message()),
            etcd_client::Error::LeaseKeepAliveError(_) => FailureKind::LeaseNotFound,
            etcd_client::Error::InvalidArgs(_) | etcd_client::Error::InvalidUri(_) => {
                FailureKind::Incompatible
            }
            _ => FailureKind::Unknown,
        };
        let text = match &error {
            etcd_client::Error::GRpcStatus(status) => status.message().to_owned(),
            other => other.to_string(),
        };
        Self { kind, text, source: Some(error) }
    }
}

/// Whether the connection was not even made: then nothing was sent.
fn is_connect_error(status: &tonic::Status) -> bool {
    let mut next = std::error::Error::source(status);
    while let Some(error) = next {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// The class of a status. What is not known for sure to have refused the request is [`FailureKind::Unknown`].
pub(super) fn of_status(code: Code, message: &str) -> FailureKind {
    use FailureKind::{
        Compacted, Denied, Incompatible, LeaseExists, LeaseNotFound, NoSpace, Refused, StaleToken, TooLarge,
        Unknown,
    };
    let says = |text: &str| message.contains(text);
    match code {
        Code::Unavailable if says("no leader") || says("not supported for learner") => Refused,
        Code::FailedPrecondition if says("not supported for learner") || says("not leader") => Refused,
        Code::ResourceExhausted if says("too many requests") => Refused,
        Code::Unauthenticated => StaleToken,
        Code::InvalidArgument if says("revision of auth store is old") || says("user name is empty") => {
            StaleToken
        }
        Code::InvalidArgument if says("authentication failed") => Denied,
        Code::PermissionDenied => Denied,
        Code::NotFound if says("lease not found") => LeaseNotFound,
        Code::FailedPrecondition if says("lease already exists") => LeaseExists,
        Code::FailedPrecondition if says("authentication is not enabled") => Denied,
        Code::OutOfRange if says("has been compacted") => Compacted,
        Code::InvalidArgument if says("too many operations") || says("request is too large") => TooLarge,
        Code::ResourceExhausted if says("database space exceeded") => NoSpace,
        // A reply that is too large for the server to send says so as well, and its request was done.
        Code::ResourceExhausted if says("received message larger than max") => TooLarge,
        Code::InvalidArgument | Code::Unimplemented => Incompatible,
        Code::FailedPrecondition if says("cluster ID mismatch") => Incompatible,
        _ => Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, FailureKind, of_status};
    use ha_core::{Effect, ErrorKind};
    use tonic::Code;

    /// Codes and texts as etcd 3.4 and 3.5 send them, and what each one proves.
    const TABLE: &[(Code, &str, FailureKind)] = &[
        (Code::Unavailable, "etcdserver: no leader", FailureKind::Refused),
        (Code::Unavailable, "etcdserver: rpc not supported for learner", FailureKind::Refused),
        (Code::FailedPrecondition, "etcdserver: rpc not supported for learner", FailureKind::Refused),
        (Code::FailedPrecondition, "etcdserver: not leader", FailureKind::Refused),
        (Code::ResourceExhausted, "etcdserver: too many requests", FailureKind::Refused),
        (Code::Unauthenticated, "etcdserver: invalid auth token", FailureKind::StaleToken),
        (Code::InvalidArgument, "etcdserver: revision of auth store is old", FailureKind::StaleToken),
        (Code::InvalidArgument, "etcdserver: user name is empty", FailureKind::StaleToken),
        (
            Code::InvalidArgument,
            "etcdserver: authentication failed, invalid user ID or password",
            FailureKind::Denied,
        ),
        (Code::PermissionDenied, "etcdserver: permission denied", FailureKind::Denied),
        (Code::FailedPrecondition, "etcdserver: authentication is not enabled", FailureKind::Denied),
        (Code::NotFound, "etcdserver: requested lease not found", FailureKind::LeaseNotFound),
        (Code::FailedPrecondition, "etcdserver: lease already exists", FailureKind::LeaseExists),
        (Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted", FailureKind::Compacted),
        (Code::InvalidArgument, "etcdserver: too many operations in txn request", FailureKind::TooLarge),
        (Code::InvalidArgument, "etcdserver: request is too large", FailureKind::TooLarge),
        (
            Code::ResourceExhausted,
            "grpc: received message larger than max (3000000 vs. 2097152)",
            FailureKind::TooLarge,
        ),
        (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", FailureKind::NoSpace),
        (Code::InvalidArgument, "etcdserver: key is not provided", FailureKind::Incompatible),
        (Code::Unimplemented, "unknown service etcdserverpb.KV", FailureKind::Incompatible),
        (Code::FailedPrecondition, "etcdserver: cluster ID mismatch", FailureKind::Incompatible),
        // Whatever follows may have been done, or be done later.
        (Code::Unavailable, "etcdserver: request timed out", FailureKind::Unknown),
        (
            Code::Unavailable,
            "etcdserver: request timed out, possibly due to previous leader failure",
            FailureKind::Unknown,
        ),
        (
            Code::Unavailable,
            "etcdserver: request timed out, possibly due to connection lost",
            FailureKind::Unknown,
        ),
        (Code::Unavailable, "etcdserver: server stopped", FailureKind::Unknown),
        (Code::Unavailable, "etcdserver: leader changed", FailureKind::Unknown),
        (Code::Unavailable, "transport is closing", FailureKind::Unknown),
        (Code::Cancelled, "Timeout expired", FailureKind::Unknown),
        (Code::DeadlineExceeded, "context deadline exceeded", FailureKind::Unknown),
        (Code::Unknown, "h2 protocol error", FailureKind::Unknown),
        (Code::Internal, "stream error received", FailureKind::Unknown),
        (Code::ResourceExhausted, "too_many_pings", FailureKind::Unknown),
        (Code::ResourceExhausted, "grpc: trying to send message larger than max", FailureKind::Unknown),
        (Code::DataLoss, "etcdserver: corrupt cluster", FailureKind::Unknown),
        (Code::NotFound, "etcdserver: something else", FailureKind::Unknown),
    ];

    #[test]
    fn each_status_is_taken_for_what_it_proves() {
        for (code, message, kind) in TABLE {
            assert_eq!(of_status(*code, message), *kind, "{code:?} {message}");
        }
    }

    #[test]
    fn only_what_is_proven_not_applied_is_said_to_be() {
        for (code, message, kind) in TABLE {
            let proven = !matches!(kind, FailureKind::Unknown | FailureKind::NoSpace);
            assert_eq!(Failure::new(*kind, message).is_not_applied(), proven, "{code:?} {message}");
        }
    }

    #[test]
    fn a_caller_is_told_the_kind_what_the_server_said_and_what_to_do() {
        for (kind, expected) in [
            (FailureKind::NotSent, ErrorKind::Unavailable),
            (FailureKind::NoSpace, ErrorKind::Unavailable),
            (FailureKind::Denied, ErrorKind::Denied),
            (FailureKind::StaleToken, ErrorKind::Denied),
            (FailureKind::LeaseNotFound, ErrorKind::SessionLost),
            (FailureKind::TooLarge, ErrorKind::TooLarge),
            (FailureKind::Incompatible, ErrorKind::Incompatible),
        ] {
            let error = Failure::new(kind, "the server said so").into_error("commit");
            assert_eq!((error.kind(), error.effect()), (expected, Effect::NotApplied));
            assert!(error.to_string().contains("the server said so; "), "{error}");
        }
    }
}
