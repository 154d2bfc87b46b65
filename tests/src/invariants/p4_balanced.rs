//! P4: in the end the healthy members own as many partitions each, or one more.
//!
//! Judged of members that all would own each partition of a group, which is called `<group>/<number>`.

use std::collections::BTreeMap;

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Mark, Thing};
use super::rules;
use super::violation::Broken;
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "P4",
    sentence: "when nothing has been disturbed for twice the bound, the numbers of partitions that two healthy members of a group own differ by at most one",
    guarantees: "G171",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    let end = index.end();
    if end < calm.saturating_add(bounds.recovery.saturating_mul(2)) {
        return Ok(());
    }
    let mut groups: BTreeMap<&str, Vec<&Thing<'_>>> = BTreeMap::new();
    for thing in rules::things(&index.holding, Recipe::Partition) {
        groups
            .entry(thing.name.rsplit_once('/').map_or(thing.name, |(group, _)| group))
            .or_default()
            .push(thing);
    }
    for (group, partitions) in groups {
        let owned = owned_by(index, &partitions, end);
        let (least, most) =
            (owned.iter().min_by_key(|share| share.1.len()), owned.iter().max_by_key(|share| share.1.len()));
        if let (Some((poor, few)), Some((rich, many))) = (least, most)
            && many.len() > few.len() + 1
        {
            let message = format!(
                "of the partitions of {group:?}, {} owns {} and {} owns {}, though nothing had been disturbed since {calm}",
                index.who(*rich),
                many.len(),
                index.who(*poor),
                few.len(),
            );
            return Err(Broken::new(message, many.iter().copied()));
        }
    }
    Ok(())
}

/// What each healthy member owns at the end that was one for long enough before.
fn owned_by(index: &Index<'_>, partitions: &[&Thing<'_>], end: u64) -> BTreeMap<usize, Vec<Mark>> {
    let mut owned: BTreeMap<usize, Vec<Mark>> = BTreeMap::new();
    for thing in partitions {
        for call in thing.calls.iter().map(|call| &index.holding.calls[*call]) {
            // Whoever still wants the partition, or owns it, is a member.
            if index.cluster.is_well(call.process) && call.concerned_until > end {
                owned.entry(call.process).or_default();
            }
        }
        for grant in thing.grants.iter().map(|grant| &index.holding.grants[*grant]) {
            if grant.until > end
                && let Some(owned) = owned.get_mut(&grant.process)
            {
                owned.push(grant.granted);
            }
        }
    }
    owned
}
