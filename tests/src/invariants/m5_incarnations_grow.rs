//! M5: the incarnations of a node grow, and an earlier one does not come back.

use std::collections::BTreeMap;

use super::bounds::Bounds;
use super::index::{Group, Index, Mark, Watcher};
use super::violation::Broken;
use super::{Invariant, rules};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "M5",
    sentence: "each life of a node is a larger incarnation than all before it, one incarnation is one life, and no watcher is shown an earlier one after a later one",
    guarantees: "R3, G6, G121",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    for group in &index.groups.groups {
        one_life_each(index, group)?;
        for watcher in &group.watchers {
            goes_forward(index, group, watcher)?;
        }
    }
    Ok(())
}

/// What members were told themselves.
fn one_life_each(index: &Index<'_>, group: &Group<'_>) -> Result<(), Broken> {
    let mut newest: BTreeMap<usize, Vec<(u64, usize, Mark)>> = BTreeMap::new();
    let mut owners: BTreeMap<u64, (usize, Mark)> = BTreeMap::new();
    let joined = group.stays.iter().flat_map(|stay| stay.joined.iter().map(move |joined| (stay, *joined)));
    let mut joined: Vec<_> = joined.collect();
    joined.sort_by_key(|(_, (_, mark))| (mark.at, mark.record));
    for (stay, (incarnation, mark)) in joined {
        let node = index.cluster.processes[stay.process].node;
        let broken = |what: String, other: Mark| {
            let who = index.who(stay.process);
            let message = format!(
                "{who} joined {} as incarnation {incarnation}, {what}",
                rules::watching::named(group)
            );
            Err(Broken::new(message, [other, mark]))
        };
        if let Some((other, its)) = owners.insert(incarnation, (node, mark))
            && other != node
        {
            return broken("which another node is".into(), its);
        }
        // A process that was frozen may be told of its own life after a later one has begun.
        let before = newest.entry(node).or_default();
        let mut earlier =
            before.iter().filter(|(_, process, its)| *process == stay.process || its.at <= stay.from.at);
        if let Some((other, _, its)) = earlier.find(|(other, ..)| incarnation <= *other) {
            return broken(format!("which is not larger than {other} before"), *its);
        }
        before.push((incarnation, stay.process, mark));
    }
    Ok(())
}

/// What a watcher is shown. A store that forgot its newest commits shows older ones, once per discontinuity.
fn goes_forward(index: &Index<'_>, group: &Group<'_>, watcher: &Watcher<'_>) -> Result<(), Broken> {
    let mut newest: BTreeMap<&str, (u64, u64, Mark)> = BTreeMap::new();
    let mut forgiven = BTreeMap::<&str, usize>::new();
    for view in &watcher.views {
        for shown in view.members {
            let seen = (shown.incarnation, shown.process, view.mark);
            let Some((incarnation, process, mark)) = newest.insert(&shown.node, seen) else { continue };
            // Of two processes of one node either may be the later one, but one incarnation is one of them.
            let is_back = shown.incarnation < incarnation;
            let is_split = shown.incarnation == incarnation && shown.process != process;
            if !is_back && !is_split {
                continue;
            }
            let forgot = index.log.discontinuities.iter().filter(|forgot| forgot.at <= view.mark.at).count();
            let forgiven = forgiven.entry(&shown.node).or_default();
            if *forgiven >= forgot {
                let message = format!(
                    "{} showed {} incarnation {} of {}/{} after incarnation {incarnation} of its life {process}",
                    rules::watching::named(group),
                    index.who(watcher.process),
                    shown.incarnation,
                    shown.node,
                    shown.process,
                );
                return Err(Broken::new(message, [mark, view.mark]));
            }
            *forgiven += 1;
        }
    }
    Ok(())
}
