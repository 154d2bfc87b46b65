//! The suite that any backend of the toolkit must pass, for backends of any repository.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

mod case;
pub mod cases;
mod clock;
mod context;
mod counting;
mod faults;
mod harness;
pub mod history;
mod memory;
pub mod mirror;
pub mod mutants;
mod nodes;
mod suite;
pub mod verbs;
mod verdict;

pub use case::{Case, CaseFuture, Need};
pub use context::Context;
pub use faults::{CommitFault, Fault, FaultKind, Faults};
pub use harness::{Harness, Missing, Store};
pub use memory::MemoryHarness;
pub use suite::run;
pub use verdict::{Verdict, judge};
