//! What several rules ask of groups.

use crate::invariants::bounds::Bounds;
use crate::invariants::index::{Group, Index, Stay, Watcher};

/// A group, for messages.
pub(crate) fn named(group: &Group<'_>) -> String {
    format!("group {:?}", group.name)
}

/// From when on everybody who is well knows the group as it is, but for what has just happened.
pub(crate) fn settled(index: &Index<'_>, bounds: &Bounds) -> Option<u64> {
    index.cluster.calm().map(|calm| calm.saturating_add(bounds.recovery))
}

/// The watchers on processes that are well once the run is calm, each with the instant up to which it watches.
pub(crate) fn watchers<'i, 'a>(
    index: &'i Index<'a>,
    group: &'i Group<'a>,
) -> impl Iterator<Item = (&'i Watcher<'a>, u64)> {
    let well = group.watchers.iter().filter(|watcher| index.cluster.is_well(watcher.process));
    well.map(|watcher| {
        let over = index.cluster.processes[watcher.process].over;
        (watcher, over.map_or(index.end(), |over| over.at))
    })
}

/// The stays of processes that are well once the run is calm.
pub(crate) fn stays<'i>(index: &'i Index<'_>, group: &'i Group<'_>) -> impl Iterator<Item = &'i Stay> {
    group.stays.iter().filter(|stay| index.cluster.is_well(stay.process))
}

/// When a watcher that was told something for the first time at `first` has to know what happened at `happened`.
pub(crate) fn due(bounds: &Bounds, settled: u64, first: u64, happened: u64) -> u64 {
    settled.max(happened.saturating_add(bounds.visible)).max(first.saturating_add(bounds.recovery))
}
