//! L10: the tokens of shared locks: holders that exclude each other are ordered, the others are told apart.
//!
//! A place serves whoever of its process waits longest when it is granted, so a grant can be older than its call, and its token smaller than that of a grant that ended
//! before, if the two could have been held together.

use super::bounds::Bounds;
use super::index::{Grant, Index};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L10",
    sentence: "each grant of a read-write lock or semaphore has a token of its own, larger than those of earlier grants that cannot be held beside it; a writer that goes on as a reader keeps its token",
    guarantees: "R3, G140, G143, G146",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    for thing in rules::things(&index.holding, Recipe::Shared) {
        for (place, number) in thing.grants.iter().enumerate() {
            let grant = &index.holding.grants[*number];
            let before = thing.grants[..place].iter().map(|number| &index.holding.grants[*number]);
            for other in before {
                if let Some(how) = wrong(other, grant) {
                    let message = format!(
                        "{} was granted to {} with token {}, which {how} that of {}, {}",
                        rules::title(thing),
                        index.who(grant.process),
                        grant.token,
                        index.who(other.process),
                        other.token,
                    );
                    return Err(Broken::new(message, [other.granted, grant.granted]));
                }
            }
        }
    }
    Ok(())
}

/// What is wrong with the token of `grant` after `other` was granted.
fn wrong(other: &Grant, grant: &Grant) -> Option<&'static str> {
    if grant.token == other.token {
        return (!grant.goes_on_from(other)).then_some("is");
    }
    // One that was told of its grant too late never believed in it, so its token may be an older one.
    if grant.token > other.token || grant.is_stillborn() {
        return None;
    }
    (!grant.goes_with(other)).then_some("is not larger than")
}
