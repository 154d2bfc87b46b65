//! The suite on one server.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod support;

use std::process::ExitCode;

/// What needs a store that goes back to an earlier state and goes on.
const IGNORED: usize = 1;

fn main() -> ExitCode {
    support::harness::run("redis, one server", IGNORED)
}
