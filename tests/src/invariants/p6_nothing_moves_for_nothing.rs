//! P6: stable members keep what they own.

use super::Invariant;
use super::bounds::Bounds;
use super::index::Index;
use super::rules;
use super::violation::Broken;
use crate::history::{EndReason, Recipe};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "P6",
    sentence: "when nothing has been disturbed for twice the bound, no healthy member loses a partition or is given one that another healthy member had",
    guarantees: "G171, G175",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    let settled = calm.saturating_add(bounds.recovery.saturating_mul(2));
    for thing in rules::things(&index.holding, Recipe::Partition) {
        for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
            let Some((reason, ended)) = grant.ended.filter(|(_, ended)| ended.at > settled) else { continue };
            let process = &index.cluster.processes[grant.process];
            // Who stops wanting it gives it up; so does a process that ends.
            let call = grant.call.and_then(|call| index.holding.calls[call].gave_up);
            let by_itself = reason == EndReason::Yielded
                || process.over.is_some_and(|over| over.at <= ended.at)
                || call.is_some_and(|gave_up| gave_up.at <= ended.at);
            if !by_itself && index.cluster.is_well(grant.process) {
                let message = format!(
                    "{} lost {} with token {}, though nothing had been disturbed since {calm}",
                    index.who(grant.process),
                    rules::title(thing),
                    grant.token,
                );
                return Err(Broken::new(message, grant.proof()));
            }
        }
    }
    Ok(())
}
