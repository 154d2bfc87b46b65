//! M7: what a member says of itself is neither lost nor reverted.

use std::collections::BTreeMap;

use super::bounds::Bounds;
use super::index::{Group, Index, Mark, Watcher};
use super::violation::Broken;
use super::{Invariant, rules};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "M7",
    sentence: "no watcher is shown an older state of a member after a newer one, and once the run is calm every healthy watcher sees within a second what a member was told is stored",
    guarantees: "R9, G120, G124",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    for group in &index.groups.groups {
        for watcher in &group.watchers {
            never_back(index, group, watcher)?;
        }
        if let Some(settled) = rules::watching::settled(index, bounds) {
            all_is_seen(index, bounds, settled, group)?;
        }
    }
    Ok(())
}

/// A store that forgot its newest commits shows older ones, once per discontinuity.
fn never_back(index: &Index<'_>, group: &Group<'_>, watcher: &Watcher<'_>) -> Result<(), Broken> {
    let mut newest: BTreeMap<(&str, u64), (u64, Mark)> = BTreeMap::new();
    let mut forgiven = BTreeMap::<&str, usize>::new();
    for view in &watcher.views {
        for shown in view.members {
            let seen = (shown.version, view.mark);
            let Some((version, mark)) = newest.insert((&shown.node, shown.process), seen) else { continue };
            if version <= shown.version {
                continue;
            }
            let forgot = index.log.discontinuities.iter().filter(|forgot| forgot.at <= view.mark.at).count();
            let forgiven = forgiven.entry(&shown.node).or_default();
            if *forgiven >= forgot {
                let message = format!(
                    "{} showed {} version {} of {} after version {version}",
                    rules::watching::named(group),
                    index.who(watcher.process),
                    shown.version,
                    shown.node,
                );
                return Err(Broken::new(message, [mark, view.mark]));
            }
            *forgiven += 1;
        }
    }
    Ok(())
}

fn all_is_seen(index: &Index<'_>, bounds: &Bounds, settled: u64, group: &Group<'_>) -> Result<(), Broken> {
    for stay in rules::watching::stays(index, group) {
        let process = &index.cluster.processes[stay.process];
        for (version, stored) in &stay.updates {
            for (watcher, end) in rules::watching::watchers(index, group) {
                let Some(first) = watcher.views.first() else { continue };
                let due = rules::watching::due(bounds, settled, first.mark.at, stored.at);
                if due > end.min(stay.until(&index.cluster)) {
                    continue;
                }
                let Some(view) = watcher.at(due) else { continue };
                let shown = view.get(process.node_name);
                let older =
                    shown.filter(|shown| shown.process == process.incarnation && shown.version < *version);
                if let Some(older) = older {
                    let message = format!(
                        "{} still showed version {} of {} to {} at {due}, though it was told that {version} is stored",
                        rules::watching::named(group),
                        older.version,
                        index.who(stay.process),
                        index.who(watcher.process),
                    );
                    return Err(Broken::new(message, [*stored, view.mark]));
                }
            }
        }
    }
    Ok(())
}
