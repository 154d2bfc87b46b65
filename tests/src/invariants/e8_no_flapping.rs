//! E8: no flapping: nobody loses leadership for nothing.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::{EndReason, Recipe};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "E8",
    sentence: "once the run is calm and the bound has passed, no healthy leader loses leadership unless it gives it up itself",
    guarantees: "R1, R6, G25",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    let settled = calm.saturating_add(bounds.recovery);
    for thing in rules::things(&index.holding, Recipe::Election) {
        for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
            let over = index.cluster.processes[grant.process].over;
            let Some((EndReason::Lost | EndReason::Expired, ended)) = grant.ended else { continue };
            let by_itself = over.is_some_and(|over| over.at <= ended.at);
            if grant.until > settled && !by_itself && index.cluster.is_well(grant.process) {
                let message = format!(
                    "{} lost {} in term {}, though nothing had been disturbed since {calm}",
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
