//! Tokens grow from grant to grant.

use super::super::index::Index;
use super::super::violation::Broken;
use super::{things, title};
use crate::history::Recipe;

/// Every grant of a thing carries a larger token than all grants before it.
///
/// A process that was frozen between the commit and the delivery can be told of its grant after somebody else had his. It never believed in
/// it, so such a grant only has to have a token of its own.
pub(in super::super) fn tokens_grow(index: &Index<'_>, recipe: Recipe) -> Result<(), Broken> {
    let grants = &index.holding.grants;
    for thing in things(&index.holding, recipe) {
        let mut newest: Option<usize> = None;
        for (place, &number) in thing.grants.iter().enumerate() {
            let grant = &grants[number];
            let Some(before) = newest.filter(|newest| grants[*newest].token >= grant.token) else {
                newest = Some(number);
                continue;
            };
            let twin = |other: &&usize| grants[**other].token == grant.token;
            // Whoever may lose it by force may hear of that late, and of what it was granted before that later still.
            let other = if grant.is_stillborn() || grant.permits > 1 {
                thing.grants[..place].iter().find(twin).copied()
            } else {
                Some(before)
            };
            if let Some(other) = other.map(|other| &grants[other]) {
                let message = format!(
                    "{} was granted to {} with token {} after token {} had been granted to {}",
                    title(thing),
                    index.who(grant.process),
                    grant.token,
                    other.token,
                    index.who(other.process),
                );
                return Err(Broken::new(message, [other.granted, grant.granted]));
            }
        }
    }
    Ok(())
}
