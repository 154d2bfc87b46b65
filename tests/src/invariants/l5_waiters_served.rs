//! L5: waiters get the lock, in order.
//!
//! Order between processes is that of their places in the queue, which the history does not show. Two things follow from it that it does:
//! the callers of one process are served in the order in which they asked, and of the places that another process can have in front of
//! a place (one that waits, and one that a hand-over is making) each serves one grant.

use super::bounds::Bounds;
use super::index::{Call, Index, Thing};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

/// How many places of one process can be in front of another's without being granted yet.
const PLACES_AHEAD: usize = 2;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L5",
    sentence: "after the last disturbance a healthy waiter gets a free lock within the bound; callers of one process are served in order, and nobody is overtaken again and again",
    guarantees: "R5, R9, R10",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::somebody_is_served(index, bounds, Recipe::Mutex)?;
    rules::somebody_is_served(index, bounds, Recipe::Shared)?;
    for thing in rules::things(&index.holding, Recipe::Mutex) {
        callers_in_order(index, bounds, thing)?;
        nobody_is_overtaken(index, bounds, thing)?;
    }
    Ok(())
}

/// No caller is granted before another of its process that asked earlier and still waits.
fn callers_in_order(index: &Index<'_>, bounds: &Bounds, thing: &Thing<'_>) -> Result<(), Broken> {
    let calls = &index.holding.calls;
    // Calls before this one no longer wait.
    let mut oldest = 0;
    for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
        while oldest < thing.calls.len() && calls[thing.calls[oldest]].until < grant.granted.at {
            oldest += 1;
        }
        let Some(served) = grant.call.map(|call| &calls[call]) else { continue };
        let before = |call: &&Call| call.asked.at.saturating_add(bounds.call_order) < served.asked.at;
        let ahead = thing.calls[oldest..].iter().map(|number| &calls[*number]).take_while(before);
        let skipped = |call: &Call| call.process == served.process && call.until > grant.granted.at;
        for call in ahead {
            if skipped(call) {
                let message = format!(
                    "{} served a caller of {} that asked at {} before one that asked at {} and still waited",
                    index.who(call.process),
                    rules::title(thing),
                    served.asked.at,
                    call.asked.at,
                );
                return Err(Broken::new(message, [call.asked, served.asked, grant.granted]));
            }
        }
    }
    Ok(())
}

/// While the oldest caller of a process waits, no other process is granted more than the places that it had in front.
fn nobody_is_overtaken(index: &Index<'_>, bounds: &Bounds, thing: &Thing<'_>) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    let calls = &index.holding.calls;
    for call in thing.calls.iter().map(|number| &calls[*number]) {
        let during = rules::granted_between(index, thing, call.asked.at.max(calm), call.until);
        // Most calls are short, and nothing more has to be computed for them.
        if during.len() <= PLACES_AHEAD || !index.cluster.is_well(call.process) {
            continue;
        }
        let from = rules::queued_from(index, thing, call).max(calm).saturating_add(bounds.commit_time);
        let mut overtakers: Vec<usize> = Vec::new();
        for grant in rules::granted_between(index, thing, from, call.until) {
            let grant = &index.holding.grants[*grant];
            overtakers.push(grant.process);
            let times = overtakers.iter().filter(|process| **process == grant.process).count();
            if times > PLACES_AHEAD {
                let message = format!(
                    "{} waited for {} since {} and {} was granted it {times} times meanwhile",
                    index.who(call.process),
                    rules::title(thing),
                    call.asked.at,
                    index.who(grant.process),
                );
                return Err(Broken::new(message, [call.asked, grant.granted]));
            }
        }
    }
    Ok(())
}
