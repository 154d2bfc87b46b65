//! E2: terms strictly increase, with one leader per term.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "E2",
    sentence: "each leader of an election has a larger term than every earlier one",
    guarantees: "R3, G6",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    rules::tokens_grow(index, Recipe::Election)
}
