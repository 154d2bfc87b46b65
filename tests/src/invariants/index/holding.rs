//! Who waited for what, and who believed to hold it from when to when.

use super::{Cluster, Mark, Numbers};
use crate::history::{EndReason, Event, Recipe};

/// A lock or an election.
#[derive(Debug)]
pub(crate) struct Thing<'a> {
    pub(crate) recipe: Recipe,
    pub(crate) name: &'a str,
    /// Its calls, in the order in which they were asked.
    pub(crate) calls: Vec<usize>,
    /// Its grants, in the order in which they were given.
    pub(crate) grants: Vec<usize>,
}

/// A caller that waits, or waited.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) process: usize,
    pub(crate) asked: Mark,
    /// Its first grant.
    pub(crate) grant: Option<usize>,
    /// Its second grant, which should not be.
    pub(crate) granted_again: Option<Mark>,
    /// It gave up or withdrew.
    pub(crate) gave_up: Option<Mark>,
    /// When it stopped waiting, by whatever of these or by the end of its process; `u64::MAX`: never.
    pub(crate) until: u64,
    /// Until when something of it may be in the store for a reason; `u64::MAX`: it still holds or waits.
    pub(crate) concerned_until: u64,
}

/// Something held.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) process: usize,
    pub(crate) thing: usize,
    pub(crate) call: Option<usize>,
    pub(crate) token: u64,
    /// What it takes, and what there is.
    pub(crate) weight: u64,
    pub(crate) permits: u64,
    pub(crate) granted: Mark,
    /// The latest local deadline, and the record that says so.
    pub(crate) valid_until: Option<(u64, Mark)>,
    pub(crate) ended: Option<(EndReason, Mark)>,
    pub(crate) noticed: Option<Mark>,
    pub(crate) released: Option<Mark>,
    /// A later deadline that was recorded after the grant had ended.
    pub(crate) revived: Option<Mark>,
    /// When its holder stopped to believe in it; `u64::MAX`: not in this history.
    pub(crate) until: u64,
}

impl Grant {
    /// Whether nobody ever believed in it: it was delivered after its own deadline.
    pub(crate) fn is_stillborn(&self) -> bool {
        self.until <= self.granted.at
    }

    /// Whether the two can be held at the same time.
    pub(crate) fn goes_with(&self, other: &Self) -> bool {
        self.weight.saturating_add(other.weight) <= self.permits.min(other.permits)
    }

    /// Whether it is what was `before`, which its holder has weakened.
    pub(crate) fn goes_on_from(&self, before: &Self) -> bool {
        let is_same = (self.process, self.token) == (before.process, before.token);
        is_same && self.weight < before.weight && before.until <= self.granted.at
    }

    /// The records that show from when to when it was believed in.
    pub(crate) fn proof(&self) -> impl Iterator<Item = Mark> {
        [Some(self.granted), self.valid_until.map(|(_, mark)| mark), self.ended.map(|(_, mark)| mark)]
            .into_iter()
            .flatten()
    }
}

/// All calls and grants.
#[derive(Debug, Default)]
pub(crate) struct Holding<'a> {
    pub(crate) things: Vec<Thing<'a>>,
    pub(crate) calls: Vec<Call>,
    pub(crate) grants: Vec<Grant>,
    thing_numbers: Numbers<(Recipe, &'a str)>,
    call_numbers: Numbers<(usize, u64)>,
    grant_numbers: Numbers<(usize, u64)>,
}

const UNKNOWN_CALL: &str = "a call is named that was never asked";
const NO_SHARE: &str = "a grant takes nothing, or more than there is";
const UNKNOWN_GRANT: &str = "a grant is named that was never granted";

impl<'a> Holding<'a> {
    pub(super) fn add(&mut self, mark: Mark, process: usize, event: &'a Event) -> Result<(), &'static str> {
        match event {
            Event::Asked { recipe, name, call } => self.asked(mark, process, *recipe, name, *call),
            Event::Granted { recipe, name, call, grant, token } => {
                let thing = self.thing(*recipe, name);
                self.granted(mark, process, thing, [*call, *grant, *token])
            }
            Event::Shares { grant, weight, permits } => {
                let grant = self.grant(process, *grant)?;
                if *weight == 0 || weight > permits {
                    return Err(NO_SHARE);
                }
                (grant.weight, grant.permits) = (*weight, *permits);
                Ok(())
            }
            Event::GaveUp { call, .. } | Event::Withdrawn { call } => {
                let call = self.call_numbers.find(&(process, *call)).ok_or(UNKNOWN_CALL)?;
                self.calls[call].gave_up.get_or_insert(mark);
                Ok(())
            }
            Event::ValidUntil { grant, until } => {
                let grant = self.grant(process, *grant)?;
                let is_later = |end: Mark| mark.at > end.at && *until > end.at;
                let end = grant.ended.map(|(_, end)| end).or(grant.released);
                if end.is_some_and(is_later) {
                    grant.revived.get_or_insert(mark);
                }
                grant.valid_until = Some((*until, mark));
                Ok(())
            }
            Event::Ended { grant, reason } => {
                self.grant(process, *grant)?.ended.get_or_insert((*reason, mark));
                Ok(())
            }
            Event::LossNoticed { grant } => {
                self.grant(process, *grant)?.noticed.get_or_insert(mark);
                Ok(())
            }
            Event::Released { grant } => {
                // Releasing twice is harmless.
                self.grant(process, *grant)?.released.get_or_insert(mark);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The number of the grant that a process calls so.
    pub(crate) fn find_grant(&self, process: usize, grant: u64) -> Result<usize, &'static str> {
        self.grant_numbers.find(&(process, grant)).ok_or(UNKNOWN_GRANT)
    }

    fn grant(&mut self, process: usize, grant: u64) -> Result<&mut Grant, &'static str> {
        let grant = self.find_grant(process, grant)?;
        Ok(&mut self.grants[grant])
    }

    /// The name of what was granted.
    pub(crate) fn name_of(&self, grant: usize) -> Option<&'a str> {
        self.grants.get(grant).map(|grant| self.things[grant.thing].name)
    }

    /// The things of which `whole` is any: `jobs/7` of `jobs`.
    pub(crate) fn parts<'i>(&'i self, whole: &'i Thing<'a>) -> impl Iterator<Item = &'i Thing<'a>> + 'i {
        self.things.iter().filter(move |thing| {
            let of = thing.name.strip_prefix(whole.name).and_then(|rest| rest.strip_prefix('/'));
            thing.recipe == whole.recipe && of.is_some()
        })
    }

    fn thing(&mut self, recipe: Recipe, name: &'a str) -> usize {
        let (thing, new) = self.thing_numbers.number((recipe, name));
        if new {
            self.things.push(Thing { recipe, name, calls: Vec::new(), grants: Vec::new() });
        }
        thing
    }

    /// The lock or election that a collection of the store belongs to.
    pub(crate) fn thing_of(&self, collection: &str) -> Option<usize> {
        if let Some(name) = collection.strip_prefix("lock/") {
            let mutex = self.thing_numbers.find(&(Recipe::Mutex, name));
            return mutex.or_else(|| self.thing_numbers.find(&(Recipe::Shared, name)));
        }
        let name = collection.strip_prefix("election/")?.rsplit_once('/')?.0;
        self.thing_numbers.find(&(Recipe::Election, name))
    }

    fn asked(
        &mut self,
        mark: Mark,
        process: usize,
        recipe: Recipe,
        name: &'a str,
        number: u64,
    ) -> Result<(), &'static str> {
        let thing = self.thing(recipe, name);
        let (call, new) = self.call_numbers.number((process, number));
        if !new {
            return Err("the number of a call is used twice");
        }
        self.things[thing].calls.push(call);
        self.calls.push(Call {
            process,
            asked: mark,
            grant: None,
            granted_again: None,
            gave_up: None,
            until: u64::MAX,
            concerned_until: u64::MAX,
        });
        Ok(())
    }

    fn granted(
        &mut self,
        mark: Mark,
        process: usize,
        thing: usize,
        [call, number, token]: [u64; 3],
    ) -> Result<(), &'static str> {
        let (grant, new) = self.grant_numbers.number((process, number));
        if !new {
            return Err("the number of a grant is used twice");
        }
        let call = self.call_numbers.find(&(process, call));
        self.things[thing].grants.push(grant);
        self.grants.push(Grant {
            process,
            thing,
            call,
            token,
            weight: 1,
            permits: 1,
            granted: mark,
            valid_until: None,
            ended: None,
            noticed: None,
            released: None,
            revived: None,
            until: u64::MAX,
        });
        let call = &mut self.calls[call.ok_or(UNKNOWN_CALL)?];
        if call.grant.is_some() {
            call.granted_again.get_or_insert(mark);
        } else {
            call.grant = Some(grant);
        }
        Ok(())
    }

    /// Computes the spans, once everything is known.
    pub(super) fn settle(&mut self, cluster: &Cluster<'_>) {
        let over = |process: usize| cluster.processes[process].over.map_or(u64::MAX, |over| over.at);
        for grant in &mut self.grants {
            let deadline = grant.valid_until.map_or(u64::MAX, |(until, _)| until);
            let ended = grant.ended.map_or(u64::MAX, |(_, mark)| mark.at);
            grant.until = deadline.min(ended).min(over(grant.process));
        }
        for call in &mut self.calls {
            let gave_up = call.gave_up.map_or(u64::MAX, |mark| mark.at);
            let (granted, let_go) = call.grant.map_or((u64::MAX, gave_up), |grant| {
                let grant = &self.grants[grant];
                (grant.granted.at, grant.released.map_or(grant.until, |mark| mark.at.max(grant.until)))
            });
            call.until = gave_up.min(granted).min(over(call.process));
            call.concerned_until = let_go.min(over(call.process));
        }
    }
}
