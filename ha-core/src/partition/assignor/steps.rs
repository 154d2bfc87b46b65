//! What to write next, decided from everything that is known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::classify::Presence;
use super::{Asked, Assignor, Delivery, Goal, Outputs};
use crate::coordinator::Output;
use crate::names::Name;
use crate::partition::options::DrainPolicy;
use crate::partition::records::{Ack, Keys};
use crate::partition::table::{Slot, Table};
use crate::runtime::Instant;
use crate::spi::{Stamp, Txn};
use crate::zoo::{Bug, planted};

/// How many bytes of records one step writes at most: less than any server's limit on a request.
const STEP_BYTES: usize = 400 * 1024;
/// What a record takes at most for each partition, and besides.
const PARTITION_BYTES: usize = 3;
const RECORD_BYTES: usize = 512;

/// What happens to a partition.
enum Act {
    /// It goes to this member, which is here: from nobody, from itself by a new grant, from a dead one, or from one that has acknowledged.
    Grant(Name),
    /// It goes to nobody.
    Free,
    /// Whoever has it is to give it up.
    Revoke,
    /// Whoever has it, and has not given it up in time, is told to stop everything.
    Evict,
}

/// The guards and operations of a step, besides those on records.
#[derive(Default)]
struct Batch {
    /// Members that get something: they have to be here.
    present: BTreeSet<Name>,
    /// Members that something is taken from without their word: they have to be gone.
    gone: BTreeSet<Name>,
    /// Members that are told to stop, and their entries. Their acknowledgements have to be there: when that is gone as well, they have stopped.
    evicted: Vec<(Name, Stamp)>,
    forced: Vec<(Name, bool)>,
}

/// What is known of each holder, looked up once per step.
struct Known {
    presence: Vec<Presence>,
    acks: Vec<Option<Ack>>,
}

impl Known {
    fn new(assignor: &Assignor, table: &Table) -> Self {
        let presence = table.holders.iter().map(|holder| assignor.presence(&holder.mid)).collect();
        let acks = table.holders.iter().map(|holder| assignor.ack(&holder.mid)).collect();
        Self { presence, acks }
    }

    /// Whether the holder has stopped the partition since this step took it away.
    fn has_stopped(&self, holder: usize, partition: u32, rseq: u64) -> bool {
        let Some(ack) = &self.acks[holder] else { return false };
        if planted(Bug::BareAck) {
            return ack.seq > 0;
        }
        if planted(Bug::SilenceIsRelease) && ack.except.is_empty() {
            return true;
        }
        ack.covers(partition, rseq)
    }
}

impl Assignor {
    pub(super) fn step(&mut self, now: Instant, out: &mut Outputs) {
        let Some(mut table) = self.table.take() else { return };
        self.notice(&table, now);
        self.resize(&mut table);
        self.replan(&table, now);
        let known = Known::new(self, &table);
        let mut batch = Batch::default();
        self.act_on_partitions(&mut table, &known, &mut batch, now);
        self.update_records(&mut table, &known);
        // What was not sent is not so: everything is read again.
        if !table.is_changed() || self.commit(&mut table, batch, now, out) {
            self.table = Some(table);
        }
    }

    /// Takes note of who is gone, and since when something is to be given up: each assignor counts from its own first sight.
    fn notice(&mut self, table: &Table, now: Instant) {
        let mut gone_since = BTreeMap::new();
        for holder in table.holders.iter().filter(|holder| !holder.parts.is_empty()) {
            if self.presence(&holder.mid) == Presence::Gone {
                let since = self.gone_since.get(&holder.mid).copied().unwrap_or(now);
                gone_since.insert(holder.mid.clone(), since);
            }
        }
        self.gone_since = gone_since;
        let mut draining = BTreeMap::new();
        for slot in table.slots().iter().flatten() {
            let Some(rseq) = slot.revoked else { continue };
            let key = (table.holders[slot.holder].mid.clone(), rseq);
            let since = self.draining_since.get(&key).copied().unwrap_or(now);
            draining.entry(key).or_insert(since);
        }
        self.draining_since = draining;
        let kept =
            table.holders.iter().filter_map(|holder| self.kept_until(holder)).filter(|until| now < *until);
        self.wake_at = kept.min();
        if let (Some((_, policy)), Some(aim)) = (&self.leader, &self.aim) {
            let due = aim.made_at.zip(policy.replan_every).map(|(made, every)| made + every);
            self.wake_at = [self.wake_at, due].into_iter().flatten().min();
        }
    }

    /// There are as many partitions as the member wants who wants most.
    fn resize(&self, table: &mut Table) {
        let wanted = self.acks.entries().filter_map(Ack::decode).map(|ack| ack.count).max();
        wanted.into_iter().for_each(|count| table.grow(count));
    }

    fn act_on_partitions(&mut self, table: &mut Table, known: &Known, batch: &mut Batch, now: Instant) {
        let limit = (self.operations_max.saturating_sub(4) / 2).max(2);
        let mut bytes = 0;
        for partition in 0..u32::try_from(table.slots().len()).unwrap_or(u32::MAX) {
            if table.touched().len() + 2 > limit || bytes > STEP_BYTES {
                return;
            }
            let slot = table.slots()[partition as usize];
            let Some(act) = self.decide(table, known, partition, slot, now) else { continue };
            let before = table.touched().len();
            self.act(table, known, batch, (partition, slot), act);
            if table.touched().len() > before {
                let of = |holder: usize| table.holders[holder].parts.len() * PARTITION_BYTES + RECORD_BYTES;
                bytes = table.touched().iter().map(|holder| of(*holder)).sum();
            }
        }
    }

    /// What is to happen to a partition now.
    fn decide(
        &mut self,
        table: &Table,
        known: &Known,
        partition: u32,
        slot: Option<Slot>,
        now: Instant,
    ) -> Option<Act> {
        let goal = self.goal(table, partition);
        let Some(slot) = slot else {
            let Some(Goal::Member(mid)) = goal else { return None };
            return self.may_begin().then_some(Act::Grant(mid));
        };
        let holder = &table.holders[slot.holder];
        let here = matches!(&goal, Some(Goal::Member(mid)) if *mid == holder.mid);
        let next = |goal: Option<Goal>| match goal {
            Some(Goal::Member(mid)) => Some(Act::Grant(mid)),
            Some(Goal::Away) => None,
            None => Some(Act::Free),
        };
        match (known.presence[slot.holder], slot.revoked) {
            (Presence::Gone, _) => {
                let kept = self.kept_until(holder).is_some_and(|until| now < until);
                // Whoever inherits gets it at once, also before that.
                if kept && !matches!(goal, Some(Goal::Member(_))) { None } else { next(goal) }
            }
            (_, None) if here => {
                let void = known.acks[slot.holder].as_ref().filter(|ack| ack.refuses(partition, slot.token));
                void.map(|_| Act::Grant(holder.mid.clone()))
            }
            (Presence::Between, None) if holder.hold_ms > 0 => None,
            (_, None) if goal == Some(Goal::Away) => None,
            (_, None) => Some(Act::Revoke),
            (Presence::Here, Some(_)) if here && !holder.evicted => Some(Act::Grant(holder.mid.clone())),
            (_, Some(rseq)) if known.has_stopped(slot.holder, partition, rseq) => next(goal),
            (presence, Some(rseq)) => self.overdue(table, (slot.holder, rseq), presence, goal, now),
        }
    }

    /// What becomes of a partition that is not given up: nothing before its time is over.
    fn overdue(
        &mut self,
        table: &Table,
        of: (usize, u64),
        presence: Presence,
        goal: Option<Goal>,
        now: Instant,
    ) -> Option<Act> {
        let (_, policy) = self.leader.as_ref()?;
        let (overdue, holder) = (policy.overdue, &table.holders[of.0]);
        let since = self.draining_since.get(&(holder.mid.clone(), of.1)).copied().unwrap_or(now);
        let until = since + Duration::from_millis(holder.drain_ms) + super::PAUSE;
        if now < until {
            self.wake_at = [self.wake_at, Some(until)].into_iter().flatten().min();
            return None;
        }
        match (overdue, goal) {
            (DrainPolicy::Wait, _) => None,
            (DrainPolicy::Evict, _) => {
                // Of one whose acknowledgement was deleted nothing would be left that says that it may still run something.
                let speaks = presence == Presence::Here || planted(Bug::EvictedUnheard);
                (speaks && !holder.evicted).then_some(Act::Evict)
            }
            (DrainPolicy::Force, Some(Goal::Member(mid))) => Some(Act::Grant(mid)),
            (DrainPolicy::Force, _) => None,
        }
    }

    /// Whether enough members are here to begin: what nobody has yet is not given to the first who comes.
    fn may_begin(&self) -> bool {
        let Some(((_, policy), aim)) = self.leader.as_ref().zip(self.aim.as_ref()) else { return false };
        aim.goals.len() >= policy.min_members
    }

    fn goal(&self, table: &Table, partition: u32) -> Option<Goal> {
        let aim = self.aim.as_ref()?;
        let seat = aim.plan.owners().get(partition as usize).copied().flatten()?;
        let goal = aim.goals.get(seat as usize).cloned();
        // Whose record is full gets no more of them: what it would get stays where it is.
        let owner = table.slots()[partition as usize].map(|slot| &table.holders[slot.holder].mid);
        let full = |mid: &Name| owner != Some(mid) && self.full.contains(mid);
        goal.map(|goal| if matches!(&goal, Goal::Member(mid) if full(mid)) { Goal::Away } else { goal })
    }

    fn act(&self, table: &mut Table, known: &Known, batch: &mut Batch, of: (u32, Option<Slot>), act: Act) {
        let (partition, slot) = of;
        let source = slot.map(|slot| slot.holder);
        if let (Some(source), Act::Grant(_) | Act::Free) = (source, &act) {
            let mid = table.holders[source].mid.clone();
            let stopped = slot
                .and_then(|slot| slot.revoked)
                .is_some_and(|rseq| known.has_stopped(source, partition, rseq));
            let itself = matches!(&act, Act::Grant(target) if *target == mid);
            match known.presence[source] {
                Presence::Gone => drop(batch.gone.insert(mid)),
                _ if stopped || itself => {}
                _ => batch.forced.push((mid, false)),
            }
        }
        match act {
            Act::Grant(mid) => {
                let target = table.holder(&mid);
                self.prepare(table, target);
                table.grant(partition, target);
                batch.present.insert(mid);
            }
            Act::Free => table.free(partition),
            Act::Revoke => table.revoke(partition),
            Act::Evict => {
                let Some(holder) = source else { return };
                let mid = table.holders[holder].mid.clone();
                let parts: Vec<u32> = table.holders[holder].parts.iter().copied().collect();
                parts.into_iter().for_each(|partition| table.revoke(partition));
                table.holders[holder].evicted = true;
                let entry = self.members.get(&self.keys.members.key(mid.clone()));
                batch.evicted.extend(entry.map(|entry| (mid.clone(), entry.stamp().clone())));
                batch.forced.push((mid, true));
            }
        }
    }

    /// What the record of a member says besides its partitions.
    fn prepare(&self, table: &mut Table, holder: usize) {
        let Some((_, policy)) = &self.leader else { return };
        let holder = &mut table.holders[holder];
        if let Some(entry) = self.members.get(&self.keys.members.key(holder.mid.clone())) {
            holder.describe(entry.value());
        }
        holder.drain_ms = millis(policy.drain);
        holder.hold_ms = holder.hold_ms.max(millis(policy.hold));
    }

    /// What members announce, whose standbys they are, and records that nobody needs any more.
    fn update_records(&self, table: &mut Table, known: &Known) {
        let Some((aim, (_, policy))) = self.aim.as_ref().zip(self.leader.as_ref()) else { return };
        let mut wanted: BTreeMap<&Name, Vec<u32>> = BTreeMap::new();
        for (partition, standbys) in (0_u32..).zip(&aim.plan.standbys) {
            for seat in standbys {
                if let Some(Goal::Member(mid)) = aim.goals.get(*seat as usize) {
                    wanted.entry(mid).or_default().push(partition);
                }
            }
        }
        let room = (self.operations_max.saturating_sub(4) / 2).max(2);
        for at in 0..known.presence.len() {
            if table.touched().len() >= room {
                return;
            }
            let holder = &mut table.holders[at];
            let standby = wanted.remove(&holder.mid).unwrap_or_default();
            let announced = known.acks[at].as_ref().map(|ack| ack.returns_ms.max(millis(policy.hold)));
            let announced = announced.filter(|_| known.presence[at] == Presence::Here && holder.is_stored());
            let ended = known.presence[at] == Presence::Gone && holder.parts.is_empty() && holder.is_stored();
            let changed = holder.standby != standby || announced.is_some_and(|ms| ms != holder.hold_ms);
            if changed && known.presence[at] == Presence::Here {
                holder.standby = standby;
                holder.hold_ms = announced.unwrap_or(holder.hold_ms);
            }
            if ended || (changed && known.presence[at] == Presence::Here) {
                table.touch(at);
            }
        }
    }

    fn commit(&mut self, table: &mut Table, batch: Batch, now: Instant, out: &mut Outputs) -> bool {
        let Some((leader, _)) = &self.leader else { return false };
        let step =
            table.txn(leader.clone(), &self.keys, |holder| self.presence(&holder.mid) == Presence::Gone);
        let long = |(_, length): &&(usize, usize)| *length > self.value_max;
        let full: Vec<Name> =
            step.written.iter().filter(long).map(|(holder, _)| table.holders[*holder].mid.clone()).collect();
        if !full.is_empty() {
            tracing::warn!(members = ?full, "the records of these members are full; they get no more partitions");
            self.full.extend(full);
            self.retry_at = Some(now + super::PAUSE);
            return false;
        }
        let mut txn = guard(step.txn, &self.keys, &batch);
        for (_, stamp) in batch.evicted {
            txn = txn.delete(stamp);
        }
        for (member, evicted) in batch.forced {
            out.push(Output::Deliver(Delivery::Forced { member, evicted }));
        }
        let written = step.written.into_iter().map(|(holder, _)| holder).collect();
        let tag = self.ask(Asked::Step { written });
        self.asked_at = now;
        out.push(Output::Commit { tag, txn });
        true
    }
}

fn guard(mut txn: Txn, keys: &Keys, batch: &Batch) -> Txn {
    for mid in &batch.present {
        txn = txn.present(keys.members.key(mid.clone()));
    }
    for (mid, _) in &batch.evicted {
        if !planted(Bug::EvictedUnheard) {
            txn = txn.present(keys.acks.key(mid.clone()));
        }
    }
    for mid in &batch.gone {
        txn = txn.absent(keys.members.key(mid.clone()));
        if !planted(Bug::EvictedAtOnce) {
            txn = txn.absent(keys.acks.key(mid.clone()));
        }
    }
    txn
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
