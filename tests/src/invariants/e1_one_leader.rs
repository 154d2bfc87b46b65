//! E1: at most one leader, by its own deadline, at every instant.
//!
//! Conditional on what L3 is conditional on.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "E1",
    sentence: "at every instant at most one node believes that it leads an election",
    guarantees: "R1, R2, G22, G25",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    if bounds.exclusive_in_time { rules::nobody_overlaps(index, Recipe::Election) } else { Ok(()) }
}
