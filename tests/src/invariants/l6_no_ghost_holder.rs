//! L6: no ghost holder: what was cancelled, dropped or ended in doubt holds nothing for longer than its session lives on.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L6",
    sentence: "a caller that gave up is granted nothing, no caller is granted twice, and nothing of either stays in the queue for longer than its session can live on",
    guarantees: "R4, R5, G22",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    for recipe in [Recipe::Mutex, Recipe::Shared] {
        rules::nothing_after_giving_up(index, recipe)?;
        rules::nobody_is_granted_twice(index, recipe)?;
        rules::nothing_left_behind(index, bounds, recipe)?;
    }
    Ok(())
}
