//! What is free is given to somebody who waits for it.

use super::super::bounds::Bounds;
use super::super::index::{Index, Mark, Thing};
use super::super::violation::Broken;
use super::{things, title};
use crate::history::Recipe;

/// Who waits for what.
pub(in super::super) struct Waiting<'w> {
    /// What, for messages.
    pub(in super::super) what: &'w str,
    pub(in super::super) callers: &'w Thing<'w>,
    /// What shows that it is there.
    pub(in super::super) shown: Option<Mark>,
}

/// Once the run is calm, a thing that nobody holds is granted within the bound, if a healthy process waits for it.
pub(in super::super) fn somebody_is_served(
    index: &Index<'_>,
    bounds: &Bounds,
    recipe: Recipe,
) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    for thing in things(&index.holding, recipe) {
        let what = title(thing);
        let waiting = Waiting { what: &what, callers: thing, shown: None };
        let mut free_from = calm;
        for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
            waited_in_vain(index, bounds, &waiting, free_from, grant.granted.at)?;
            free_from = free_from.max(grant.until);
        }
        waited_in_vain(index, bounds, &waiting, free_from, index.end())?;
    }
    Ok(())
}

/// Whether somebody waited longer than the bound within a span in which nobody held.
pub(in super::super) fn waited_in_vain(
    index: &Index<'_>,
    bounds: &Bounds,
    waiting: &Waiting<'_>,
    from: u64,
    to: u64,
) -> Result<(), Broken> {
    if to.saturating_sub(from) <= bounds.recovery {
        return Ok(());
    }
    for call in waiting.callers.calls.iter().map(|number| &index.holding.calls[*number]) {
        let (since, until) = (from.max(call.asked.at), to.min(call.until));
        if until.saturating_sub(since) > bounds.recovery && index.cluster.is_well(call.process) {
            let message = format!(
                "{} waited for {} from {since} to {until}, and nobody held it",
                index.who(call.process),
                waiting.what,
            );
            return Err(Broken::new(message, waiting.shown.into_iter().chain([call.asked])));
        }
    }
    Ok(())
}
