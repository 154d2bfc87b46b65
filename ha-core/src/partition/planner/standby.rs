//! Who takes over first, in another zone.

use std::collections::BTreeMap;

use super::problem::{Plan, Problem, Unplaced};
use super::rendezvous::mix;

/// Names `count` standbys for each partition of `plan`, keeping those of before where they still fit.
pub(super) fn choose(problem: &Problem, count: usize, plan: &mut Plan) {
    let zones = Zones::new(problem);
    plan.standbys = vec![Vec::new(); plan.owners.len()];
    for partition in 0..plan.owners.len() {
        let Some(owner) = plan.owners[partition] else { continue };
        let mut used = vec![zones.of[owner as usize]];
        let mut chosen: Vec<u32> = Vec::new();
        for &seat in problem.standbys_of(partition) {
            let zone = zones.of.get(seat as usize).copied().filter(|zone| !used.contains(zone));
            if let Some(zone) =
                zone.filter(|_| chosen.len() < count && problem.seats()[seat as usize].weight > 0)
            {
                used.push(zone);
                chosen.push(seat);
            }
        }
        // Beginning elsewhere for each partition, so that no zone is the favourite of all.
        let order = (0..zones.seats.len()).map(|step| (partition + step) % zones.seats.len());
        for zone in order.filter(|zone| !zones.seats[*zone].is_empty()) {
            if chosen.len() < count && !used.contains(&zone) {
                chosen.push(zones.pick(zone, partition));
                used.push(zone);
            }
        }
        if chosen.len() < count {
            let partition = u32::try_from(partition).unwrap_or(u32::MAX);
            plan.unplaced.push(Unplaced { partition, reason: "there are not enough zones for its standbys" });
        }
        plan.standbys[partition] = chosen;
    }
}

struct Zones {
    /// The zone of each seat.
    of: Vec<usize>,
    /// The seats of each zone that may get something.
    seats: Vec<Vec<u32>>,
}

impl Zones {
    /// A seat of a zone, another one for each partition: what one owner leaves goes to many.
    fn pick(&self, zone: usize, partition: usize) -> u32 {
        let seats = &self.seats[zone];
        let drawn = mix((partition as u64) << 16 ^ zone as u64) % seats.len() as u64;
        usize::try_from(drawn).ok().and_then(|at| seats.get(at)).copied().unwrap_or(seats[0])
    }

    fn new(problem: &Problem) -> Self {
        let mut zones = Self { of: Vec::new(), seats: Vec::new() };
        let mut named: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, seat) in (0_u32..).zip(problem.seats()) {
            let next = zones.seats.len();
            let zone = seat.zone.as_deref().map_or(next, |zone| *named.entry(zone).or_insert(next));
            if zone == next {
                zones.seats.push(Vec::new());
            }
            zones.of.push(zone);
            if seat.weight > 0 {
                zones.seats[zone].push(number);
            }
        }
        zones
    }
}
