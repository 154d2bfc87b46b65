//! P5: a member that comes or goes moves as few partitions as can be.
//!
//! Judged where nothing is disturbed from before the change until all partitions have an owner again and are shared evenly, and where nothing else changes meanwhile. Members all would own
//! each partition of a group, which is called `<group>/<number>`.

use std::collections::BTreeMap;

use super::bounds::Bounds;
use super::index::{Grant, Index, Mark, Thing};
use super::violation::Broken;
use super::{Invariant, rules};
use crate::history::{EndReason, Recipe};

pub(super) const INVARIANT: Invariant = Invariant {
    id: "P5",
    sentence: "one member that comes or goes moves at most one partition more than its share, and none between two others",
    guarantees: "G171, G175",
    judge,
};

fn judge(index: &Index<'_>, bounds: &Bounds) -> Result<(), Broken> {
    let mut groups: BTreeMap<&str, Vec<&Thing<'_>>> = BTreeMap::new();
    for thing in rules::things(&index.holding, Recipe::Partition) {
        groups
            .entry(thing.name.rsplit_once('/').map_or(thing.name, |(group, _)| group))
            .or_default()
            .push(thing);
    }
    groups.into_values().try_for_each(|things| Group::new(index, things).judge(bounds))
}

/// One process begins or ceases to be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    at: u64,
    process: usize,
    comes: bool,
}

/// The partitions of one group, and who was a member of it when.
struct Group<'i, 'a> {
    index: &'i Index<'a>,
    things: Vec<&'i Thing<'a>>,
    /// For each process, the spans in which it wanted partitions.
    stays: BTreeMap<usize, Vec<(u64, u64)>>,
}

/// Who owns what at an instant: by partition, where there is one owner and no more.
type Owners = BTreeMap<usize, usize>;

impl<'i, 'a> Group<'i, 'a> {
    fn new(index: &'i Index<'a>, things: Vec<&'i Thing<'a>>) -> Self {
        let mut spans: BTreeMap<usize, Vec<(u64, u64)>> = BTreeMap::new();
        for call in things.iter().flat_map(|thing| &thing.calls).map(|call| &index.holding.calls[*call]) {
            let until = call.gave_up.map_or(u64::MAX, |mark| mark.at).min(call.concerned_until);
            spans.entry(call.process).or_default().push((call.asked.at, until));
        }
        for stay in spans.values_mut() {
            stay.sort_unstable();
            let mut merged: Vec<(u64, u64)> = Vec::new();
            for (from, to) in stay.drain(..) {
                match merged.last_mut() {
                    Some(last) if from <= last.1 => last.1 = to.max(last.1),
                    _ => merged.push((from, to)),
                }
            }
            *stay = merged;
        }
        Self { index, things, stays: spans }
    }

    fn grants(&self) -> impl Iterator<Item = (usize, &'i Grant)> {
        let index = self.index;
        let of = move |(place, thing): (usize, &&'i Thing<'a>)| {
            thing.grants.iter().map(move |grant| (place, &index.holding.grants[*grant]))
        };
        self.things.iter().enumerate().flat_map(of)
    }

    fn members(&self, at: u64) -> impl Iterator<Item = usize> {
        let is_there = move |stay: &&(u64, u64)| stay.0 <= at && at < stay.1;
        self.stays
            .iter()
            .filter(move |(_, stays)| stays.iter().any(|stay| is_there(&stay)))
            .map(|(process, _)| *process)
    }

    /// The owners at an instant at which every partition that was ever granted has one, and they have as many each, or one more; `None` at any other.
    fn settled(&self, at: u64) -> Option<Owners> {
        let mut counts: BTreeMap<usize, usize> = self.members(at).map(|member| (member, 0)).collect();
        let mut owners = Owners::new();
        let mut known = Vec::new();
        for (place, grant) in self.grants().filter(|(_, grant)| grant.granted.at <= at) {
            known.push(place);
            if grant.until > at {
                *counts.get_mut(&grant.process)? += 1;
                if owners.insert(place, grant.process).is_some() {
                    return None;
                }
            }
        }
        let (least, most) = (counts.values().min()?, counts.values().max()?);
        (known.iter().all(|place| owners.contains_key(place)) && most - least <= 1).then_some(owners)
    }

    fn judge(&self, bounds: &Bounds) -> Result<(), Broken> {
        let mut changes: Vec<Change> = Vec::new();
        for (process, stays) in &self.stays {
            for (from, to) in stays {
                changes.push(Change { at: *from, process: *process, comes: true });
                changes.push(Change { at: *to, process: *process, comes: false });
            }
        }
        changes.retain(|change| change.at <= self.index.end());
        changes.sort_unstable();
        for (place, change) in changes.iter().enumerate() {
            let before = place.checked_sub(1).map_or(0, |before| changes[before].at);
            let next = changes.get(place + 1).map_or(self.index.end(), |next| next.at);
            self.judge_change(*change, before, next, bounds)?;
        }
        Ok(())
    }

    fn judge_change(&self, change: Change, before: u64, next: u64, bounds: &Bounds) -> Result<(), Broken> {
        let began = change.at.saturating_sub(bounds.visible);
        let stirs = |grant: &Grant, from: u64, to: u64| {
            let is_within = |at: u64| from < at && at <= to;
            is_within(grant.granted.at) || is_within(grant.until)
        };
        if began <= before || self.grants().any(|(_, grant)| stirs(grant, began, change.at - 1)) {
            return Ok(());
        }
        let Some(owners) = self.settled(began).filter(|owners| !owners.is_empty()) else { return Ok(()) };
        let mut instants: Vec<u64> =
            self.grants().flat_map(|(_, grant)| [grant.granted.at, grant.until]).collect();
        instants.retain(|at| change.at < *at && *at < next);
        instants.push(change.at);
        instants.sort_unstable();
        let is_calm = |at: &u64| {
            let (from, to) = (*at, at.saturating_add(bounds.visible));
            to <= next && !self.grants().any(|(_, grant)| stirs(grant, from, to))
        };
        let Some((ended, after)) =
            instants.into_iter().filter(is_calm).find_map(|at| Some((at, self.settled(at)?)))
        else {
            return Ok(());
        };
        let (from, to) = (began.saturating_sub(bounds.expiry()), ended.saturating_add(bounds.visible));
        let is_well = |member: usize| self.index.cluster.last_trouble(member, to) < from;
        let is_lost = |grant: &Grant| {
            let lost = |(reason, mark): (EndReason, Mark)| {
                reason != EndReason::Released && from <= mark.at && mark.at <= to
            };
            grant.ended.is_some_and(lost)
        };
        let undisturbed = self.index.cluster.is_quiet(from, to)
            && self.members(began).chain(self.members(ended)).all(is_well)
            && !self.grants().any(|(_, grant)| is_lost(grant));
        if undisturbed { self.judge_moves(change, ended, &owners, &after) } else { Ok(()) }
    }

    fn judge_moves(&self, change: Change, ended: u64, owners: &Owners, after: &Owners) -> Result<(), Broken> {
        let is_move = |(place, grant): &(usize, &Grant)| {
            let is_within = change.at <= grant.granted.at && grant.granted.at <= ended;
            is_within && owners.get(place).is_some_and(|owner| *owner != grant.process)
        };
        let moves: Vec<(usize, &Grant)> = self.grants().filter(is_move).collect();
        // One that is new is not moved.
        let members = self.members(if change.comes { ended } else { change.at - 1 }).count().max(1);
        let most = owners.len().div_ceil(members) + 1;
        let what = format!(
            "{} {} a group of {members} with {} partitions",
            self.index.who(change.process),
            if change.comes { "came to" } else { "left" },
            owners.len(),
        );
        let proof = moves.iter().map(|(_, grant)| grant.granted);
        if moves.len() > most {
            let message = format!("{what}, and {} were moved, from {} on", moves.len(), change.at);
            return Err(Broken::new(message, proof));
        }
        let astray = moves.iter().find(|(place, grant)| {
            let (from, to) = (owners.get(place), after.get(place));
            from != Some(&change.process)
                && to == Some(&grant.process)
                && *to.unwrap_or(&change.process) != change.process
        });
        if let Some((place, grant)) = astray {
            let message = format!(
                "{what}, and {} went from one of the others to another",
                rules::title(self.things[*place])
            );
            return Err(Broken::new(message, [grant.granted]));
        }
        Ok(())
    }
}
