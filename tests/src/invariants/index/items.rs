//! What became of the items of work-sets: as the store has it, and as those were told who added, removed and settled them.

use super::{Holding, Mark, Numbers};
use crate::history::{Addition, Event, Settlement, Stage, Verdict};

/// A state of an item, from `mark` on.
#[derive(Debug)]
pub(crate) struct Filing<'a> {
    pub(crate) mark: Mark,
    /// Who committed it; `None`: the store itself.
    pub(crate) session: Option<&'a str>,
    pub(crate) stage: Stage,
    pub(crate) revision: u64,
}

/// A claim that was to be ended or extended.
#[derive(Debug)]
pub(crate) struct Settling {
    pub(crate) grant: usize,
    pub(crate) asked: Mark,
    pub(crate) verdict: Verdict,
    pub(crate) answer: Option<(Settlement, Mark)>,
}

/// An item.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    pub(crate) name: &'a str,
    /// Its states, oldest first; before the first there was none. Empty if the store recorded none.
    pub(crate) filings: Vec<Filing<'a>>,
    /// When somebody was told that it is new.
    pub(crate) begun: Vec<Mark>,
    /// When somebody asked for it to be forgotten.
    pub(crate) removals: Vec<Mark>,
}

impl<'a> Item<'a> {
    /// Each state with the one before it.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (Option<&Filing<'a>>, &Filing<'a>)> {
        let before = [None].into_iter().chain(self.filings.iter().map(Some));
        before.zip(&self.filings)
    }

    /// The session that made the claim with this token.
    pub(crate) fn claimant(&self, token: u64) -> Option<&'a str> {
        let made = |filing: &&Filing<'_>| filing.is_claim(token) && filing.session.is_some();
        self.filings.iter().find(made).and_then(|filing| filing.session)
    }
}

impl Filing<'_> {
    /// Whether it is the claim with this token.
    pub(crate) fn is_claim(&self, token: u64) -> bool {
        self.stage == Stage::Claimed && self.revision == token
    }
}

/// All items.
#[derive(Debug, Default)]
pub(crate) struct Items<'a> {
    pub(crate) items: Vec<Item<'a>>,
    pub(crate) settlings: Vec<Settling>,
    /// For each claim that says so: which attempt it is.
    pub(crate) attempts: Vec<(usize, u64, Mark)>,
    item_numbers: Numbers<&'a str>,
    settling_numbers: Numbers<(usize, u64)>,
}

impl<'a> Items<'a> {
    pub(super) fn add(
        &mut self,
        mark: Mark,
        process: usize,
        event: &'a Event,
        holding: &Holding<'_>,
    ) -> Result<(), &'static str> {
        match event {
            Event::Added { item, answer: Addition::New } => self.item(item).begun.push(mark),
            Event::Removing { item } => self.item(item).removals.push(mark),
            Event::Attempt { grant, attempt } => {
                self.attempts.push((holding.find_grant(process, *grant)?, *attempt, mark));
            }
            Event::Settling { grant, settlement, verdict } => {
                let grant = holding.find_grant(process, *grant)?;
                if !self.settling_numbers.number((process, *settlement)).1 {
                    return Err("the number of a settlement is used twice");
                }
                self.settlings.push(Settling { grant, asked: mark, verdict: *verdict, answer: None });
            }
            Event::Settled { settlement, answer } => {
                let number = self.settling_numbers.find(&(process, *settlement));
                let settling =
                    &mut self.settlings[number.ok_or("a settlement is answered that nobody asked for")?];
                if settling.answer.replace((*answer, mark)).is_some() {
                    return Err("a settlement is answered twice");
                }
            }
            Event::Filed { item, session, stage, revision } => {
                let (session, stage, revision) = (session.as_deref(), *stage, *revision);
                self.item(item).filings.push(Filing { mark, session, stage, revision });
            }
            _ => {}
        }
        Ok(())
    }

    /// The item of this name, if the history says anything of it but that it was claimed.
    pub(crate) fn find(&self, name: &str) -> Option<&Item<'a>> {
        self.item_numbers.find(&name).map(|number| &self.items[number])
    }

    fn item(&mut self, name: &'a str) -> &mut Item<'a> {
        let (number, new) = self.item_numbers.number(name);
        if new {
            self.items.push(Item { name, filings: Vec::new(), begun: Vec::new(), removals: Vec::new() });
        }
        &mut self.items[number]
    }
}
