//! S2: once the run is calm, a slot that nobody holds is given to a healthy process that wants one.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "S2",
    sentence: "after the last disturbance a slot that nobody holds is given within the bound to a healthy process that wants one, if it was ever held",
    guarantees: "R7, R9, R10, G210, G212",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    for slots in rules::things(&index.holding, Recipe::Slot).filter(|thing| !thing.calls.is_empty()) {
        for slot in index.holding.parts(slots) {
            let what = rules::title(slot);
            let waiting = rules::Waiting { what: &what, callers: slots, shown: None };
            let mut free_from = calm;
            for grant in slot.grants.iter().map(|number| &index.holding.grants[*number]) {
                rules::waited_in_vain(index, bounds, &waiting, free_from, grant.granted.at)?;
                free_from = free_from.max(grant.until);
            }
            rules::waited_in_vain(index, bounds, &waiting, free_from, index.end())?;
        }
    }
    Ok(())
}
