//! What every member has, as the assignor knows it: read once when it begins to lead, and from then on changed by its own steps alone.

use std::collections::{BTreeMap, BTreeSet};

use super::records::{
    Assigned, Granted, Keys, MAX_PARTITIONS, PlanRecord, Revoked, decode_plan, encode_plan,
};
use crate::error::{Error, ErrorKind};
use crate::group::MemberRecord;
use crate::names::Name;
use crate::spi::{Entry, Guard, Naming, Page, Revision, Stamp, Txn};
use crate::zoo::{Bug, planted};

/// The defects in which a step does not compare the plan.
const PLAN_NOT_COMPARED: [Bug; 3] = [Bug::LeaderNotCompared, Bug::LateStepAssumedLost, Bug::OldTableKept];

/// Where a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Who has it.
    pub(super) holder: usize,
    /// By which grant.
    pub(super) token: u64,
    /// Which step took it away, if one did.
    pub(super) revoked: Option<u64>,
}

/// Somebody who has partitions, or had some: one life of a node.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    /// The name of its member's entry.
    pub(super) mid: Name,
    stamp: Option<Stamp>,
    pub(super) profile: Vec<u8>,
    /// The node that the profile names.
    node: Option<String>,
    pub(super) hold_ms: u64,
    pub(super) drain_ms: u64,
    pub(super) evicted: bool,
    pub(super) standby: Vec<u32>,
    pub(super) parts: BTreeSet<u32>,
}

/// Everything that the assignor has written.
#[derive(Debug)]
pub(super) struct Table {
    plan: Option<Stamp>,
    pub(super) record: PlanRecord,
    /// A revision that the store had reached: the next token lies above it.
    reached: Revision,
    pub(super) holders: Vec<Holder>,
    by_mid: BTreeMap<Name, usize>,
    slots: Vec<Option<Slot>>,
    /// Whose records the step under way writes.
    touched: BTreeSet<usize>,
    resized: bool,
}

impl Table {
    /// What these entries say, read at `reached` or later.
    pub(super) fn load(plan: Option<&Entry>, entries: &[Entry], reached: Revision) -> Result<Self, Error> {
        let record = plan.map(decode_plan).transpose()?.unwrap_or(PlanRecord { seq: 0, count: 0, moves: 0 });
        let mut table = Self {
            plan: plan.map(|entry| entry.stamp().clone()),
            slots: vec![None; record.count.min(MAX_PARTITIONS) as usize],
            record,
            reached,
            holders: Vec::new(),
            by_mid: BTreeMap::new(),
            touched: BTreeSet::new(),
            resized: false,
        };
        for entry in entries {
            let record = Assigned::decode(entry)?;
            if plan.is_none() {
                // An administrator deleted it: there are as many partitions as somebody has.
                table.grow(record.count());
            }
            let holder = table.holder(entry.key().name());
            table.holders[holder].take(&record, entry.stamp().clone());
            for Granted { token, set } in &record.granted {
                set.iter().try_for_each(|at| {
                    table.put(entry, *at, Slot { holder, token: *token, revoked: None })
                })?;
            }
            for Revoked { rseq, set } in &record.revoked {
                let slot = Slot { holder, token: 0, revoked: Some(*rseq) };
                set.iter().try_for_each(|at| table.put(entry, *at, slot))?;
            }
        }
        Ok(table)
    }

    fn put(&mut self, entry: &Entry, partition: u32, slot: Slot) -> Result<(), Error> {
        let error = |reason: &str| {
            Error::new(ErrorKind::Corrupt, "read an entry of partitions").on(entry.key()).because(
                format_args!("partition {partition} {reason}; nothing is assigned until an operator looks"),
            )
        };
        let place = self.slots.get_mut(partition as usize).ok_or_else(|| error("is beyond their number"))?;
        if place.is_some() {
            return Err(error("is in two records"));
        }
        *place = Some(slot);
        self.holders[slot.holder].parts.insert(partition);
        Ok(())
    }

    /// The holder of this name, a new one if there is none.
    pub(super) fn holder(&mut self, mid: &Name) -> usize {
        let next = self.holders.len();
        let holder = *self.by_mid.entry(mid.clone()).or_insert(next);
        if holder == next {
            self.holders.push(Holder {
                mid: mid.clone(),
                stamp: None,
                profile: Vec::new(),
                node: None,
                hold_ms: 0,
                drain_ms: 0,
                evicted: false,
                standby: Vec::new(),
                parts: BTreeSet::new(),
            });
        }
        holder
    }

    /// The records as they were last read or written.
    pub(super) fn stamps(&self) -> impl Iterator<Item = &Stamp> {
        self.holders.iter().filter_map(|holder| holder.stamp.as_ref())
    }

    pub(super) fn slots(&self) -> &[Option<Slot>] {
        &self.slots
    }

    /// The number of the step that is written next. Never again the same, also where the store went back to an older plan.
    pub(super) fn next_seq(&self) -> u64 {
        self.record.seq.max(self.reached.as_u64()) + 1
    }

    // One step ----------------------------------------------------------------------------------------------------

    pub(super) fn touch(&mut self, holder: usize) {
        self.touched.insert(holder);
    }

    pub(super) fn touched(&self) -> &BTreeSet<usize> {
        &self.touched
    }

    pub(super) fn is_changed(&self) -> bool {
        self.resized || !self.touched.is_empty()
    }

    pub(super) fn grow(&mut self, count: u32) {
        let count = count.min(MAX_PARTITIONS);
        if count > self.record.count {
            self.record.count = count;
            self.slots.resize(count as usize, None);
            self.resized = true;
        }
    }

    /// The partition goes to `holder`, by a new grant.
    pub(super) fn grant(&mut self, partition: u32, holder: usize) {
        let before = self.slots[partition as usize].map(|slot| slot.holder);
        self.free(partition);
        let moves = |before: usize| !self.holders[before].is_same_node(&self.holders[holder]);
        if before.is_some_and(|before| before != holder && moves(before)) {
            self.record.moves += 1;
        }
        self.touch(holder);
        self.holders[holder].parts.insert(partition);
        self.slots[partition as usize] = Some(Slot { holder, token: self.next_seq(), revoked: None });
    }

    /// Nobody has the partition any more.
    pub(super) fn free(&mut self, partition: u32) {
        if let Some(slot) = self.slots[partition as usize].take() {
            self.holders[slot.holder].parts.remove(&partition);
            self.touch(slot.holder);
        }
    }

    /// Whoever has the partition is to give it up.
    pub(super) fn revoke(&mut self, partition: u32) {
        let seq = self.next_seq();
        if let Some(slot) = &mut self.slots[partition as usize] {
            slot.revoked = Some(seq);
            let holder = slot.holder;
            self.touch(holder);
        }
    }

    /// The transaction of the step, with the guards that every step has.
    pub(super) fn txn(&mut self, leader: Guard, keys: &Keys, is_dead: impl Fn(&Holder) -> bool) -> Step {
        let seq = self.next_seq();
        self.record.seq = seq;
        let value = encode_plan(&self.record);
        let mut txn = Txn::new().granting();
        if !planted(Bug::LeaderNotCompared) {
            txn = txn.guard(leader);
        }
        let compared = !PLAN_NOT_COMPARED.into_iter().any(planted);
        txn = match &self.plan {
            Some(stamp) if compared => txn.update(stamp.clone(), value),
            Some(stamp) => txn.read_back(stamp.key().collection().clone(), Page::by_name(1)),
            None => txn.create_persistent(keys.plan.clone(), value, Naming::Reusable),
        };
        let mut written = Vec::new();
        for holder in std::mem::take(&mut self.touched) {
            let of = &self.holders[holder];
            let gone = of.parts.is_empty() && is_dead(of);
            let mut length = 0;
            txn = match (&of.stamp, gone) {
                (None, true) => continue,
                (Some(stamp), true) => txn.delete(stamp.clone()),
                (stamp, false) => {
                    let value = self.encode(holder, seq);
                    length = value.len();
                    match stamp {
                        Some(stamp) => txn.update(stamp.clone(), value),
                        None => {
                            txn.create_persistent(keys.assigned.key(of.mid.clone()), value, Naming::Reusable)
                        }
                    }
                }
            };
            written.push((holder, length));
        }
        self.resized = false;
        Step { txn, written }
    }

    fn encode(&self, holder: usize, seq: u64) -> bytes::Bytes {
        let of = &self.holders[holder];
        let mut granted: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut revoked: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for partition in &of.parts {
            let Some(slot) = self.slots[*partition as usize] else { continue };
            match slot.revoked {
                None => granted.entry(slot.token).or_default().push(*partition),
                Some(rseq) => revoked.entry(rseq).or_default().push(*partition),
            }
        }
        Assigned {
            seq,
            profile: of.profile.clone(),
            hold_ms: of.hold_ms,
            drain_ms: of.drain_ms,
            evicted: of.evicted,
            granted: granted.into_iter().map(|(token, set)| Granted { token, set }).collect(),
            revoked: revoked.into_iter().map(|(rseq, set)| Revoked { rseq, set }).collect(),
            standby: of.standby.clone(),
        }
        .encode()
    }

    /// The step was committed.
    pub(super) fn committed(&mut self, written: &[usize], revision: Revision, stamps: Vec<Option<Stamp>>) {
        self.reached = self.reached.max(revision);
        let mut stamps = stamps.into_iter();
        let unwritten = self.plan.is_some() && PLAN_NOT_COMPARED.into_iter().any(planted);
        self.plan = if unwritten { self.plan.take() } else { stamps.next().flatten() };
        for (holder, stamp) in written.iter().zip(stamps) {
            self.holders[*holder].stamp = stamp;
        }
    }
}

impl Holder {
    fn take(&mut self, record: &Assigned, stamp: Stamp) {
        self.stamp = Some(stamp);
        self.describe(&record.profile);
        (self.hold_ms, self.drain_ms, self.evicted) = (record.hold_ms, record.drain_ms, record.evicted);
        self.standby.clone_from(&record.standby);
    }

    /// What the member says of itself.
    pub(super) fn describe(&mut self, profile: &[u8]) {
        if self.profile != profile {
            let record: Option<MemberRecord> = serde_json::from_slice(profile).ok();
            self.node = record.map(|record| record.node().to_owned());
            self.profile = profile.to_vec();
        }
    }

    /// Whether both are lives of one node: what goes from one to the other has not moved.
    fn is_same_node(&self, other: &Self) -> bool {
        self.node.is_some() && self.node == other.node
    }

    /// Whether there is an entry of it.
    pub(super) fn is_stored(&self) -> bool {
        self.stamp.is_some()
    }
}

/// What a step commits.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) txn: Txn,
    /// Whose records, in the order of the operations behind the first one, and how many bytes each has.
    pub(super) written: Vec<(usize, usize)>,
}

#[cfg(test)]
mod tests {
    use super::Table;
    use crate::error::ErrorKind;
    use crate::names::{Key, Name};
    use crate::partition::records::{Assigned, Granted, Keys, PlanRecord, Revoked, encode_plan};
    use crate::spi::{Entry, Guard, Operation, Revision, Stamp};
    use bytes::Bytes;

    fn stamp(key: Key, revision: u64) -> Stamp {
        Stamp::new(key, Revision::new(revision), Revision::new(revision), Bytes::new())
    }

    fn keys() -> Keys {
        Keys::new(&Name::parse("p").unwrap())
    }

    fn plan(seq: u64, count: u32) -> Entry {
        let record = PlanRecord { seq, count, moves: 0 };
        Entry::new(stamp(keys().plan, 9), encode_plan(&record), None)
    }

    fn record(mid: &str, granted: &[u32], revoked: &[u32]) -> Entry {
        let record = Assigned {
            seq: 5,
            granted: vec![Granted { token: 5, set: granted.to_vec() }],
            revoked: vec![Revoked { rseq: 5, set: revoked.to_vec() }],
            ..Assigned::default()
        };
        let key = keys().assigned.key(Name::internal(mid));
        Entry::new(stamp(key, 8), record.encode(), None)
    }

    #[test]
    fn records_that_contradict_each_other_are_refused() {
        let load = |entries: &[Entry]| Table::load(Some(&plan(5, 4)), entries, Revision::new(9));
        assert!(load(&[record("a-1", &[0, 1], &[]), record("b-1", &[2], &[3])]).is_ok());
        for other in [record("b-1", &[1], &[]), record("b-1", &[], &[1]), record("b-1", &[4], &[])] {
            let error = load(&[record("a-1", &[0, 1], &[]), other]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_plan_that_was_deleted_has_as_many_partitions_as_somebody_has() {
        let table = Table::load(None, &[record("a-1", &[0], &[6])], Revision::new(70)).unwrap();
        assert_eq!((table.slots().len(), table.next_seq()), (7, 71));
    }

    #[test]
    fn a_step_compares_the_leader_and_the_plan_and_its_number_is_larger_than_any_before() {
        let mut table =
            Table::load(Some(&plan(100, 4)), &[record("a-1", &[0, 1], &[])], Revision::new(70)).unwrap();
        let leader = stamp(keys().plan, 3);
        assert_eq!(table.next_seq(), 101);
        let target = table.holder(&Name::internal("b-1"));
        table.grant(1, target);
        let step = table.txn(Guard::Held(leader.clone()), &keys(), |_| false);
        assert_eq!(step.txn.guards(), [Guard::Held(leader)]);
        assert!(step.txn.is_granting());
        let kinds: Vec<bool> = step
            .txn
            .operations()
            .iter()
            .map(|operation| matches!(operation, Operation::Update { .. }))
            .collect();
        assert_eq!(
            kinds,
            [true, true, false],
            "the plan, the one that gives, and a record for the one that takes"
        );
        let written: Vec<usize> = step.written.iter().map(|(holder, _)| *holder).collect();
        table.committed(&written, Revision::new(500), vec![Some(stamp(keys().plan, 500)), None, None]);
        assert_eq!(table.next_seq(), 501, "the number lies above what the store had reached");
        assert_eq!(table.record.moves, 1);
    }

    #[test]
    fn what_the_next_life_of_a_node_gets_has_not_moved() {
        let entries = [record("a-1", &[0, 1], &[])];
        let mut table = Table::load(Some(&plan(5, 2)), &entries, Revision::new(9)).unwrap();
        let holders = ["a-1", "a-2", "b-1"].map(|mid| table.holder(&Name::internal(mid)));
        for (holder, node) in holders.into_iter().zip(["a", "a", "b"]) {
            let profile = format!(r#"{{"node":"{node}","weight":1,"ready":true}}"#);
            table.holders[holder].describe(profile.as_bytes());
        }
        table.grant(0, holders[1]);
        assert_eq!(table.record.moves, 0);
        table.grant(1, holders[2]);
        assert_eq!(table.record.moves, 1);
    }
}
