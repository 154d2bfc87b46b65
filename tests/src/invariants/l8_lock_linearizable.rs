//! L8: the history of a lock is one that a fenced mutex can have.
//!
//! The exact checks L1 and L3 say the same of believed spans; this one comes to it by another road, so that a mistake in
//! either is seen. Conditional on what L3 is conditional on. The models of other locks come with their recipes.

use super::bounds::Bounds;
use super::index::{Index, Mark, Thing};
use super::linearizability::{FencedMutexModel, MutexOperation, Timed, Verdict, check};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L8",
    sentence: "the grants and releases of a lock could have happened one after the other on a mutex with growing tokens",
    guarantees: "R1, R3, G1",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    if !bounds.exclusive_in_time {
        return Ok(());
    }
    for thing in rules::things(&index.holding, Recipe::Mutex) {
        let (operations, marks) = operations(index, thing);
        match check(&FencedMutexModel, &operations, bounds.search_steps) {
            Verdict::Linearizable => {}
            Verdict::Impossible { stuck_at } => {
                let message = format!(
                    "no order of the grants and releases of {} explains {:?}",
                    rules::title(thing),
                    operations[stuck_at].operation
                );
                return Err(Broken::new(message, [marks[stuck_at]]));
            }
            Verdict::Undecided => {
                return Err(Broken::undecided(format!(
                    "whether the history of {} can be put in order was not decided in {} steps",
                    rules::title(thing),
                    bounds.search_steps
                )));
            }
        }
    }
    Ok(())
}

/// Acquired between the question and the grant; given up between the end of the belief and the answer to the release, which never comes
/// after an expiry or a crash.
fn operations(index: &Index<'_>, thing: &Thing<'_>) -> (Vec<Timed<MutexOperation>>, Vec<Mark>) {
    let mut operations = Vec::with_capacity(2 * thing.grants.len());
    let mut marks = Vec::with_capacity(2 * thing.grants.len());
    for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
        let asked = grant.call.map_or(grant.granted, |call| index.holding.calls[call].asked);
        let token = grant.token;
        operations.push(Timed::new(asked.at, grant.granted.at, MutexOperation::Acquire { token }));
        marks.push(grant.granted);
        if grant.until > index.end() {
            continue;
        }
        let release = MutexOperation::Release { token };
        operations.push(match grant.released {
            Some(released) => Timed::new(grant.until, released.at.max(grant.until), release),
            None => Timed::unknown(grant.until, release),
        });
        marks.push(grant.ended.map_or(grant.granted, |(_, mark)| mark));
    }
    (operations, marks)
}
