//! K3: a session ends between its ttl and its ttl plus the slack, and what it owned is never seen again.
//!
//! Needs the renewals and the ends of sessions, for the second part the store's own log. Resurrection by a store that forgot its newest
//! commits is visible as a discontinuity, and not judged here.

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Session};
use super::violation::Broken;
use crate::history::SessionEnd;

pub(super) const INVARIANT: Invariant = Invariant {
    id: "K3",
    sentence: "a session expires neither before a ttl since its last successful renewal was sent nor later than a ttl and the slack after the last one that can have counted, and what it owned vanishes with it for good",
    guarantees: "G21, G22, G25, G26, G27",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let is_recorded = index.log.sessions.iter().any(|session| session.ended.is_some());
    for session in &index.log.sessions {
        not_too_early(index, bounds, session)?;
        if is_recorded {
            not_too_late(index, bounds, session)?;
        }
    }
    for (mark, key, owner, owner_alive) in &index.log.leftovers {
        if let Some(owner) = owner.filter(|_| !owner_alive) {
            let owner = index.log.sessions[owner].name;
            let message = format!(
                "{:?} in {:?} is still there though session {owner} is over",
                key.name, key.collection
            );
            return Err(Broken::new(message, [*mark]));
        }
    }
    entries_vanish(index)
}

fn not_too_early(index: &Index<'_>, bounds: &Bounds, session: &Session<'_>) -> Result<(), Broken> {
    let Some((process, opened, ttl)) = session.opened else { return Ok(()) };
    let Some((SessionEnd::Expired, ended)) = session.ended else { return Ok(()) };
    // When the opening was sent is not recorded: in a healthy system not long before its answer.
    let sent = opened.at.saturating_sub(bounds.commit_time);
    let healthy = index.cluster.last_trouble(process, opened.at) < sent;
    let proof = session.proven.or_else(|| (healthy || sent == 0).then_some((sent, opened)));
    match proof {
        Some((sent, mark)) if ended.at < sent.saturating_add(ttl) => {
            let message = format!(
                "session {} expired at {}, before its ttl of {ttl} had passed since {sent}",
                session.name, ended.at
            );
            Err(Broken::new(message, [opened, mark, ended]))
        }
        _ => Ok(()),
    }
}

fn not_too_late(index: &Index<'_>, bounds: &Bounds, session: &Session<'_>) -> Result<(), Broken> {
    // Without a recorded renewal nobody knows when the last one was.
    let (Some((_, opened, ttl)), Some(hoped)) = (session.opened, session.hoped) else { return Ok(()) };
    let ended = session.ended.map_or(index.end(), |(_, mark)| mark.at);
    let from = hoped.at.max(opened.at).max(index.cluster.last_store_trouble(ended));
    if ended > from.saturating_add(ttl).saturating_add(bounds.expiry_slack) {
        let message = format!(
            "session {} lived until {ended}, longer than its ttl of {ttl} and the slack after {from}",
            session.name
        );
        return Err(Broken::new(
            message,
            [Some(hoped), session.ended.map(|(_, mark)| mark)].into_iter().flatten(),
        ));
    }
    Ok(())
}

fn entries_vanish(index: &Index<'_>) -> Result<(), Broken> {
    if !index.log.discontinuities.is_empty() {
        return Ok(());
    }
    for owned in &index.log.owned {
        let session = &index.log.sessions[owned.session];
        let Some((_, ended)) = session.ended else { continue };
        let what = if owned.born.at > ended.at {
            "was created after its session was over"
        } else if owned.gone.is_none_or(|(gone, _)| gone.at > ended.at) && index.end() > ended.at {
            "outlived its session"
        } else {
            continue;
        };
        let message = format!(
            "{:?} in {:?}, owned by session {}, {what}",
            owned.key.name, owned.key.collection, session.name
        );
        let gone = owned.gone.map(|(mark, _)| mark);
        return Err(Broken::new(message, [owned.born, ended].into_iter().chain(gone)));
    }
    Ok(())
}
