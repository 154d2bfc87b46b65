//! The contract between the toolkit and a backend.
//!
//! Implementors write [`Backend`] and [`Session`]; recipes use them; nothing here knows a recipe. The conformance suite
//! (crate `ha-conformance`) states the contract as cases and judges any implementation; the in-memory backend
//! is its executable specification.

mod backend;
mod capabilities;
mod check;
mod entry;
mod lineage;
mod page;
mod session;
mod take;
mod txn;
mod watch;

pub use backend::{Backend, SessionRequest};
pub use capabilities::{Capabilities, Scope};
pub use entry::{Entry, Naming, Revision, SessionId, Stamp};
pub use lineage::Lineage;
pub use page::{Listing, Order, Page};
pub use session::{Renewal, Session};
pub(crate) use take::Choice;
pub use take::{Reads, Take};
pub use txn::{Committed, Conflict, Guard, Operation, Outcome, ReadBack, Txn};
pub use watch::{Change, WatchEvent, WatchStream, WatchTarget};

pub use crate::names::{Collection, Key, Name};
