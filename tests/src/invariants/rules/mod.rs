//! Rules that hold for locks and elections alike, and what those of groups have in common; the files of the invariants say for which.

mod endings;
mod exclusion;
mod ghosts;
mod notice;
mod order;
mod progress;
mod queueing;
pub(super) mod watching;

pub(super) use endings::{nobody_is_granted_twice, the_ended_stay_ended};
pub(super) use exclusion::nobody_overlaps;
pub(super) use ghosts::{nothing_after_giving_up, nothing_left_behind};
pub(super) use notice::losses_are_noticed;
pub(super) use order::tokens_grow;
pub(super) use progress::{Waiting, somebody_is_served, waited_in_vain};
pub(super) use queueing::{granted_between, queued_from};

use super::index::{Holding, Thing};
use crate::history::Recipe;

/// The locks, or the elections.
pub(super) fn things<'i, 'a>(
    holding: &'i Holding<'a>,
    recipe: Recipe,
) -> impl Iterator<Item = &'i Thing<'a>> + 'i {
    holding.things.iter().filter(move |thing| thing.recipe == recipe)
}

/// What a thing is called in messages.
pub(super) fn title(thing: &Thing<'_>) -> String {
    match thing.recipe {
        Recipe::Mutex => format!("mutex {:?}", thing.name),
        Recipe::Election => format!("election {:?}", thing.name),
        Recipe::Shared => format!("shared lock {:?}", thing.name),
        Recipe::Partition => format!("partition {:?}", thing.name),
        Recipe::Claim => format!("item {:?}", thing.name),
        Recipe::Slot => format!("slot {:?}", thing.name),
    }
}
