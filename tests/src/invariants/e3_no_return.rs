//! E3: no leadership returns after it was resigned.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "E3",
    sentence: "leadership that was resigned or lost does not return: its belief ends before the resignation is answered, no later renewal extends it, and no campaign is won twice",
    guarantees: "R4, R7",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    rules::the_ended_stay_ended(index, Recipe::Election)?;
    rules::nobody_is_granted_twice(index, Recipe::Election)
}
