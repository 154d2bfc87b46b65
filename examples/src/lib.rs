//! Shared parts of the services.

pub mod platform;
pub mod policy;
