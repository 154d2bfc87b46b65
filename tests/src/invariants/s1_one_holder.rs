//! S1: at most one holder of a slot, by its own deadline, at every instant, with ever larger tokens; what is over stays over.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "S1",
    sentence: "at every instant at most one process believes that it holds a slot, with a larger token than every earlier one; what was given up or lost is not believed in again, and a loss is noticed within the bound",
    guarantees: "R1, R2, R3, R4, G210, G212",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::tokens_grow(index, Recipe::Slot)?;
    if bounds.exclusive_in_time {
        rules::nobody_overlaps(index, Recipe::Slot)?;
    }
    rules::the_ended_stay_ended(index, Recipe::Slot)?;
    rules::nobody_is_granted_twice(index, Recipe::Slot)?;
    rules::nothing_after_giving_up(index, Recipe::Slot)?;
    rules::losses_are_noticed(index, bounds, Recipe::Slot)
}
