//! What is free is given to somebody who waits for it.

use super::super::bounds::Bounds;
use super::super::index::{Index, Thing};
use super::super::violation::Broken;
use super::{things, title};
use crate::history::Recipe;

/// Once the run is calm, a thing that nobody holds is granted within the bound, if a healthy process waits for it.
pub(in super::super) fn somebody_is_served(
    index: &Index<'_>,
    bounds: &Bounds,
    recipe: Recipe,
) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    for thing in things(&index.holding, recipe) {
        let mut free_from = calm;
        for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
            waited_in_vain(index, bounds, thing, free_from, grant.granted.at)?;
            free_from = free_from.max(grant.until);
        }
        waited_in_vain(index, bounds, thing, free_from, index.end())?;
    }
    Ok(())
}

/// Whether somebody waited longer than the bound within a span in which nobody held.
fn waited_in_vain(
    index: &Index<'_>,
    bounds: &Bounds,
    thing: &Thing<'_>,
    from: u64,
    to: u64,
) -> Result<(), Broken> {
    if to.saturating_sub(from) <= bounds.recovery {
        return Ok(());
    }
    for call in thing.calls.iter().map(|number| &index.holding.calls[*number]) {
        let (since, until) = (from.max(call.asked.at), to.min(call.until));
        if until.saturating_sub(since) > bounds.recovery && index.cluster.is_well(call.process) {
            let message = format!(
                "{} waited for {} from {since} to {until}, and nobody held it",
                index.who(call.process),
                title(thing),
            );
            return Err(Broken::new(message, [call.asked]));
        }
    }
    Ok(())
}
