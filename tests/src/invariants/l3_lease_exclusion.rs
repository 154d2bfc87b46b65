//! L3: lease exclusion: two holders never believe at the same time.
//!
//! Conditional on clocks that run apart by less than the margin, and on a backend that forgets nothing; see
//! [`Bounds::exclusive_in_time`].

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L3",
    sentence: "the spans in which two grants of a lock are believed in do not overlap",
    guarantees: "R1, R2, G22, G25",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    if bounds.exclusive_in_time { rules::nobody_overlaps(index, Recipe::Mutex) } else { Ok(()) }
}
