//! The suite on one member of a newer release.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod support;

use std::process::ExitCode;

/// As on the older one.
const IGNORED: usize = 44;

fn main() -> ExitCode {
    support::harness::run("etcd 3.5, one member", "etcd-3.5", 1, IGNORED)
}
