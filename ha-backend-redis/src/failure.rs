//! Why a request has no answer, or an answer that is an error, and what that leaves.

use std::fmt;

use ha_core::{Error, ErrorKind};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// It was not sent.
    NotSent,
    /// It was sent, and what became of it is unknown: it may even be done later.
    Unknown,
    /// This connection is of no use: its server is not the primary, is loading, or has forgotten the scripts. Nothing was done.
    Elsewhere,
    /// The server cannot do it now: it has no memory, no disk, or too few replicas. Nothing was done.
    Refused,
    /// The server does not let this user. Nothing was done.
    Denied,
    /// The keys are those of another program, or of another release. Nothing was done.
    Incompatible,
    /// An answer that no release of a script gives.
    Corrupt,
}

/// A request that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    text: String,
}

/// What errors of a server begin with, and what they mean. Redis 6 wraps those of a script in a sentence of its own, where they stand behind a hyphen.
const CODES: &[(&str, FailureKind)] = &[
    ("NOTMASTER", FailureKind::Elsewhere),
    ("READONLY", FailureKind::Elsewhere),
    ("LOADING", FailureKind::Elsewhere),
    ("MASTERDOWN", FailureKind::Elsewhere),
    ("NOSCRIPT", FailureKind::Elsewhere),
    ("UNBLOCKED", FailureKind::Elsewhere),
    ("MOVED", FailureKind::Elsewhere),
    ("ASK", FailureKind::Elsewhere),
    ("CLUSTERDOWN", FailureKind::Elsewhere),
    ("TRYAGAIN", FailureKind::Elsewhere),
    ("BUSY", FailureKind::Refused),
    ("OOM", FailureKind::Refused),
    ("MISCONF", FailureKind::Refused),
    ("NOREPLICAS", FailureKind::Refused),
    ("NOAUTH", FailureKind::Denied),
    ("WRONGPASS", FailureKind::Denied),
    ("NOPERM", FailureKind::Denied),
    ("LAYOUT", FailureKind::Incompatible),
    ("WRONGTYPE", FailureKind::Incompatible),
];

impl Failure {
    pub(crate) fn new(kind: FailureKind, text: impl fmt::Display) -> Self {
        Self { kind, text: text.to_string() }
    }

    /// What an error reply says.
    pub(crate) fn of_reply(text: &str) -> Self {
        let is_said = |code: &str| {
            text.split_ascii_whitespace().next() == Some(code) || text.contains(&format!("-{code} "))
        };
        let known = CODES.iter().find(|(code, _)| is_said(code)).map(|(_, kind)| *kind);
        let kind = known.unwrap_or_else(|| {
            let lower = text.to_ascii_lowercase();
            let is_denied = lower.contains("can't run this command")
                || lower.contains("no permissions")
                || lower.contains("invalid password")
                || lower.contains("without any password configured");
            if is_denied { FailureKind::Denied } else { FailureKind::Corrupt }
        });
        Self::new(kind, text)
    }

    /// The same, of a connection on which no request was sent yet.
    pub(crate) fn before_any_request(mut self) -> Self {
        if self.kind == FailureKind::Unknown {
            self.kind = FailureKind::NotSent;
        }
        self
    }

    /// Whether nothing was done and nothing will be.
    pub(crate) fn is_not_applied(&self) -> bool {
        !matches!(self.kind, FailureKind::Unknown | FailureKind::Corrupt)
    }

    /// Whether its connection is not to be used again.
    pub(crate) fn breaks_connection(&self) -> bool {
        matches!(self.kind, FailureKind::Unknown | FailureKind::Elsewhere | FailureKind::NotSent)
    }

    /// Whether it may work later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::NotSent | FailureKind::Unknown | FailureKind::Elsewhere | FailureKind::Refused
        )
    }

    /// The error of `operation`, which was not done.
    pub(crate) fn into_error(self, operation: &'static str) -> Error {
        let (kind, advice) = match self.kind {
            FailureKind::NotSent | FailureKind::Unknown => {
                (ErrorKind::Unavailable, "is the server up, and does this machine reach it?")
            }
            FailureKind::Elsewhere => (
                ErrorKind::Unavailable,
                "the url has to name the primary; if it is being replaced, try again",
            ),
            FailureKind::Refused => (
                ErrorKind::Unavailable,
                "the server runs and cannot write; look at its memory, disk and replicas",
            ),
            FailureKind::Denied => (
                ErrorKind::Denied,
                "look at the user, the password, and the rules (ACL) in the readme of the backend",
            ),
            FailureKind::Incompatible => (
                ErrorKind::Incompatible,
                "another program or another release uses these keys; choose another prefix",
            ),
            FailureKind::Corrupt => (
                ErrorKind::Corrupt,
                "the server answers as no supported one does; look at its release and at the keys",
            ),
        };
        Error::new(kind, operation).because(format_args!("{}; {advice}", self.text))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::{CODES, Failure, FailureKind};
    use ha_core::ErrorKind;

    #[test]
    fn each_error_of_a_server_has_a_kind_also_within_a_script_of_an_old_one() {
        for (code, kind) in CODES {
            assert_eq!(Failure::of_reply(&format!("{code} for a reason")).kind, *kind, "{code}");
            let wrapped =
                format!("ERR Error running script (call to f_00): @user_script:1: -{code} for a reason");
            assert_eq!(Failure::of_reply(&wrapped).kind, *kind, "{wrapped}");
        }
        let denied = "ERR The user executing the script can't run this command or subcommand";
        assert_eq!(Failure::of_reply(denied).kind, FailureKind::Denied);
        assert_eq!(Failure::of_reply("ERR unknown command").kind, FailureKind::Corrupt);
    }

    #[test]
    fn only_what_is_known_not_to_be_done_is_said_not_to_be() {
        for kind in CODES.iter().map(|(_, kind)| *kind).chain([FailureKind::NotSent]) {
            assert!(Failure::new(kind, "x").is_not_applied(), "{kind:?}");
        }
        assert!(!Failure::new(FailureKind::Unknown, "x").is_not_applied());
        assert!(!Failure::new(FailureKind::Corrupt, "x").is_not_applied());
        let error = Failure::of_reply("OOM command not allowed").into_error("commit");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("OOM") && error.to_string().contains("memory"), "{error}");
    }
}
