//! P3: what a member has given up, or lost, it does not believe in again, and it is told of what it loses.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "P3",
    sentence: "a grant of a partition that was given up or lost is not believed in again, none is given after its member had gone, and a loss is noticed within the bound",
    guarantees: "R1, R2, R4, G172, G182",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::the_ended_stay_ended(index, Recipe::Partition)?;
    rules::nobody_is_granted_twice(index, Recipe::Partition)?;
    rules::nothing_after_giving_up(index, Recipe::Partition)?;
    rules::losses_are_noticed(index, bounds, Recipe::Partition)
}
