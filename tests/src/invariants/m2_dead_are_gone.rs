//! M2: whoever is no member any more is in nobody's view.

use super::bounds::Bounds;
use super::index::{Group, Index, Mark, Stay, View, Watcher};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Shown;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "M2",
    sentence: "a member that died, left, or never joined is out of every healthy watcher's view within a ttl and the slack",
    guarantees: "G27, G120, G122, G138",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(settled) = rules::watching::settled(index, bounds) else { return Ok(()) };
    for group in &index.groups.groups {
        for (watcher, end) in rules::watching::watchers(index, group) {
            for (view, until) in watcher.spans(end) {
                let mut members = view.members.iter();
                members.try_for_each(|shown| {
                    is_member(index, bounds, settled, group, (watcher, view, until), shown)
                })?;
            }
        }
    }
    Ok(())
}

/// Whether what a view shows up to an instant was a member up to then, or shortly before.
fn is_member(
    index: &Index<'_>,
    bounds: &Bounds,
    settled: u64,
    group: &Group<'_>,
    (watcher, view, until): (&Watcher<'_>, &View<'_>, u64),
    shown: &Shown,
) -> Result<(), Broken> {
    let (entitled, proof) = entitled(index, group, shown, until);
    let due = settled.max(entitled.saturating_add(bounds.expiry()));
    if until <= due {
        return Ok(());
    }
    let message = format!(
        "{} shows {}/{} as incarnation {} to {} later than {due}, though it was no member after {entitled}",
        rules::watching::named(group),
        shown.node,
        shown.process,
        shown.incarnation,
        index.who(watcher.process),
    );
    Err(Broken::new(message, proof.into_iter().chain([view.mark])))
}

/// The last instant up to `until` at which the member was one, or wanted to be, and what ended that.
fn entitled(index: &Index<'_>, group: &Group<'_>, shown: &Shown, until: u64) -> (u64, Option<Mark>) {
    let Some(process) = index.cluster.find(&shown.node, shown.process) else { return (0, None) };
    let its = |stay: &&Stay| stay.process == process && stay.from.at <= until;
    let known =
        group.stays.iter().filter(its).find_map(|stay| stay.end_of(shown.incarnation, &index.cluster));
    let ends = match known {
        Some(end) => vec![end],
        // Its process was not told of it: any time at which it wanted to be a member explains it.
        None => group.stays.iter().filter(its).map(|stay| stay.ended(&index.cluster)).collect(),
    };
    let spans = ends.into_iter().map(|end| (end.map_or(until, |mark| mark.at.min(until)), end));
    spans.max_by_key(|(at, _)| *at).unwrap_or((0, None))
}
