//! P7: what a deposed assignor has planned is never adopted.

use std::collections::BTreeMap;

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Step};
use super::violation::Broken;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "P7",
    sentence: "whatever changes what members are assigned is committed by the one who is elected to assign at that instant, and a number that it gives the plan is larger than every one before it",
    guarantees: "R11, G174",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    let mut newest: BTreeMap<&str, (u64, &Step<'_>)> = BTreeMap::new();
    for step in &index.sightings.steps {
        let what =
            |what: &str| format!("a step of session {:?} in group {:?} {what}", step.session, step.group);
        if step.leader != Some(step.session) {
            let who = step.leader.map_or("nobody".to_owned(), |leader| format!("session {leader:?}"));
            return Err(Broken::new(what(&format!("was applied while {who} was elected")), [step.mark]));
        }
        // That every step writes the plan is a matter of form, which a test of the recipe sees.
        let Some(number) = step.number else { continue };
        if let Some((before, older)) = newest.insert(step.group, (number, step))
            && before >= number
        {
            let message = what(&format!("has number {number} after one with number {before}"));
            return Err(Broken::new(message, [older.mark, step.mark]));
        }
    }
    Ok(())
}
