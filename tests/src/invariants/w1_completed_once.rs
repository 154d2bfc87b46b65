//! W1: an item is completed once, by whoever has claimed it last.

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Index, Item, Mark};
use super::violation::Broken;
use crate::history::{Settlement, Stage, Verdict};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "W1",
    sentence: "an item is completed only under the claim that it is in, what is done is not claimed, changed or completed again until it is forgotten, and of its completions one is accepted",
    guarantees: "G190, G194, G202",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    index.items.items.iter().try_for_each(done_under_its_claim)?;
    accepted_once(index)
}

fn done_under_its_claim(item: &Item<'_>) -> Result<(), Broken> {
    for (before, after) in item.steps() {
        // What the store itself changes is an administrator's, or what it forgot.
        let Some(session) = after.session else { continue };
        let was = before.map_or(Stage::Gone, |before| before.stage);
        let claimed_by_it = before.is_some_and(|before| {
            before.stage == Stage::Claimed && item.claimant(before.revision) == Some(session)
        });
        let what = match (was, after.stage) {
            (_, Stage::Done) if !claimed_by_it => "completed by",
            (Stage::Done, Stage::Claimed | Stage::Dead) => "taken up again by",
            _ => continue,
        };
        let message = format!("item {:?} was {what} session {session:?} when it was {was:?}", item.name);
        let last_claim = item
            .filings
            .iter()
            .rfind(|filing| filing.stage == Stage::Claimed && filing.mark.record < after.mark.record);
        let marks = [before, last_claim].into_iter().flatten().map(|filing| filing.mark);
        return Err(Broken::new(message, marks.chain([after.mark])));
    }
    Ok(())
}

/// Where the store records nothing, what the workers were told has to do.
fn accepted_once(index: &Index<'_>) -> Result<(), Broken> {
    let mut accepted: Vec<(&str, u64, Mark)> = Vec::new();
    for settling in &index.items.settlings {
        let Some((Settlement::Applied, at)) = settling.answer else { continue };
        let name = index.holding.name_of(settling.grant).unwrap_or_default();
        if settling.verdict == Verdict::Complete {
            accepted.push((name, index.holding.grants[settling.grant].token, at));
        }
    }
    accepted.sort_unstable_by_key(|(name, token, at)| (*name, *token, at.record));
    for pair in accepted.windows(2) {
        let [(name, first, one), (other, second, two)] = pair else { continue };
        let item = index.items.find(name);
        if name != other || item.is_some_and(|item| !item.filings.is_empty()) {
            continue;
        }
        let (from, to) = (one.record.min(two.record), one.record.max(two.record));
        let begun = item.into_iter().flat_map(|item| item.begun.iter().chain(&item.removals));
        let mut forgotten = begun.chain(&index.log.discontinuities);
        if !forgotten.any(|mark| (from..to).contains(&mark.record)) {
            let message = format!("item {name:?} was completed with token {first} and with token {second}");
            return Err(Broken::new(message, [*one, *two]));
        }
    }
    Ok(())
}
