//! M1: the views of a watcher are numbered without a gap, or it is told everything anew.

use super::bounds::Bounds;
use super::index::{Index, View};
use super::violation::Broken;
use super::{Invariant, rules};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "M1",
    sentence: "the numbers of the views of a watcher grow, by one for each change, which is about one member; what is told first, and after a gap, is the whole view",
    guarantees: "G126",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    for group in &index.groups.groups {
        for watcher in &group.watchers {
            let mut last: Option<&View<'_>> = None;
            for view in &watcher.views {
                if let Some(what) = wrong(last, view) {
                    let (name, who) = (rules::watching::named(group), index.who(watcher.process));
                    let message = format!("of {name} {who} was told view {}, which {what}", view.number);
                    let marks = last.into_iter().chain([view]).map(|view| view.mark);
                    return Err(Broken::new(message, marks));
                }
                last = Some(view);
            }
        }
    }
    Ok(())
}

fn wrong(last: Option<&View<'_>>, view: &View<'_>) -> Option<&'static str> {
    let mut nodes: Vec<&str> = view.members.iter().map(|shown| shown.node.as_str()).collect();
    nodes.sort_unstable();
    if nodes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Some("shows a node twice");
    }
    let Some(last) = last else {
        return (!view.whole).then_some("is told as a change of nothing");
    };
    if view.number <= last.number {
        return Some("is not newer than the one before");
    }
    if view.whole {
        return None;
    }
    if view.number != last.number + 1 {
        return Some("leaves out a change");
    }
    let come = view.members.iter().filter(|shown| last.get(&shown.node) != Some(shown));
    let gone = last.members.iter().filter(|shown| view.get(&shown.node).is_none());
    match come.chain(gone).count() {
        0 => Some("changes nothing"),
        1 => None,
        _ => Some("changes more than one member"),
    }
}
