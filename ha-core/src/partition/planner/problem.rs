//! What a planner is asked, and what it answers.

use std::collections::{BTreeMap, BTreeSet};

/// A member that can run partitions, as a planner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub(super) node: String,
    pub(super) weight: u32,
    pub(super) zone: Option<String>,
    pub(super) roles: BTreeSet<String>,
    pub(super) labels: BTreeMap<String, String>,
}

impl Seat {
    /// The seat of this node: of weight 1, without zone, roles or labels.
    pub fn new(node: impl Into<String>) -> Self {
        Self { node: node.into(), weight: 1, zone: None, roles: BTreeSet::new(), labels: BTreeMap::new() }
    }

    /// How much it should get, relative to the others: a whole number, so that none is negative, infinite or not a number. With 0 it gets nothing, and what it has moves.
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// What it fails together with.
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Something that it does.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.insert(role.into());
        self
    }

    /// A label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The zone, if it has one.
    #[must_use]
    pub fn zone_name(&self) -> Option<&str> {
        self.zone.as_deref()
    }
}

/// What a planner is asked: who can run partitions, and who runs them now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a problem does nothing until a planner is asked"]
pub struct Problem {
    seats: Vec<Seat>,
    owners: Vec<Option<u32>>,
    standbys: Vec<Vec<u32>>,
}

impl Problem {
    /// These seats, in the order of their nodes, and for each partition the seat of its present owner. An owner that is not among the seats is none.
    pub fn new(seats: Vec<Seat>, mut owners: Vec<Option<u32>>) -> Self {
        let known = seats.len();
        owners.iter_mut().for_each(|owner| *owner = owner.filter(|seat| (*seat as usize) < known));
        Self { seats, owners, standbys: Vec::new() }
    }

    /// The present standbys of each partition, first the one that is first to take over.
    pub fn with_standbys(mut self, standbys: Vec<Vec<u32>>) -> Self {
        self.standbys = standbys;
        self
    }

    /// The seats, in the order of their nodes.
    #[must_use]
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// How many partitions there are.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.owners.len()
    }

    /// For each partition, the seat of its present owner.
    #[must_use]
    pub fn owners(&self) -> &[Option<u32>] {
        &self.owners
    }

    /// The present standbys of a partition.
    #[must_use]
    pub fn standbys_of(&self, partition: usize) -> &[u32] {
        self.standbys.get(partition).map_or(&[], Vec::as_slice)
    }
}

/// A partition that a plan leaves without an owner, or without a standby, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unplaced {
    /// The partition.
    pub partition: u32,
    /// Why, in words for an operator.
    pub reason: &'static str,
}

/// Who should run which partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a plan does nothing until it is carried out"]
pub struct Plan {
    pub(crate) owners: Vec<Option<u32>>,
    pub(crate) standbys: Vec<Vec<u32>>,
    pub(crate) unplaced: Vec<Unplaced>,
}

/// Why a partition has no owner where a planner gives no reason of its own.
pub(super) const NOBODY: &str = "no member is there that may run it";

impl Plan {
    /// A plan with these owners: for each partition its seat, or none. Those without an owner are reported as unplaced.
    pub fn new(owners: Vec<Option<u32>>) -> Self {
        Self { owners, ..Self::default() }.complete(NOBODY)
    }

    /// Reports every partition without an owner that is not reported yet.
    pub(super) fn complete(mut self, reason: &'static str) -> Self {
        let reported: BTreeSet<u32> = self.unplaced.iter().map(|unplaced| unplaced.partition).collect();
        let lacking = (0_u32..).zip(&self.owners).filter(|(_, owner)| owner.is_none());
        let lacking = lacking.filter(|(partition, _)| !reported.contains(partition));
        self.unplaced.extend(lacking.map(|(partition, _)| Unplaced { partition, reason }));
        self
    }

    /// The same for exactly so many partitions and seats: whoever wrote a planner of his own may have been wrong.
    pub(crate) fn checked(mut self, partitions: usize, seats: usize) -> Self {
        let known = |seat: &u32| (*seat as usize) < seats;
        self.owners.resize(partitions, None);
        self.owners.iter_mut().for_each(|owner| *owner = owner.filter(known));
        self.standbys.truncate(partitions);
        self.standbys.iter_mut().for_each(|standbys| standbys.retain(known));
        self.complete("the planner gave it no member that exists")
    }

    /// For each partition, its seat.
    #[must_use]
    pub fn owners(&self) -> &[Option<u32>] {
        &self.owners
    }

    /// The standbys of a partition, first the one that is first to take over.
    #[must_use]
    pub fn standbys_of(&self, partition: usize) -> &[u32] {
        self.standbys.get(partition).map_or(&[], Vec::as_slice)
    }

    /// What could not be placed, and why.
    #[must_use]
    pub fn unplaced(&self) -> &[Unplaced] {
        &self.unplaced
    }

    /// How many partitions each of so many seats has.
    #[must_use]
    pub fn counts(&self, seats: usize) -> Vec<u32> {
        let mut counts = vec![0; seats];
        for owner in self.owners.iter().flatten() {
            counts[*owner as usize] += 1;
        }
        counts
    }

    /// How many partitions that had an owner get another one.
    #[must_use]
    pub fn moves(&self, problem: &Problem) -> usize {
        let pairs = problem.owners.iter().zip(&self.owners);
        pairs.filter(|(before, after)| before.is_some() && before != after).count()
    }
}
