//! Shared parts of the services.

#[cfg(test)]
mod doomed;
pub mod fencing;
pub mod garbage;
pub mod platform;
pub mod policy;
pub mod rules;
pub mod stand_in;
