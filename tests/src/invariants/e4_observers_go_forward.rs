//! E4: what an observer is told never goes back, and ends at the newest.

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Mark, Observer, Thing};
use super::rules;
use super::violation::Broken;
use crate::history::{EndReason, Recipe, Sight};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "E4",
    sentence: "an observer is told growing terms, each with the one node that has it, and in the end the newest",
    guarantees: "R9, G31, G32, G34",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    for observer in &index.sightings.observers {
        let election =
            rules::things(&index.holding, Recipe::Election).find(|thing| thing.name == observer.name);
        goes_forward(index, observer)?;
        if let Some(election) = election {
            names_the_leader(index, observer, election)?;
            ends_at_the_newest(index, bounds, observer, election)?;
        }
    }
    Ok(())
}

fn goes_forward(index: &Index<'_>, observer: &Observer<'_>) -> Result<(), Broken> {
    let mut newest: Option<(u64, &str, Mark)> = None;
    let mut vacant_since: Option<Mark> = None;
    // A store that forgot its newest commits shows older ones, once per discontinuity. One that happened while the
    // observer was frozen may be told to it late, after others.
    let mut forgiven = 0;
    for (mark, sight) in &observer.sights {
        match sight {
            Sight::Unknown => vacant_since = None,
            Sight::Vacant => vacant_since = Some(*mark),
            Sight::Leader { term, node } => {
                let wrong = newest.and_then(|(newest, leader, _)| match () {
                    () if *term < newest => Some(format!("term {term} after term {newest}")),
                    () if *term == newest && leader != node => {
                        Some(format!("both {leader} and {node} as the leader of term {term}"))
                    }
                    () if *term == newest && vacant_since.is_some() => {
                        Some(format!("that term {term} goes on after it had ended"))
                    }
                    () => None,
                });
                if let Some(what) = wrong {
                    let forgot =
                        index.log.discontinuities.iter().filter(|forgot| forgot.at <= mark.at).count();
                    if forgot <= forgiven {
                        let message = format!(
                            "an observer of {:?} at {} was told {what}",
                            observer.name,
                            index.who(observer.process)
                        );
                        let before = newest.map(|(_, _, mark)| mark);
                        return Err(Broken::new(
                            message,
                            before.into_iter().chain(vacant_since).chain([*mark]),
                        ));
                    }
                    forgiven += 1;
                }
                newest = Some((*term, node, *mark));
                vacant_since = None;
            }
        }
    }
    Ok(())
}

/// The leader that an observer is told is the one that was granted the term, if anybody was told of the grant.
fn names_the_leader(index: &Index<'_>, observer: &Observer<'_>, election: &Thing<'_>) -> Result<(), Broken> {
    let grants = &index.holding.grants;
    for (mark, sight) in &observer.sights {
        let Sight::Leader { term, node } = sight else { continue };
        // Terms grow (E2), so that the grant is found by bisection.
        let place = election.grants.partition_point(|grant| grants[*grant].token < *term);
        let Some(grant) = election.grants.get(place).map(|grant| &grants[*grant]) else { continue };
        let leader = index.cluster.processes[grant.process].node_name;
        if grant.token == *term && leader != node {
            let message = format!(
                "an observer of {:?} was told that {node} leads in term {term}, which is {leader}'s",
                observer.name
            );
            return Err(Broken::new(message, [grant.granted, *mark]));
        }
    }
    Ok(())
}

/// In a calm run a healthy observer knows, within the bound, who leads, and that nobody does.
fn ends_at_the_newest(
    index: &Index<'_>,
    bounds: &Bounds,
    observer: &Observer<'_>,
    election: &Thing<'_>,
) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    let is_gone = observer.ended || index.cluster.processes[observer.process].over.is_some();
    let Some((told, sight)) = observer.sights.last() else { return Ok(()) };
    if is_gone || !index.cluster.is_well(observer.process) {
        return Ok(());
    }
    let settled = |mark: Mark| mark.at.max(calm).saturating_add(bounds.recovery) <= index.end();
    let Some(last) = election.grants.last().map(|grant| &index.holding.grants[*grant]) else { return Ok(()) };
    let leader = index.cluster.processes[last.process].node_name;
    let shown = matches!(sight, Sight::Leader { term, node } if *term == last.token && node == leader);
    if last.until > index.end() && settled(last.granted) && !shown {
        let message = format!(
            "an observer of {:?} at {} was not told in the end that {leader} leads in term {}",
            observer.name,
            index.who(observer.process),
            last.token,
        );
        return Err(Broken::new(message, [last.granted, *told]));
    }
    let resigned = last.released.filter(|_| matches!(last.ended, Some((EndReason::Released, _))));
    if let Some(resigned) = resigned.filter(|resigned| shown && settled(*resigned)) {
        let message = format!(
            "an observer of {:?} at {} was not told in the end that term {} is over",
            observer.name,
            index.who(observer.process),
            last.token,
        );
        return Err(Broken::new(message, [*told, resigned]));
    }
    Ok(())
}
