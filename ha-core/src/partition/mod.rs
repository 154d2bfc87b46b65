//! Partition assignment: which of the partitions are mine, and when may I start and must I stop.

pub mod planner;
