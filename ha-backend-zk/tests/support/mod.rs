//! ZooKeeper for the tests of this crate: servers, ways to them that can be broken, and the suite's harness on both.

pub(crate) mod harness;
pub(crate) mod wire;
