//! Whoever loses something is told, by its own clock alone.

use super::super::bounds::Bounds;
use super::super::index::{Grant, Index};
use super::super::violation::Broken;
use super::{things, title};
use crate::history::{EndReason, Recipe};

/// The loss of a grant is noticed soon after the instant from which its holder must not believe in it any more.
pub(in super::super) fn losses_are_noticed(
    index: &Index<'_>,
    bounds: &Bounds,
    recipe: Recipe,
) -> Result<(), Broken> {
    for thing in things(&index.holding, recipe) {
        for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
            let Some(due) = due(index, bounds, grant) else { continue };
            if grant.noticed.is_some_and(|noticed| noticed.at <= due) {
                continue;
            }
            let when = match grant.noticed {
                Some(noticed) => format!("was told {} ns after it", noticed.at.saturating_sub(grant.until)),
                None => "was never told".into(),
            };
            let message = format!(
                "{} lost {} with token {} at {} and {when}",
                index.who(grant.process),
                title(thing),
                grant.token,
                grant.until,
            );
            return Err(Broken::new(message, grant.proof().chain(grant.noticed)));
        }
    }
    Ok(())
}

/// Until when the loss has to be noticed; `None` if there is nothing to notice, or the history ends before.
fn due(index: &Index<'_>, bounds: &Bounds, grant: &Grant) -> Option<u64> {
    if grant.until == u64::MAX {
        return None;
    }
    let process = &index.cluster.processes[grant.process];
    // A grant that was dead when it was delivered is lost at its delivery.
    let lost = grant.until.max(grant.granted.at);
    let due = process.has_run(lost, bounds.loss_notice);
    let let_go = matches!(grant.ended, Some((EndReason::Released, mark)) if mark.at <= due);
    let is_over = process.over.is_some_and(|over| over.at <= due);
    (!let_go && !is_over && due <= index.end()).then_some(due)
}
