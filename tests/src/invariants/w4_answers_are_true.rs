//! W4: what the holder of a claim is told is what the store has.

use super::bounds::Bounds;
use super::index::{Index, Item, Settling};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::{Recipe, Settlement, Stage, Verdict};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "W4",
    sentence: "a settlement that was applied changed the item from the very claim to what it says, one that is stale or failed did not complete it, and a result that somebody else stored is that of the claim it names",
    guarantees: "G190, G193, G194",
    judge,
};

fn judge(index: &Index<'_>, _: &Bounds) -> Result<(), Broken> {
    for thing in rules::things(&index.holding, Recipe::Claim) {
        let Some(item) = index.items.find(thing.name).filter(|item| !item.filings.is_empty()) else {
            continue;
        };
        for &grant in &thing.grants {
            let held = &index.holding.grants[grant];
            if item.claimant(held.token).is_none() {
                let message = format!("item {:?} has no claim with token {}", item.name, held.token);
                return Err(Broken::new(message, [held.granted]));
            }
        }
    }
    for settling in &index.items.settlings {
        let item = index.holding.name_of(settling.grant).and_then(|name| index.items.find(name));
        let Some(item) = item.filter(|item| !item.filings.is_empty()) else { continue };
        if let Some(what) = lie(index, item, settling) {
            let token = index.holding.grants[settling.grant].token;
            let message = format!("{:?} of token {token} of item {:?} {what}", settling.verdict, item.name);
            let shown =
                item.steps().filter(|(before, _)| before.is_some_and(|before| before.is_claim(token)));
            let shown: Vec<_> = shown.map(|(_, after)| after.mark).collect();
            let answer = settling.answer.map(|(_, mark)| mark);
            return Err(Broken::new(message, [settling.asked].into_iter().chain(answer).chain(shown)));
        }
    }
    Ok(())
}

/// What is wrong with an answer, if anything is.
fn lie(index: &Index<'_>, item: &Item<'_>, settling: &Settling) -> Option<&'static str> {
    let token = index.holding.grants[settling.grant].token;
    let (answer, mark) = settling.answer?;
    let steps_of = |token: u64| {
        let steps =
            item.steps().filter(move |(before, _)| before.is_some_and(|before| before.is_claim(token)));
        let own = steps.map(|(_, after)| after);
        own.filter(move |after| after.session.is_some() && after.session == item.claimant(token))
    };
    let became = |token: u64, wanted: &dyn Fn(Stage) -> bool| {
        steps_of(token).any(|after| wanted(after.stage) && after.mark.record < mark.record)
    };
    match (answer, settling.verdict) {
        (Settlement::Applied, Verdict::Extend) => {
            (!stood(item, token, settling.asked.at, mark.at)).then_some("was applied when the claim was over")
        }
        (Settlement::Applied, verdict) => (!became(token, &|stage| leads_to(verdict, stage)))
            .then_some("was applied, but the item did not change so"),
        (Settlement::Done { token }, _) => (!became(token, &|stage| stage == Stage::Done))
            .then_some("was told of a result that no claim stored"),
        (Settlement::Stale | Settlement::Failed, Verdict::Complete) => {
            let went_back = |from: usize| {
                let mut filings = item.filings.iter().filter(|filing| filing.session.is_none());
                filings.any(|filing| (from..mark.record).contains(&filing.mark.record))
            };
            // What the store forgot before the answer was not there any more when it was looked for.
            let is_done =
                steps_of(token).any(|after| after.stage == Stage::Done && !went_back(after.mark.record));
            (is_done && !went_back(settling.asked.record) && always_refused(index, settling.grant))
                .then_some("was refused, but it was applied")
        }
        _ => None,
    }
}

/// Whether every completion that was asked for under a claim was refused.
fn always_refused(index: &Index<'_>, grant: usize) -> bool {
    let settlings = index.items.settlings.iter();
    let mut completions =
        settlings.filter(|other| other.grant == grant && other.verdict == Verdict::Complete);
    completions.all(|other| {
        let answer = other.answer.map(|(answer, _)| answer);
        answer.is_some_and(|answer| !matches!(answer, Settlement::Applied | Settlement::Unknown))
    })
}

fn leads_to(verdict: Verdict, stage: Stage) -> bool {
    match verdict {
        Verdict::Complete => stage == Stage::Done,
        Verdict::Fail => matches!(stage, Stage::Ready { .. } | Stage::Dead),
        Verdict::Bury => stage == Stage::Dead,
        Verdict::Release => matches!(stage, Stage::Ready { .. }),
        Verdict::Extend => false,
    }
}

/// Whether the item was in the claim `token` at some instant of the span.
fn stood(item: &Item<'_>, token: u64, from: u64, to: u64) -> bool {
    item.filings.iter().enumerate().any(|(at, filing)| {
        let until = item.filings.get(at + 1).map_or(u64::MAX, |next| next.mark.at);
        filing.is_claim(token) && filing.mark.at <= to && until >= from
    })
}
