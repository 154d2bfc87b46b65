//! L11: nobody is let past somebody who waits, so that neither writers nor those who want many permits starve.
//!
//! The history does not show the places in the queue. A process has at most as many in front of a caller as it had callers of its own when that one queued, and
//! each of them serves one grant.

use super::bounds::Bounds;
use super::index::{Call, Grant, Index, Thing};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L11",
    sentence: "once the run is calm, no process is granted a share more often while a healthy caller of another one waits than it had callers waiting when that one queued",
    guarantees: "R10, G141, G147",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let Some(calm) = index.cluster.calm() else { return Ok(()) };
    for thing in rules::things(&index.holding, Recipe::Shared) {
        for number in &thing.calls {
            let call = &index.holding.calls[*number];
            if index.cluster.is_well(call.process) {
                nobody_passes(index, bounds, thing, call, calm)?;
            }
        }
    }
    Ok(())
}

fn nobody_passes(
    index: &Index<'_>,
    bounds: &Bounds,
    thing: &Thing<'_>,
    call: &Call,
    calm: u64,
) -> Result<(), Broken> {
    let asked = rules::queued_from(index, thing, call).max(calm);
    let queued = asked.saturating_add(bounds.commit_time);
    let mut times: Vec<(usize, usize)> = Vec::new();
    for number in rules::granted_between(index, thing, queued, call.until) {
        let grant = &index.holding.grants[*number];
        let same_release = hears_soon(index, call, grant, bounds);
        if grant.process == call.process || same_release || is_weakened(index, thing, *number) {
            continue;
        }
        let at = times.iter().position(|(process, _)| *process == grant.process).unwrap_or(times.len());
        if at == times.len() {
            times.push((grant.process, waiting(index, thing, grant.process, asked, queued, bounds)));
        }
        let (process, left) = &mut times[at];
        match left.checked_sub(1) {
            Some(less) => *left = less,
            None => {
                let message = format!(
                    "{} waited for {} since {}, and {} was granted it for calls that came later",
                    index.who(call.process),
                    rules::title(thing),
                    call.asked.at,
                    index.who(*process),
                );
                return Err(Broken::new(message, [call.asked, grant.granted]));
            }
        }
    }
    Ok(())
}

/// Whether the caller stopped waiting so soon after `grant` that one release may have admitted both, and the news of it took its time.
fn hears_soon(index: &Index<'_>, call: &Call, grant: &Grant, bounds: &Bounds) -> bool {
    let excludes = call.grant.is_some_and(|own| !index.holding.grants[own].goes_with(grant));
    !excludes && call.until <= grant.granted.at.saturating_add(bounds.commit_time)
}

/// Whether it is what its holder had before, as a writer that goes on as a reader: nobody was let past anybody.
fn is_weakened(index: &Index<'_>, thing: &Thing<'_>, number: usize) -> bool {
    let grants = &index.holding.grants;
    let mut before = thing.grants.iter().take_while(|other| **other != number);
    before.any(|other| grants[number].goes_on_from(&grants[*other]))
}

/// How many callers of a process can have had a place when another one queued between two instants. A place that was made for a caller who gave up serves
/// the next one, for as long as it takes to leave it.
fn waiting(
    index: &Index<'_>,
    thing: &Thing<'_>,
    process: usize,
    from: u64,
    to: u64,
    bounds: &Bounds,
) -> usize {
    let calls = thing.calls.iter().map(|number| &index.holding.calls[*number]);
    let there = |call: &&Call| call.asked.at <= to && call.until.saturating_add(bounds.commit_time) >= from;
    calls.filter(|call| call.process == process).filter(there).count()
}
