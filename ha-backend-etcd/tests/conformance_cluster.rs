//! The suite on three members.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod support;

use std::process::ExitCode;

/// As on one member.
const IGNORED: usize = 44;

fn main() -> ExitCode {
    support::harness::run("etcd, three members", "etcd", 3, IGNORED)
}
