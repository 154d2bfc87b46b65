//! Maps made by hand, as many services have them today.

use std::collections::BTreeMap;

use super::Planner;
use super::problem::{Plan, Problem};

/// Each partition on the node that a map names.
///
/// # Not promised
/// That anybody takes over: the partitions of a node that is not there have no owner until it is back. [`Sticky`](super::Sticky) gives them to others.
#[derive(Clone, Debug, Default)]
#[must_use = "a planner does nothing until a group uses it"]
pub struct StaticMap(BTreeMap<u32, String>);

impl StaticMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a partition on a node; the last word counts.
    pub fn put(mut self, partition: u32, node: impl Into<String>) -> Self {
        self.0.insert(partition, node.into());
        self
    }
}

impl Planner for StaticMap {
    fn plan(&self, problem: &Problem) -> Plan {
        let node = |partition| self.0.get(&partition).map(String::as_str);
        by_node(problem, node, "the map names no node for it, or the node is not there")
    }
}

/// Each node has one range of the partitions, by its place in a list.
///
/// # Not promised
/// That anybody takes over, as with a [`StaticMap`].
#[derive(Clone, Debug)]
#[must_use = "a planner does nothing until a group uses it"]
pub struct HashRanges(Vec<String>);

impl HashRanges {
    /// Ranges of equal size for these nodes, in this order.
    pub fn new(nodes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(nodes.into_iter().map(Into::into).collect())
    }
}

impl Planner for HashRanges {
    fn plan(&self, problem: &Problem) -> Plan {
        let partitions = problem.partitions().max(1);
        let node =
            |partition: u32| self.0.get(partition as usize * self.0.len() / partitions).map(String::as_str);
        by_node(problem, node, "the node of its range is not there")
    }
}

fn by_node<'a>(problem: &Problem, node: impl Fn(u32) -> Option<&'a str>, reason: &'static str) -> Plan {
    let seats: BTreeMap<&str, u32> =
        problem.seats().iter().map(|seat| seat.node.as_str()).zip(0_u32..).collect();
    let partitions = 0..u32::try_from(problem.partitions()).unwrap_or(u32::MAX);
    let owners = partitions.map(|partition| seats.get(node(partition)?).copied()).collect();
    Plan { owners, ..Plan::default() }.complete(reason)
}
