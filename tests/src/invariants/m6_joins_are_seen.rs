//! M6: whoever is a member is in everybody's view.

use super::bounds::Bounds;
use super::index::Index;
use super::violation::Broken;
use super::{Invariant, rules};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "M6",
    sentence: "once the run is calm, every healthy watcher sees a healthy member within a second of its joining, and as long as it stays; a healthy process that wants to join has joined within the bound",
    guarantees: "R9, G120, G123",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(settled) = rules::watching::settled(index, bounds) else { return Ok(()) };
    for group in &index.groups.groups {
        let name = rules::watching::named(group);
        for stay in rules::watching::stays(index, group) {
            let until = stay.until(&index.cluster).min(index.end());
            let Some((incarnation, joined)) = stay.joined.last().copied() else {
                // It may have to wait for the end of its node's last life.
                let due = settled.max(stay.from.at.saturating_add(bounds.recovery));
                if until > due {
                    let message =
                        format!("{} did not become a member of {name} by {due}", index.who(stay.process));
                    return Err(Broken::new(message, [stay.from]));
                }
                continue;
            };
            let process = &index.cluster.processes[stay.process];
            for (watcher, end) in rules::watching::watchers(index, group) {
                let Some(first) = watcher.views.first() else { continue };
                let due = rules::watching::due(bounds, settled, first.mark.at, joined.at);
                let until = until.min(end);
                let missing = watcher.spans(end).find(|(view, told_until)| {
                    let seen = view.get(process.node_name);
                    let is_shown = seen.is_some_and(|shown| shown.process == process.incarnation);
                    !is_shown && view.mark.at < until && *told_until > due && until > due
                });
                if let Some((view, _)) = missing {
                    let message = format!(
                        "{name} did not show {} as incarnation {incarnation} to {} after {due}",
                        index.who(stay.process),
                        index.who(watcher.process),
                    );
                    return Err(Broken::new(message, [joined, view.mark]));
                }
            }
        }
    }
    Ok(())
}
