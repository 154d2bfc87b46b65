//! The suite on one member.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod support;

use std::process::ExitCode;

/// What needs a store that forgets and goes on: one that was restored from a backup ends all sessions instead.
const IGNORED: usize = 44;

fn main() -> ExitCode {
    support::harness::run("etcd, one member", "etcd", 1, IGNORED)
}
