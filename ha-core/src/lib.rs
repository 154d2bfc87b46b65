//! The core of the high-availability toolkit.

mod error;
mod names;
pub mod runtime;
pub mod spi;
mod sync;
mod token;

pub use error::{Effect, Error, ErrorKind};
pub use token::{Token, Ttl};
