//! Nobody holds what somebody else holds.

use super::super::index::Index;
use super::super::violation::Broken;
use super::{things, title};
use crate::history::Recipe;

/// The spans in which holders of one thing believe in their grants do not overlap. They may touch.
pub(in super::super) fn nobody_overlaps(index: &Index<'_>, recipe: Recipe) -> Result<(), Broken> {
    let grants = &index.holding.grants;
    for thing in things(&index.holding, recipe) {
        let mut longest: Option<usize> = None;
        for &number in &thing.grants {
            let grant = &grants[number];
            if grant.is_stillborn() {
                continue;
            }
            let Some(other) = longest.map(|longest| &grants[longest]) else {
                longest = Some(number);
                continue;
            };
            if grant.granted.at < other.until {
                let message = format!(
                    "{} was held by {} with token {} and by {} with token {} at the same time, from {} on",
                    title(thing),
                    index.who(other.process),
                    other.token,
                    index.who(grant.process),
                    grant.token,
                    grant.granted.at,
                );
                return Err(Broken::new(message, other.proof().chain(grant.proof())));
            }
            longest = Some(number);
        }
    }
    Ok(())
}
