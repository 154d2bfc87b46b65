//! H1: the history itself makes sense. Judged first: a checker that is fed nonsense may pass for the wrong reason.

use super::Invariant;
use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "H1",
    sentence: "every record names calls, grants, watches, requests and faults that the history knows, and no number is used twice",
    guarantees: "the recorder's",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    match index.flaws.first() {
        Some((mark, flaw)) => Err(Broken::new(*flaw, [*mark])),
        None => Ok(()),
    }
}
