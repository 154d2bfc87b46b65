//! Who is here, who is away, and what the planner is asked.

use std::collections::BTreeMap;

use super::{Aim, Assignor, Goal};
use crate::group::MemberRecord;
use crate::names::Name;
use crate::partition::planner::{Problem, Seat};
use crate::partition::records::Ack;
use crate::partition::table::{Holder, Table};
use crate::runtime::Instant;
use crate::zoo::{Bug, planted};

/// Whether the two entries are there that a member's session owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Both: it is a member.
    Here,
    /// It is no member, or none yet, but its session may live, and it may still run something.
    Between,
    /// Neither: its session is over, or it has stopped everything and left.
    Gone,
}

/// A seat of the problem, and who sits there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seated {
    pub(super) goal: Goal,
    pub(super) profile: Vec<u8>,
    seat: Seat,
    replaces: String,
}

fn seat_of(profile: &[u8]) -> Option<Seat> {
    let record: MemberRecord = serde_json::from_slice(profile).ok()?;
    Some(record.seat())
}

impl Assignor {
    pub(super) fn presence(&self, mid: &Name) -> Presence {
        let member = self.members.get(&self.keys.members.key(mid.clone())).is_some();
        let acks = self.acks.get(&self.keys.acks.key(mid.clone())).is_some();
        match (member, acks) {
            (true, true) => Presence::Here,
            (false, false) => Presence::Gone,
            (false, true) if planted(Bug::EvictedAtOnce) => Presence::Gone,
            _ => Presence::Between,
        }
    }

    pub(super) fn ack(&self, mid: &Name) -> Option<Ack> {
        Ack::decode(self.acks.get(&self.keys.acks.key(mid.clone()))?)
    }

    /// Until when what a holder has is kept for the next life of its node, if it is gone.
    pub(super) fn kept_until(&self, holder: &Holder) -> Option<Instant> {
        let since = self.gone_since.get(&holder.mid)?;
        (holder.hold_ms > 0).then(|| *since + std::time::Duration::from_millis(holder.hold_ms))
    }

    /// The members that may get something, in the order of their nodes.
    fn seated(&self) -> Vec<Seated> {
        let drained = |node: &str| {
            let key = self.status.entries().find(|entry| entry.key().name().as_str() == node);
            key.is_some_and(crate::group::is_drained)
        };
        let mut seated: Vec<Seated> = self
            .members
            .entries()
            .filter_map(|entry| {
                let mid = entry.key().name();
                let ack = self.ack(mid)?;
                let record: MemberRecord = serde_json::from_slice(entry.value()).ok()?;
                let usable = record.is_ready() && !drained(record.node());
                usable.then(|| Seated {
                    goal: Goal::Member(mid.clone()),
                    profile: entry.value().to_vec(),
                    seat: record.seat(),
                    replaces: ack.replaces,
                })
            })
            .collect();
        let replaced: Vec<String> = seated.iter().map(|seated| seated.replaces.clone()).collect();
        seated.retain(|seated| !replaced.iter().any(|node| node == seated.seat.node()));
        seated
    }

    /// The same, and those who are away and expected back.
    fn inputs(&self, table: &Table, now: Instant) -> Vec<Seated> {
        let mut seated = self.seated();
        for holder in table.holders.iter().filter(|holder| !holder.parts.is_empty()) {
            let kept = self.kept_until(holder).is_some_and(|until| now < until);
            let Some(seat) = seat_of(&holder.profile).filter(|_| kept) else { continue };
            let heir = |other: &Seated| other.seat.node() == seat.node() || other.replaces == seat.node();
            if !seated.iter().any(heir) {
                let profile = holder.profile.clone();
                seated.push(Seated { goal: Goal::Away, profile, seat, replaces: String::new() });
            }
        }
        seated.sort_by(|a, b| a.seat.node().cmp(b.seat.node()));
        seated
    }

    /// Asks the planner again if anything has changed that it looks at.
    pub(super) fn replan(&mut self, table: &Table, now: Instant) {
        let Some((_, policy)) = &self.leader else { return };
        let inputs = self.inputs(table, now);
        let due = self.aim.as_ref().and_then(|aim| Some(aim.made_at? + policy.replan_every?));
        let same = |aim: &Aim| aim.inputs == inputs && aim.count == table.record.count;
        if self.aim.as_ref().is_some_and(same) && due.is_none_or(|due| now < due) {
            return;
        }
        let (seats, owners) =
            (inputs.iter().map(|seated| seated.seat.clone()).collect(), owners(table, &inputs));
        let problem = Problem::new(seats, owners).with_standbys(standbys(table, &inputs));
        let plan = policy.planner.plan(&problem).checked(problem.partitions(), inputs.len());
        if let Some(first) = plan.unplaced().first() {
            let (count, reason) = (plan.unplaced().len(), first.reason);
            tracing::warn!(count, partition = first.partition, reason, "partitions without a place");
        }
        let goals = inputs.iter().map(|seated| seated.goal.clone()).collect();
        self.aim = Some(Aim { goals, plan, inputs, count: table.record.count, made_at: Some(now) });
    }
}

/// For each holder, the seat that counts as its own: that of the member, of the next life of its node, or of who takes its place.
fn places(table: &Table, inputs: &[Seated]) -> Vec<Option<u32>> {
    let mut by_mid: BTreeMap<&Name, u32> = BTreeMap::new();
    let mut by_node: BTreeMap<&str, u32> = BTreeMap::new();
    for (seat, seated) in (0_u32..).zip(inputs) {
        if let Goal::Member(mid) = &seated.goal {
            by_mid.insert(mid, seat);
        }
        by_node.insert(seated.seat.node(), seat);
        by_node.entry(seated.replaces.as_str()).or_insert(seat);
    }
    let place = |holder: &Holder| {
        let next = || by_node.get(seat_of(&holder.profile)?.node()).copied();
        by_mid.get(&holder.mid).copied().or_else(next)
    };
    table.holders.iter().map(place).collect()
}

fn owners(table: &Table, inputs: &[Seated]) -> Vec<Option<u32>> {
    if planted(Bug::OwnersForgotten) {
        return vec![None; table.slots().len()];
    }
    let places = places(table, inputs);
    table.slots().iter().map(|slot| slot.and_then(|slot| places[slot.holder])).collect()
}

fn standbys(table: &Table, inputs: &[Seated]) -> Vec<Vec<u32>> {
    if table.holders.iter().all(|holder| holder.standby.is_empty()) {
        return Vec::new();
    }
    let mut standbys = vec![Vec::new(); table.slots().len()];
    for (holder, place) in table.holders.iter().zip(places(table, inputs)) {
        let Some(seat) = place else { continue };
        let known = holder.standby.iter().filter(|partition| (**partition as usize) < table.slots().len());
        known.for_each(|partition| standbys[*partition as usize].push(seat));
    }
    standbys
}
