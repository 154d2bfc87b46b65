//! L1: tokens of a lock strictly increase and are never granted twice, through failover, restart and crashes.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L1",
    sentence: "each grant of a lock carries a larger token than every earlier one",
    guarantees: "R3, G6",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    rules::tokens_grow(index, Recipe::Mutex)
}
