//! From an error of SQLite to the kind of the contract.

use std::path::Path;

use ha_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// Why a step on the database was not done. Nothing of it was.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite, or the operating system below it. The whole transaction is rolled back.
    Database(rusqlite::Error),
    /// The step was decided against before it changed anything.
    Refused(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// The error of the contract for `operation` on the file `path`.
    pub(crate) fn into_error(self, operation: &'static str, path: &Path) -> Error {
        let error = match self {
            Self::Refused(error) => return error,
            Self::Database(error) => error,
        };
        let (kind, advice) = judge(error.sqlite_error_code());
        Error::new(kind, operation)
            .on(format_args!("in {}", path.display()))
            .because(format_args!("{error}; {advice}"))
            .with_source(error)
    }
}

/// Whether another connection just has the lock that was wanted.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// What an error means, and what to do about it.
fn judge(code: Option<ErrorCode>) -> (ErrorKind, &'static str) {
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            (ErrorKind::Unavailable, "another program uses the file; end its transaction")
        }
        Some(ErrorCode::DiskFull) => (ErrorKind::Unavailable, "make room on the disk"),
        Some(ErrorCode::SystemIoFailure) => (
            ErrorKind::Unavailable,
            "the disk may be full or broken, or the file was deleted; look at its file system",
        ),
        Some(ErrorCode::CannotOpen) => {
            (ErrorKind::Denied, "this user must be able to create and write files in its folder")
        }
        Some(
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied,
        ) => (ErrorKind::Denied, "this user must be able to write the file and its folder"),
        Some(ErrorCode::NotADatabase) => {
            (ErrorKind::Incompatible, "it is a file of another program; choose another path")
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            (ErrorKind::Corrupt, "stop all its users and restore it from a backup")
        }
        Some(ErrorCode::TooBig) => (ErrorKind::TooLarge, "store something shorter"),
        Some(ErrorCode::OutOfMemory) => (ErrorKind::Unavailable, "there is no memory left"),
        Some(ErrorCode::SchemaChanged | ErrorCode::TypeMismatch | ErrorCode::ConstraintViolation) => {
            (ErrorKind::Corrupt, "another program has changed what is in it; restore it from a backup")
        }
        _ => (ErrorKind::Corrupt, "this is not a store as this release makes them"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, judge};
    use ha_core::{Effect, ErrorKind};
    use rusqlite::ErrorCode;
    use std::path::Path;

    #[test]
    fn each_error_of_sqlite_has_a_kind() {
        for (code, kind) in [
            (ErrorCode::DatabaseBusy, ErrorKind::Unavailable),
            (ErrorCode::DiskFull, ErrorKind::Unavailable),
            (ErrorCode::SystemIoFailure, ErrorKind::Unavailable),
            (ErrorCode::OutOfMemory, ErrorKind::Unavailable),
            (ErrorCode::CannotOpen, ErrorKind::Denied),
            (ErrorCode::ReadOnly, ErrorKind::Denied),
            (ErrorCode::PermissionDenied, ErrorKind::Denied),
            (ErrorCode::NotADatabase, ErrorKind::Incompatible),
            (ErrorCode::DatabaseCorrupt, ErrorKind::Corrupt),
            (ErrorCode::ConstraintViolation, ErrorKind::Corrupt),
            (ErrorCode::TooBig, ErrorKind::TooLarge),
        ] {
            assert_eq!(judge(Some(code)).0, kind, "{code:?}");
        }
        assert_eq!(judge(None).0, ErrorKind::Corrupt);
    }

    #[test]
    fn an_error_says_where_it_was_and_that_nothing_was_done() {
        let failure = Failure::Database(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL),
            None,
        ));
        let error = failure.into_error("commit", Path::new("/var/lib/ha.db"));
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotApplied));
        assert!(
            error.to_string().contains("/var/lib/ha.db") && error.to_string().contains("make room"),
            "{error}"
        );
    }
}
