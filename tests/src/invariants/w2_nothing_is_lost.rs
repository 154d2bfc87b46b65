//! W2: what is added stays until it has been done for as long as that is remembered, or somebody wants it to be forgotten.

use super::Invariant;
use super::bounds::Bounds;
use super::index::{Filing, Index, Item, Settling};
use super::violation::Broken;
use crate::history::{Stage, Verdict};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "W2",
    sentence: "an item that is new to whoever added it was begun once for it, and it is there, done within the retention or not done, until it has been done for that long or somebody asked to forget it",
    guarantees: "G191, G202",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    for item in index.items.items.iter().filter(|item| !item.filings.is_empty()) {
        begun_once(item)?;
        kept(index, item, bounds)?;
    }
    Ok(())
}

/// Whoever was told that an item is new has begun it, and nobody else was told so.
fn begun_once(item: &Item<'_>) -> Result<(), Broken> {
    let is_begun = |before: Option<&Filing<'_>>, after: &Filing<'_>| {
        let was = before.map_or(Stage::Gone, |before| before.stage);
        after.session.is_some()
            && matches!(after.stage, Stage::Ready { .. })
            && matches!(was, Stage::Gone | Stage::Done)
    };
    let begun: Vec<_> = item
        .steps()
        .filter(|(before, after)| is_begun(*before, after))
        .map(|(_, after)| after.mark)
        .collect();
    for (told, mark) in item.begun.iter().enumerate() {
        let before = begun.iter().filter(|begun| begun.record < mark.record).count();
        if before <= told {
            let message = format!(
                "item {:?} was new for the {}. time, but it was begun {before} times until then",
                item.name,
                told + 1
            );
            return Err(Broken::new(message, begun.iter().copied().chain([*mark])));
        }
    }
    Ok(())
}

fn kept(index: &Index<'_>, item: &Item<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let mut removed = 0;
    let discontinuities = &index.log.discontinuities;
    for (before, after) in item.steps() {
        let Some(before) = before else { continue };
        let between = before.mark.record..=after.mark.record;
        if discontinuities.iter().any(|mark| between.contains(&mark.record)) {
            // Whoever had removed it cannot know whether it is, and does so again.
            removed = 0;
        }
        if after.session.is_none() {
            continue;
        }
        let is_forgotten = match (before.stage, after.stage) {
            (Stage::Done, Stage::Gone | Stage::Ready { .. }) => {
                let done = done_at(index, item, before);
                after.mark.at.saturating_add(bounds.wall_clocks) >= done.saturating_add(bounds.retention)
            }
            (_, Stage::Gone) => false,
            _ => continue,
        };
        let wanted = item.removals.iter().filter(|mark| mark.record < after.mark.record).count();
        if is_forgotten {
            continue;
        }
        if after.stage == Stage::Gone && wanted > removed {
            removed += 1;
            continue;
        }
        let message = format!(
            "item {:?} was {:?}, and then {:?}, though nobody asked to forget it",
            item.name, before.stage, after.stage
        );
        return Err(Broken::new(message, [before.mark, after.mark]));
    }
    Ok(())
}

/// From when on an item counts as completed: since its worker said so, by the clock of whom. The store may have heard of it later, and after it went back once more.
fn done_at(index: &Index<'_>, item: &Item<'_>, done: &Filing<'_>) -> u64 {
    let is_it = |filing: &Filing<'_>| filing.stage == Stage::Done && filing.revision == done.revision;
    let first = item.steps().find(|(_, filing)| is_it(filing));
    let stored = first.map_or(done.mark, |(_, filing)| filing.mark);
    let token = first.and_then(|(before, _)| before).map(|before| before.revision);
    let of_it = |settling: &&Settling| {
        let grant = &index.holding.grants[settling.grant];
        settling.verdict == Verdict::Complete
            && settling.asked.record < stored.record
            && Some(grant.token) == token
            && index.holding.name_of(settling.grant) == Some(item.name)
    };
    let said = index.items.settlings.iter().find(of_it);
    said.map_or(stored.at, |settling| settling.asked.at)
}
