//! P1: at most one owner of a partition, by its own deadline, at every instant, with ever larger tokens.
//!
//! The first half is conditional on what L3 is conditional on. A partition that may be moved by force, because its resource refuses smaller tokens, is recorded as a share of several: then its
//! tokens alone protect it.

use super::bounds::Bounds;
use super::index::{Grant, Index};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "P1",
    sentence: "at every instant at most one member believes that it owns a partition that is not moved by force, with a larger token than every earlier one; and nobody gets a token that somebody else has got",
    guarantees: "R1, R2, R3, G170",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::tokens_grow(index, Recipe::Partition)?;
    if !bounds.exclusive_in_time {
        return Ok(());
    }
    for thing in rules::things(&index.holding, Recipe::Partition) {
        let mut believed: Vec<&Grant> = Vec::new();
        for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
            if grant.is_stillborn() {
                continue;
            }
            // They may touch.
            believed.retain(|other| other.until > grant.granted.at);
            if let Some(other) = believed.iter().find(|other| !other.goes_with(grant)) {
                let message = format!(
                    "{} was owned by {} with token {} and by {} with token {} at the same time, from {} on",
                    rules::title(thing),
                    index.who(other.process),
                    other.token,
                    index.who(grant.process),
                    grant.token,
                    grant.granted.at,
                );
                return Err(Broken::new(message, other.proof().chain(grant.proof())));
            }
            believed.push(grant);
        }
    }
    Ok(())
}
