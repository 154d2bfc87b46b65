//! M4: in the end all see the same.

use super::bounds::Bounds;
use super::index::{Group, Index, View};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Shown;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "M4",
    sentence: "once the run is calm and the bound has passed, all healthy watchers have the same view, unless something has just changed",
    guarantees: "G120, G126",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(settled) = rules::watching::settled(index, bounds) else { return Ok(()) };
    for group in &index.groups.groups {
        let quiet = changed(index, group).saturating_add(bounds.visible);
        if index.end() < quiet.max(settled) {
            continue;
        }
        let watchers = rules::watching::watchers(index, group).filter_map(|(watcher, end)| {
            let (first, last) = (watcher.views.first()?, watcher.views.last()?);
            let knows = first.mark.at.saturating_add(bounds.recovery) <= index.end();
            (end == index.end() && knows).then_some((watcher, last))
        });
        let watchers: Vec<_> = watchers.collect();
        for pair in watchers.windows(2) {
            let [(one, view), (other, its_view)] = pair else { continue };
            if sorted(view) != sorted(its_view) {
                let message = format!(
                    "{} looks different to {} and to {} in the end",
                    rules::watching::named(group),
                    index.who(one.process),
                    index.who(other.process),
                );
                return Err(Broken::new(message, [view.mark, its_view.mark]));
            }
        }
    }
    Ok(())
}

/// When a member did something, or ended, for the last time. What a dead one leaves is gone later: see M2.
fn changed(index: &Index<'_>, group: &Group<'_>) -> u64 {
    let marks = group.stays.iter().flat_map(|stay| {
        let told = stay.joined.iter().chain(&stay.updates).map(|(_, mark)| *mark);
        told.chain([stay.from]).chain(stay.left).chain(stay.ended(&index.cluster))
    });
    marks.map(|mark| mark.at).max().unwrap_or(0)
}

fn sorted<'a>(view: &View<'a>) -> Vec<&'a Shown> {
    let mut members: Vec<_> = view.members.iter().collect();
    members.sort_unstable_by(|a, b| a.node.cmp(&b.node));
    members
}
