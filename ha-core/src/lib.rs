//! The core of the high-availability toolkit.

mod coordinator;
pub mod election;
mod error;
pub mod lock;
pub mod memory;
mod names;
pub mod runtime;
pub mod spi;
mod sync;
mod token;
mod url;
mod view;

pub use coordinator::{
    Coordinator, CoordinatorBuilder, Event, Events, Grant, Health, Heartbeat, LossReason, OverrunPolicy,
    Standing,
};
pub use error::{Effect, Error, ErrorKind};
pub use token::{Token, Ttl};
pub use url::{Host, Scheme, Secret, StoreUrl};
