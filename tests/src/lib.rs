//! The suite that any backend of the toolkit must pass, for backends of this repository and of any other.
//!
//! A [`Case`] is a sentence that a backend can break, with the number of the guarantee in the guide of `ha-core`
//! that it judges. Cases are data in one registry; a backend lists none of them and gets each new one with the next release. The
//! cases of recipes run on every backend too, because a recipe is only as good as what stands below it.
//!
//! # Judging a backend
//!
//! Implement [`Harness`] for what you test and [`Store`] for how its nodes reach it, and make [`run`] the `main` of a test target
//! without the standard harness:
//!
//! ```toml
//! [dev-dependencies]
//! ha-conformance = "0.1"
//!
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! ```no_run
//! // tests/conformance.rs
//! use std::process::ExitCode;
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use ha_conformance::{Faults, Harness, Missing, Store};
//! use ha_core::spi::{Backend, Name};
//! # mod my_backend {
//! #     pub fn connect(url: &str) -> ha_core::memory::MemoryBackend { ha_core::memory::MemoryBackend::named(url).unwrap() }
//! # }
//!
//! #[derive(Debug)]
//! struct MyHarness;
//!
//! impl Harness for MyHarness {
//!     fn name(&self) -> &str {
//!         "my server, one member"
//!     }
//!
//!     fn store(&self) -> Result<Arc<dyn Store>, Missing> {
//!         let url = std::env::var("MY_SERVER_URL")
//!             .map_err(|_| Missing::new("a server; start one and set MY_SERVER_URL"))?;
//!         Ok(Arc::new(MyStore { url }))
//!     }
//!
//!     fn ttl(&self) -> Duration {
//!         Duration::from_secs(2) // as short as the server grants
//!     }
//! }
//!
//! #[derive(Debug)]
//! struct MyStore {
//!     url: String,
//! }
//!
//! impl Store for MyStore {
//!     fn connect(&self, _node: &Name) -> Arc<dyn Backend> {
//!         Arc::new(my_backend::connect(&self.url))
//!     }
//!
//!     fn faults(&self) -> Option<Arc<dyn Faults>> {
//!         None // or a proxy in front of the server, one way for each node
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     /// Cases that need faults which this harness cannot inject.
//!     const IGNORED: usize = 67;
//!     ha_conformance::run(MyHarness, IGNORED)
//! }
//! ```
//!
//! A case that the backend or its harness cannot serve shows as ignored, with its reason, and the number of ignored cases is pinned by the caller: it cannot grow unseen.
//! Without a store all cases show as ignored; with `HA_TEST_REQUIRE=1` in the environment they fail.
//!
//! Faults on the way of a node to the store need nothing but the contract: [`Ways`] makes them for any backend.
//!
//! Each case has a namespace, a runtime and a bound in time of its own, so that a server can be shared by all of them. The command line is that of
//! libtest: filter by a part of a name, `--exact`, `--list`, `--test-threads`; fewer
//! cases run at a time while the store takes long to answer. On a machine that stands still now and then `HA_TEST_PATIENCE=2` makes sessions live twice as long, and everything else
//! that a case waits for.
//!
//! # Testing the suite
//!
//! [`mutants`] are backends with one defect each, and the name of the case that has to catch it.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a case fails by panicking")]

mod case;
pub mod cases;
mod clock;
mod context;
mod counting;
mod faults;
#[cfg(feature = "servers")]
pub mod figures;
mod floor;
mod harness;
pub mod history;
pub mod invariants;
pub mod kinds;
mod machine;
mod memory;
pub mod mirror;
pub mod mutants;
mod nodes;
mod pace;
mod patience;
#[cfg(feature = "servers")]
pub mod servers;
#[cfg(feature = "sim")]
pub mod sim;
mod suite;
mod untaking;
pub mod verbs;
mod verdict;
mod ways;

pub use case::{Case, CaseFuture, Need};
pub use context::Context;
pub use faults::{CommitFault, Fault, FaultKind, Faults};
pub use harness::{Harness, Missing, Store};
pub use memory::MemoryHarness;
pub use suite::run;
pub use verdict::{Verdict, judge};
pub use ways::Ways;
