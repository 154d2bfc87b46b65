//! W6: nothing that could be worked on stays where it is while a healthy worker wants something to do.

use super::bounds::Bounds;
use super::index::{Filing, Index, Item, Thing};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::{Recipe, Stage};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "W6",
    sentence: "after the last disturbance an item whose time has come, or whose claim nobody believes in any more, is taken up within the bound, if a healthy worker wants items",
    guarantees: "R7, R9, G192, G195, G196, G200",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    for set in rules::things(&index.holding, Recipe::Claim).filter(|thing| !thing.calls.is_empty()) {
        let is_part =
            |item: &&Item<'_>| item.name.strip_prefix(set.name).is_some_and(|rest| rest.starts_with('/'));
        for item in index.items.items.iter().filter(is_part) {
            let claims = index.holding.parts(set).find(|thing| thing.name == item.name);
            for (at, filing) in item.filings.iter().enumerate() {
                let to = item.filings.get(at + 1).map_or(index.end(), |next| next.mark.at);
                let Some(from) = waits_from(index, bounds, claims, filing) else { continue };
                let what = format!("an item of work-set {:?}", set.name);
                let waiting = rules::Waiting { what: &what, callers: set, shown: Some(filing.mark) };
                rules::waited_in_vain(index, bounds, &waiting, from.max(calm), to)?;
            }
        }
    }
    Ok(())
}

/// From when on an item in this state is there for others; `None`: not at all.
fn waits_from(
    index: &Index<'_>,
    bounds: &Bounds,
    claims: Option<&Thing<'_>>,
    filing: &Filing<'_>,
) -> Option<u64> {
    match filing.stage {
        Stage::Ready { from } => Some(filing.mark.at.max(from.saturating_add(bounds.wall_clocks))),
        Stage::Claimed => {
            let grants = claims
                .into_iter()
                .flat_map(|thing| &thing.grants)
                .map(|number| &index.holding.grants[*number]);
            let believed =
                grants.filter(|grant| grant.token == filing.revision).map(|grant| grant.until).max();
            Some(filing.mark.at.max(believed.unwrap_or(0)))
        }
        _ => None,
    }
}
