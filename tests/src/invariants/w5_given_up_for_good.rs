//! W5: what a worker has given up, or lost, it does not believe in again, and it is told of what it loses.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "W5",
    sentence: "a claim that was settled or lost is not believed in again, none is given to a caller that had gone or twice to one, and a loss is noticed within the bound",
    guarantees: "R1, R2, R4, G199",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::the_ended_stay_ended(index, Recipe::Claim)?;
    rules::nobody_is_granted_twice(index, Recipe::Claim)?;
    rules::nothing_after_giving_up(index, Recipe::Claim)?;
    rules::losses_are_noticed(index, bounds, Recipe::Claim)
}
