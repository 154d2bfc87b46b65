//! Whoever gave up holds nothing.

use super::super::bounds::Bounds;
use super::super::index::{Call, Index, Mark, Thing};
use super::super::violation::Broken;
use super::{things, title};
use crate::history::Recipe;

/// A call that was given up, withdrawn or ended with its process is never granted.
pub(in super::super) fn nothing_after_giving_up(index: &Index<'_>, recipe: Recipe) -> Result<(), Broken> {
    for thing in things(&index.holding, recipe) {
        for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
            let over = index.cluster.processes[grant.process].over;
            let gave_up = grant.call.and_then(|call| index.holding.calls[call].gave_up);
            let before = |mark: &Mark| mark.record < grant.granted.record;
            if let Some(end) = gave_up.filter(before).or_else(|| over.filter(before)) {
                let message = format!(
                    "{} was granted {} with token {} after it had given up",
                    index.who(grant.process),
                    title(thing),
                    grant.token,
                );
                return Err(Broken::new(message, [end, grant.granted]));
            }
        }
    }
    Ok(())
}

/// Nothing of a process stays in the store for longer than its session lives on, once it neither holds nor waits.
pub(in super::super) fn nothing_left_behind(
    index: &Index<'_>,
    bounds: &Bounds,
    recipe: Recipe,
) -> Result<(), Broken> {
    left_over(index, recipe)?;
    for owned in &index.log.owned {
        let Some(thing) = thing_of(index, recipe, &owned.key.collection) else { continue };
        let Some((process, ..)) = index.log.sessions[owned.session].opened else { continue };
        let gone = owned.gone.map_or(index.end(), |(mark, _)| mark.at);
        let Some((from, to)) = longest_idle(index, thing, process, owned.born.at, gone) else { continue };
        // Whoever is in trouble cannot clean up; its session ends a ttl after the trouble began, or it cleans up when it is over.
        let from = from.max(index.cluster.last_trouble(process, to));
        if to.saturating_sub(from) > bounds.expiry() {
            let message = format!(
                "an entry of {} with revision {} stayed in {} until {to}, though it neither held nor waited from {from} on",
                index.who(process),
                owned.created,
                title(thing),
            );
            return Err(Broken::new(
                message,
                [Some(owned.born), owned.gone.map(|(mark, _)| mark)].into_iter().flatten(),
            ));
        }
    }
    Ok(())
}

/// What is found in the store after everything was let go belongs to nobody who still wants it.
fn left_over(index: &Index<'_>, recipe: Recipe) -> Result<(), Broken> {
    for (mark, key, owner, owner_alive) in &index.log.leftovers {
        let Some(thing) = thing_of(index, recipe, &key.collection) else { continue };
        // Persistent entries stay, and those of dead sessions are another invariant's.
        let Some(session) = owner.filter(|_| *owner_alive).map(|owner| &index.log.sessions[owner]) else {
            continue;
        };
        let wanted = session.opened.is_some_and(|(process, ..)| {
            calls_of(index, thing, process).any(|call| call.concerned_until > mark.at)
        });
        if !wanted {
            let message = format!(
                "{:?} of session {} is left in {} though nobody holds it or waits for it",
                key.name,
                session.name,
                title(thing),
            );
            return Err(Broken::new(message, [*mark]));
        }
    }
    Ok(())
}

fn thing_of<'i, 'a>(index: &'i Index<'a>, recipe: Recipe, collection: &str) -> Option<&'i Thing<'a>> {
    let thing = &index.holding.things[index.holding.thing_of(collection)?];
    (thing.recipe == recipe).then_some(thing)
}

fn calls_of<'i>(
    index: &'i Index<'_>,
    thing: &'i Thing<'_>,
    process: usize,
) -> impl Iterator<Item = &'i Call> {
    thing.calls.iter().map(|call| &index.holding.calls[*call]).filter(move |call| call.process == process)
}

/// The longest span within `born..gone` in which the process neither held nor waited, if there is one.
fn longest_idle(
    index: &Index<'_>,
    thing: &Thing<'_>,
    process: usize,
    born: u64,
    gone: u64,
) -> Option<(u64, u64)> {
    let mut longest: Option<(u64, u64)> = None;
    let mut from = born;
    let mut note = |from: u64, to: u64| {
        if to > from && longest.is_none_or(|(start, end)| to - from > end - start) {
            longest = Some((from, to));
        }
    };
    for call in calls_of(index, thing, process) {
        note(from, call.asked.at.min(gone));
        from = from.max(call.concerned_until);
    }
    note(from, gone);
    longest
}
