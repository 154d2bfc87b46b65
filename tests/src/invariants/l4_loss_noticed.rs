//! L4: whoever loses a lock is told in time, without any contact to the backend.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L4",
    sentence: "the loss of a lock is noticed within the bound after the instant up to which it was valid, or after the thaw of its process",
    guarantees: "R1, R2",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::losses_are_noticed(index, bounds, Recipe::Mutex)?;
    rules::losses_are_noticed(index, bounds, Recipe::Shared)
}
