//! V3: a watch is resumed without going back, whatever gap there was.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, replay};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "V3",
    sentence: "a watch never goes back, neither in its revision nor in the state of an entry, and does not begin before what its session had seen",
    guarantees: "G33, G34",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    replay::findings(index, bounds).went_back.clone().map_or(Ok(()), Err)
}
