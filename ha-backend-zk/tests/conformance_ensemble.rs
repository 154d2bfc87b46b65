//! The suite on three servers.
#![expect(clippy::unwrap_used, reason = "a case fails by panicking")]

mod support;

use std::process::ExitCode;

/// As on one server.
const IGNORED: usize = 44;

fn main() -> ExitCode {
    support::harness::run("ZooKeeper, three servers", 3, IGNORED)
}
