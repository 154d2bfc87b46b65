//! L9: a writer overlaps nobody, and permits are never exceeded.
//!
//! Conditional, like L3, on clocks that run apart by less than the margin and on a backend that forgets nothing; see
//! [`Bounds::exclusive_in_time`].

use super::bounds::Bounds;
use super::index::{Grant, Index, Mark};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L9",
    sentence: "the shares of a read-write lock or semaphore that are believed in at one instant are together not more than there is: a writer is alone",
    guarantees: "R1, R2, G140, G146",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    if !bounds.exclusive_in_time {
        return Ok(());
    }
    for thing in rules::things(&index.holding, Recipe::Shared) {
        let mut held: Vec<&Grant> = Vec::new();
        for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
            if grant.is_stillborn() {
                continue;
            }
            // They may touch.
            held.retain(|other| other.until > grant.granted.at);
            held.push(grant);
            let used = held.iter().fold(0_u64, |used, grant| used.saturating_add(grant.weight));
            // All agree on what there is, or the least counts.
            let permits = held.iter().map(|grant| grant.permits).min().unwrap_or(u64::MAX);
            if used > permits {
                let message = format!(
                    "of {} {used} were held where there are {permits}, from {} on, when {} was granted {} with token {}",
                    rules::title(thing),
                    grant.granted.at,
                    index.who(grant.process),
                    grant.weight,
                    grant.token,
                );
                let proof: Vec<Mark> = held.iter().flat_map(|grant| grant.proof()).collect();
                return Err(Broken::new(message, proof));
            }
        }
    }
    Ok(())
}
