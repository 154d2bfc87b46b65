//! The default: even, and nothing moves that need not.

use std::collections::BTreeMap;
use std::ops::Range;

use super::level::{Share, quotas};
use super::problem::{NOBODY, Plan, Problem};
use super::requirement::Requirement;
use super::{Planner, standby};

/// Gives every member its share and moves as little as possible.
///
/// # Guarantees
/// * Without requirements the members' numbers of partitions, by weight, are the whole part of their share or one more; with equal weights they differ by at most one.
/// * No plan with that balance moves fewer partitions. A member that joins takes its share and nothing else moves; what a member had that left is spread over the others.
/// * What nobody may run is [unplaced](Plan::unplaced); everything else is planned nevertheless.
#[derive(Clone, Debug, Default)]
#[must_use = "a planner does nothing until a group uses it"]
pub struct Sticky {
    rules: Vec<(Range<u32>, Requirement)>,
    standbys: usize,
}

impl Sticky {
    /// Even by number, and by weight where members say one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets only such members run these partitions. Several requirements of one partition have to be met together. What is required is balanced among those who may
    /// run it, and the rest fills up the others. At most 64 count.
    pub fn require(mut self, partitions: Range<u32>, requirement: Requirement) -> Self {
        if self.rules.len() < 64 {
            self.rules.push((partitions, requirement));
        }
        self
    }

    /// Names so many standbys for each partition, each in a zone of its own, that of the owner excepted; members without a zone are each their own. A standby is the first to take over.
    pub fn standbys(mut self, count: usize) -> Self {
        self.standbys = count;
        self
    }

    /// Groups the partitions by the rules that they fall under.
    fn classes(&self, partitions: usize) -> BTreeMap<u64, Vec<u32>> {
        let mut classes: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for partition in 0..u32::try_from(partitions).unwrap_or(u32::MAX) {
            let under = |(range, _): &(Range<u32>, Requirement)| range.contains(&partition);
            let rules = self.rules.iter().enumerate().filter(|(_, rule)| under(rule));
            classes.entry(rules.fold(0, |class, (at, _)| class | 1 << at)).or_default().push(partition);
        }
        classes
    }

    /// The seats that may run the partitions of a class.
    fn eligible(&self, class: u64, problem: &Problem) -> Vec<usize> {
        let rules: Vec<_> = (0..self.rules.len()).filter(|at| class & 1 << at != 0).collect();
        let meets = |seat: usize| rules.iter().all(|at| self.rules[*at].1.is_met_by(&problem.seats()[seat]));
        (0..problem.seats().len()).filter(|seat| meets(*seat)).collect()
    }
}

impl Planner for Sticky {
    fn plan(&self, problem: &Problem) -> Plan {
        let mut filling = Filling::new(problem);
        if self.rules.is_empty() {
            let all: Vec<u32> = (0..u32::try_from(problem.partitions()).unwrap_or(u32::MAX)).collect();
            filling.place(&all, &(0..problem.seats().len()).collect::<Vec<_>>());
        } else {
            let classes = self.classes(problem.partitions());
            let mut classes: Vec<_> =
                classes.iter().map(|(class, of)| (self.eligible(*class, problem), *class, of)).collect();
            // Whoever has the least choice chooses first.
            classes.sort_by_key(|(seats, class, _)| (seats.len(), u64::MAX - class));
            classes.iter().for_each(|(seats, _, partitions)| filling.place(partitions, seats));
        }
        let mut plan = Plan { owners: filling.owners, ..Plan::default() }.complete(NOBODY);
        if self.standbys > 0 {
            standby::choose(problem, self.standbys, &mut plan);
        }
        plan
    }
}

/// A plan in the making.
struct Filling<'a> {
    problem: &'a Problem,
    owners: Vec<Option<u32>>,
    /// How many partitions each seat has so far.
    held: Vec<usize>,
}

impl<'a> Filling<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self { problem, owners: vec![None; problem.partitions()], held: vec![0; problem.seats().len()] }
    }

    /// Places `partitions` on `seats`.
    fn place(&mut self, partitions: &[u32], seats: &[usize]) {
        let mut present = vec![0; self.held.len()];
        for partition in partitions {
            if let Some(owner) = self.problem.owners()[*partition as usize] {
                present[owner as usize] += 1;
            }
        }
        let of = self.problem.seats();
        let share = |seat: &usize| Share::new(*seat, &of[*seat], self.held[*seat], present[*seat]);
        let shares: Vec<Share> = seats.iter().filter_map(share).collect();
        let mut room = vec![0; self.held.len()];
        for (share, quota) in shares.iter().zip(quotas(&shares, partitions.len())) {
            room[share.seat] = quota;
        }
        let orphans = self.keep(partitions, &mut room);
        self.fill(&orphans, &mut room);
    }

    fn put(&mut self, partition: u32, seat: u32, room: &mut [usize]) {
        room[seat as usize] -= 1;
        self.held[seat as usize] += 1;
        self.owners[partition as usize] = Some(seat);
    }

    /// Leaves where they are those that may stay; returns the others.
    fn keep(&mut self, partitions: &[u32], room: &mut [usize]) -> Vec<u32> {
        let mut orphans = Vec::new();
        for &partition in partitions {
            match self.problem.owners()[partition as usize] {
                Some(owner) if room[owner as usize] > 0 => self.put(partition, owner, room),
                _ => orphans.push(partition),
            }
        }
        orphans
    }

    /// Gives orphans to their standbys, and then to whoever has room, in turn, so that neighbours are spread.
    fn fill(&mut self, orphans: &[u32], room: &mut [usize]) {
        let mut rest = Vec::new();
        for &partition in orphans {
            let standbys = self.problem.standbys_of(partition as usize);
            let free = |seat: &&u32| room.get(**seat as usize).is_some_and(|room| *room > 0);
            match standbys.iter().find(free) {
                Some(seat) => self.put(partition, *seat, room),
                None => rest.push(partition),
            }
        }
        let seats = 0_u32..u32::try_from(room.len()).unwrap_or(u32::MAX);
        let mut open: Vec<u32> = seats.filter(|seat| room[*seat as usize] > 0).collect();
        let mut at = 0;
        for partition in rest {
            if open.is_empty() {
                return;
            }
            at %= open.len();
            let seat = open[at];
            self.put(partition, seat, room);
            if room[seat as usize] == 0 {
                open.remove(at);
            } else {
                at += 1;
            }
        }
    }
}
