//! The suite on the in-memory backend.

use std::process::ExitCode;

use ha_conformance::MemoryHarness;

/// Cases that need what a store in the memory of one process cannot have or suffer.
const IGNORED: usize = 0;

fn main() -> ExitCode {
    ha_conformance::run(MemoryHarness::new(), IGNORED)
}
