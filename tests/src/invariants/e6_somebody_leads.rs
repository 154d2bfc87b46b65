//! E6: after the last disturbance somebody leads; without a quorum nobody is elected.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::{Event, Recipe};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "E6",
    sentence: "after the last disturbance a healthy candidate leads within the bound if nobody does, and while the store answers nobody no campaign that began meanwhile is won",
    guarantees: "R7, R9, R10",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::somebody_is_served(index, bounds, Recipe::Election)?;
    for outage in index.cluster.fault_list.iter().filter(|fault| fault.kind == Event::OUTAGE) {
        let healed = outage.healed.map_or(u64::MAX, |mark| mark.at);
        for thing in rules::things(&index.holding, Recipe::Election) {
            for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
                // A reply that was under way when the outage began may still arrive.
                let asked = grant.call.map(|call| index.holding.calls[call].asked);
                let within = |at: u64| outage.from.at < at && at < healed;
                if let Some(asked) = asked.filter(|asked| within(asked.at) && within(grant.granted.at)) {
                    let message = format!(
                        "{} was elected in {} while the store answered nobody",
                        index.who(grant.process),
                        rules::title(thing),
                    );
                    return Err(Broken::new(message, [outage.from, asked, grant.granted]));
                }
            }
        }
    }
    Ok(())
}
