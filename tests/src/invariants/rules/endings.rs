//! What has ended stays ended.

use super::super::index::Index;
use super::super::violation::Broken;
use super::{things, title};
use crate::history::Recipe;

/// A grant that was released is no longer believed in, and none that ended becomes valid again.
pub(in super::super) fn the_ended_stay_ended(index: &Index<'_>, recipe: Recipe) -> Result<(), Broken> {
    for thing in things(&index.holding, recipe) {
        for grant in thing.grants.iter().map(|number| &index.holding.grants[*number]) {
            let what = match (grant.revived, grant.released) {
                (Some(revived), _) => Some(("became valid again after it had ended", revived)),
                (_, Some(released)) if released.at < grant.until => {
                    Some(("was believed in after its release was answered", released))
                }
                _ => None,
            };
            if let Some((what, mark)) = what {
                let message = format!(
                    "token {} of {}, granted to {}, {what}",
                    grant.token,
                    title(thing),
                    index.who(grant.process),
                );
                return Err(Broken::new(message, grant.proof().chain([mark])));
            }
        }
    }
    Ok(())
}

/// One call is granted at most once.
pub(in super::super) fn nobody_is_granted_twice(index: &Index<'_>, recipe: Recipe) -> Result<(), Broken> {
    for thing in things(&index.holding, recipe) {
        for call in thing.calls.iter().map(|number| &index.holding.calls[*number]) {
            if let Some(again) = call.granted_again {
                let message =
                    format!("one call of {} for {} was granted twice", index.who(call.process), title(thing));
                return Err(Broken::new(message, [call.asked, again]));
            }
        }
    }
    Ok(())
}
