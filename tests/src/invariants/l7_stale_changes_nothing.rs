//! L7: a release or renewal with a stale token changes nothing, and releasing twice is as good as once.
//!
//! With the store's own log both recipes are judged: an entry of one node is never touched by another, and a holder's own entry not before
//! the holder has let go.

use super::bounds::Bounds;
use super::index::{Index, Owned};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::Recipe;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "L7",
    sentence: "a release or renewal with a stale token changes nothing: no ended grant becomes valid again, no entry of another node is touched, no holder's entry is deleted before it let go",
    guarantees: "R3, G5, G23, G27",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::the_ended_stay_ended(index, Recipe::Mutex)?;
    for owned in &index.log.owned {
        if index.holding.thing_of(&owned.key.collection).is_some() {
            touched_by_its_owner_only(index, owned)?;
            not_deleted_while_held(index, bounds, owned)?;
        }
    }
    Ok(())
}

fn touched_by_its_owner_only(index: &Index<'_>, owned: &Owned<'_>) -> Result<(), Broken> {
    let sessions = &index.log.sessions;
    let node =
        |session: usize| sessions[session].opened.map(|(process, ..)| index.cluster.processes[process].node);
    let deleted = owned.gone.and_then(|(mark, by)| Some((mark, by?)));
    for (mark, by) in owned.touched.into_iter().chain(deleted) {
        // A node may clean up behind a session of its own that is over.
        let stranger = by != owned.session && node(by).is_none_or(|other| node(owned.session) != Some(other));
        if stranger {
            let message = format!(
                "session {} changed {:?} in {:?}, which session {} owned",
                sessions[by].name, owned.key.name, owned.key.collection, sessions[owned.session].name
            );
            return Err(Broken::new(message, [owned.born, mark]));
        }
    }
    Ok(())
}

fn not_deleted_while_held(index: &Index<'_>, bounds: &Bounds, owned: &Owned<'_>) -> Result<(), Broken> {
    // An expiry, and an administrator, are not a release.
    let Some((gone, Some(_))) = owned.gone else { return Ok(()) };
    let Some(thing) = index.holding.thing_of(&owned.key.collection) else { return Ok(()) };
    let thing = &index.holding.things[thing];
    if thing.recipe == Recipe::Election && !owned.key.collection.ends_with("/record") {
        return Ok(());
    }
    let token = owned.created.saturating_add(bounds.token_base);
    let mut grants = thing.grants.iter().map(|number| &index.holding.grants[*number]);
    if let Some(grant) =
        grants.find(|grant| grant.token == token && grant.until > gone.at && !grant.is_stillborn())
    {
        let message = format!(
            "the entry behind token {token} of {} was deleted while {} still held it",
            rules::title(thing),
            index.who(grant.process),
        );
        return Err(Broken::new(message, grant.proof().chain([gone])));
    }
    Ok(())
}
