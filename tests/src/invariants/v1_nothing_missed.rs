//! V1: a watch is complete.
//!
//! Every committed state is delivered, or covered by a later state of the same entry or by a snapshot; what is shown was committed, with its
//! `created`, so that a re-creation is never hidden. Needs the store's own log, but for the rule that changes follow a snapshot.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, replay};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "V1",
    sentence: "a watch shows committed states only and misses none silently: what its revision covers was told, or a later state was, and a gap ends with a snapshot",
    guarantees: "G30, G31, G32, G33",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    replay::findings(index, bounds).missed.clone().map_or(Ok(()), Err)
}
