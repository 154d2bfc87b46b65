//! W3: at most one claim of an item, by its own deadline, at every instant, with ever larger tokens.

use std::collections::BTreeMap;

use super::bounds::Bounds;
use super::index::{Index, Item, Mark};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::{Recipe, Stage};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "W3",
    sentence: "at every instant at most one worker believes in its claim of an item, with a larger token and a later attempt than every earlier one; an item is claimed only when it is ready and its time has come, and nobody takes it back while its holder believes in it",
    guarantees: "R1, R2, R3, G192, G193, G196",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    rules::tokens_grow(index, Recipe::Claim)?;
    attempts_grow(index)?;
    for item in &index.items.items {
        claimed_in_its_time(item, bounds)?;
    }
    if !bounds.exclusive_in_time {
        return Ok(());
    }
    rules::nobody_overlaps(index, Recipe::Claim)?;
    index.items.items.iter().try_for_each(|item| taken_from_nobody(index, item))
}

/// Unless an item is begun anew, or the store forgets, each claim is a later attempt.
fn attempts_grow(index: &Index<'_>) -> Result<(), Broken> {
    let mut latest: BTreeMap<&str, (u64, u64, Mark)> = BTreeMap::new();
    let mut attempts: Vec<_> = index.items.attempts.iter().collect();
    attempts.sort_by_key(|(grant, ..)| index.holding.grants[*grant].token);
    for (grant, attempt, mark) in attempts {
        let token = index.holding.grants[*grant].token;
        let Some(name) = index.holding.name_of(*grant) else { continue };
        let Some((before, older, then)) = latest.insert(name, (token, *attempt, *mark)) else { continue };
        if older < *attempt || is_another_life(index, name, [before, token], [then, *mark]) {
            continue;
        }
        let message = format!(
            "token {token} of item {name:?} is attempt {attempt}, after token {before} was attempt {older}"
        );
        return Err(Broken::new(message, [then, *mark]));
    }
    Ok(())
}

/// Whether an item was begun anew between two claims, or may have been.
fn is_another_life(index: &Index<'_>, name: &str, tokens: [u64; 2], marks: [Mark; 2]) -> bool {
    let Some(item) = index.items.find(name) else { return !index.log.discontinuities.is_empty() };
    let between = |mark: &Mark| (marks[0].record..marks[1].record).contains(&mark.record);
    let told = item.begun.iter().chain(&item.removals).any(between);
    let of_store = item.filings.iter().any(|filing| {
        let anew = filing.session.is_none() || filing.stage == Stage::Gone || filing.stage == Stage::Done;
        anew && (tokens[0]..tokens[1]).contains(&filing.revision)
    });
    told || of_store || !index.log.discontinuities.is_empty()
}

fn claimed_in_its_time(item: &Item<'_>, bounds: &Bounds) -> Result<(), Broken> {
    for (before, after) in item.steps().filter(|(_, after)| after.stage == Stage::Claimed) {
        let Some(session) = after.session else { continue };
        let what = match before.map_or(Stage::Gone, |before| before.stage) {
            Stage::Ready { from } if from <= after.mark.at.saturating_add(bounds.wall_clocks) => continue,
            Stage::Ready { from } => format!("before its time, which is {from}"),
            stage => format!("when it was {stage:?}"),
        };
        let message = format!("item {:?} was claimed by session {session:?} {what}", item.name);
        let before = before.map(|before| before.mark);
        return Err(Broken::new(message, before.into_iter().chain([after.mark])));
    }
    Ok(())
}

/// What somebody has claimed and believes in is not made anything else by others.
fn taken_from_nobody(index: &Index<'_>, item: &Item<'_>) -> Result<(), Broken> {
    let Some(thing) = rules::things(&index.holding, Recipe::Claim).find(|thing| thing.name == item.name)
    else {
        return Ok(());
    };
    for (before, after) in item.steps() {
        let Some(before) = before.filter(|before| before.stage == Stage::Claimed) else { continue };
        // Whoever wants it forgotten tells its holder no sooner than when it asks.
        let by_other = after.session.is_some() && after.session != item.claimant(before.revision);
        if !by_other || after.stage == Stage::Gone {
            continue;
        }
        let claims = thing.grants.iter().map(|number| &index.holding.grants[*number]);
        let believed = claims
            .filter(|grant| grant.token == before.revision)
            .find(|grant| grant.granted.at <= after.mark.at && grant.until > after.mark.at);
        if let Some(grant) = believed {
            let message = format!(
                "item {:?} was taken from {}, which believed in token {} until {}",
                item.name,
                index.who(grant.process),
                grant.token,
                grant.until
            );
            return Err(Broken::new(message, grant.proof().chain([before.mark, after.mark])));
        }
    }
    Ok(())
}
