//! M3: nobody who is there is said to be gone.

use super::bounds::Bounds;
use super::index::{Group, Index, Watcher};
use super::violation::Broken;
use super::{Invariant, rules};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "M3",
    sentence: "once the run is calm and the bound has passed, no healthy member that does not leave disappears from a view or changes its incarnation",
    guarantees: "G25, G122",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(settled) = rules::watching::settled(index, bounds) else { return Ok(()) };
    for group in &index.groups.groups {
        for (watcher, _) in rules::watching::watchers(index, group) {
            nobody_goes(index, settled, group, watcher)?;
        }
    }
    Ok(())
}

fn nobody_goes(
    index: &Index<'_>,
    settled: u64,
    group: &Group<'_>,
    watcher: &Watcher<'_>,
) -> Result<(), Broken> {
    for pair in watcher.views.windows(2) {
        let [before, after] = pair else { continue };
        if after.mark.at <= settled {
            continue;
        }
        for shown in before.members {
            let stays = after.get(&shown.node).is_some_and(|other| other.incarnation == shown.incarnation);
            let process = index.cluster.find(&shown.node, shown.process);
            let mut members = rules::watching::stays(index, group);
            let is_member = members.any(|stay| {
                let held =
                    stay.joined.iter().position(|(other, _)| *other == shown.incarnation).is_some_and(|at| {
                        stay.joined.get(at + 1).is_none_or(|(_, replaced)| replaced.at > settled)
                    });
                Some(stay.process) == process && held && stay.until(&index.cluster) > after.mark.at
            });
            if is_member && !stays {
                let message = format!(
                    "{} told {} that {} is gone as incarnation {}, though nothing had been disturbed since it joined and it did not leave",
                    rules::watching::named(group),
                    index.who(watcher.process),
                    shown.node,
                    shown.incarnation,
                );
                return Err(Broken::new(message, [before.mark, after.mark]));
            }
        }
    }
    Ok(())
}
