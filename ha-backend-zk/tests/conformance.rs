//! The suite on one server.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod support;

use std::process::ExitCode;

/// What needs a store that forgets and goes on: an ensemble that was restored from a backup ends all sessions instead.
const IGNORED: usize = 44;

fn main() -> ExitCode {
    support::harness::run("ZooKeeper, one server", 1, IGNORED)
}
