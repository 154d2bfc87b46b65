//! E5: a leader that is cut off from the backend steps down by its deadline, and its work is told.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "E5",
    sentence: "the loss of leadership is noticed within the bound after the instant up to which it was valid, or after the thaw of its process",
    guarantees: "R1, R2",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::losses_are_noticed(index, bounds, Recipe::Election)
}
