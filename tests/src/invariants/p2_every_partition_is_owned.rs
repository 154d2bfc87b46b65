//! P2: once the run is calm, a partition that nobody owns is given to a healthy member within the bound.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "P2",
    sentence: "after the last disturbance every partition has an owner within the bound, if a healthy member would own it",
    guarantees: "R7, R9, G170, G173, G174",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::somebody_is_served(index, bounds, Recipe::Partition)
}
