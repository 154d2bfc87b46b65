//! E7: a candidate that withdrew or crashed is not elected later than its session can live on.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "E7",
    sentence: "a campaign that was given up is not won, and no candidate or leader entry of a node that does not stand stays for longer than its session can live on",
    guarantees: "R4, R5, G22, G27",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::nothing_after_giving_up(index, Recipe::Election)?;
    rules::nothing_left_behind(index, bounds, Recipe::Election)
}
