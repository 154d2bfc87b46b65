//! The core of the high-availability toolkit.

mod error;
pub mod memory;
mod names;
pub mod runtime;
pub mod spi;
mod sync;
mod token;

pub use error::{Effect, Error, ErrorKind};
pub use token::{Token, Ttl};
