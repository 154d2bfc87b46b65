//! By what partitions cost, damped.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::Planner;
use super::problem::{NOBODY, Plan, Problem};
use crate::error::{Error, ErrorKind};
use crate::partition::records::MAX_PARTITIONS;
use crate::sync::lock;

/// What each partition costs: shared between the [`ByLoad`] planner and whoever measures. Every partition costs 1 until somebody says otherwise.
#[derive(Clone, Debug, Default)]
pub struct Loads(Arc<Mutex<Vec<f64>>>);

impl Loads {
    /// All partitions cost the same.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A partition costs so much. Nothing moves until partitions are planned anew.
    ///
    /// # Errors
    /// `InvalidInput` unless it is a positive, finite number, and for a partition that no group can have.
    pub fn set(&self, partition: u32, load: f64) -> Result<(), Error> {
        if partition >= MAX_PARTITIONS {
            return Err(Error::new(ErrorKind::InvalidInput, "set load")
                .on(format_args!("partition {partition}"))
                .because(format_args!("there are at most {MAX_PARTITIONS} partitions, counted from 0")));
        }
        if !(load.is_finite() && load > 0.0) {
            return Err(Error::new(ErrorKind::InvalidInput, "set load")
                .on(format_args!("partition {partition}"))
                .because(format_args!("{load} is no load; give a positive, finite number")));
        }
        let mut loads = lock(&self.0);
        let at = partition as usize;
        if loads.len() <= at {
            loads.resize(at + 1, 1.0);
        }
        loads[at] = load;
        Ok(())
    }

    fn snapshot(&self, partitions: usize) -> Vec<f64> {
        let mut loads = lock(&self.0).clone();
        loads.resize(partitions, 1.0);
        loads
    }
}

/// Balances what partitions cost rather than how many they are.
///
/// Loads change all the time, and a move costs more than a slight imbalance: nothing moves from a member within 10 % of its share, and of what one has beyond that 80 % is
/// moved at most, so that it does not swing back.
#[derive(Clone, Debug)]
#[must_use = "a planner does nothing until a group uses it"]
pub struct ByLoad {
    loads: Loads,
    band: f64,
    damping: f64,
}

impl ByLoad {
    /// Balances these loads.
    pub fn new(loads: &Loads) -> Self {
        Self { loads: loads.clone(), band: 0.1, damping: 0.8 }
    }

    /// From which excess over its share on a member gives something away. Default: 0.1.
    ///
    /// # Errors
    /// `InvalidInput` unless it is from 0 to 1.
    pub fn band(mut self, band: f64) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&band) {
            return Err(Error::new(ErrorKind::InvalidInput, "set band")
                .on(band)
                .because("give a number from 0 to 1; 0.1 is 10 %"));
        }
        self.band = band;
        Ok(self)
    }
}

impl Planner for ByLoad {
    fn plan(&self, problem: &Problem) -> Plan {
        let loads = self.loads.snapshot(problem.partitions());
        let mut scale = Scale::new(problem, &loads);
        scale.place_orphans();
        scale.relieve(self.band, self.damping);
        Plan { owners: scale.owners, ..Plan::default() }.complete(NOBODY)
    }
}

struct Scale<'a> {
    loads: &'a [f64],
    weights: Vec<f64>,
    owners: Vec<Option<u32>>,
    held: Vec<f64>,
    /// Seats by how full they are.
    order: BTreeSet<(Fullness, u32)>,
}

/// A load per weight that can be ordered: never negative, never NaN.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fullness(u64);

impl<'a> Scale<'a> {
    fn new(problem: &Problem, loads: &'a [f64]) -> Self {
        let weights: Vec<f64> = problem.seats().iter().map(|seat| f64::from(seat.weight)).collect();
        let owned = |owner: &Option<u32>| owner.filter(|seat| weights[*seat as usize] > 0.0);
        let owners: Vec<Option<u32>> = problem.owners().iter().map(owned).collect();
        let mut held = vec![0.0; weights.len()];
        for (owner, load) in owners.iter().zip(loads) {
            owner.iter().for_each(|seat| held[*seat as usize] += load);
        }
        let mut scale = Self { loads, weights, owners, held, order: BTreeSet::new() };
        let seats = 0_u32..u32::try_from(scale.weights.len()).unwrap_or(u32::MAX);
        let with_weight = seats.filter(|seat| scale.weights[*seat as usize] > 0.0);
        scale.order = with_weight.map(|seat| (scale.fullness(seat), seat)).collect();
        scale
    }

    fn fullness(&self, seat: u32) -> Fullness {
        // The bits of numbers that are not negative are in the order of the numbers.
        Fullness((self.held[seat as usize].max(0.0) / self.weights[seat as usize]).to_bits())
    }

    fn add(&mut self, seat: u32, load: f64) {
        self.order.remove(&(self.fullness(seat), seat));
        self.held[seat as usize] += load;
        self.order.insert((self.fullness(seat), seat));
    }

    /// The heaviest first, each to whoever has least.
    fn place_orphans(&mut self) {
        let mut orphans: Vec<usize> =
            (0..self.owners.len()).filter(|at| self.owners[*at].is_none()).collect();
        orphans.sort_by_key(|at| Reverse(Fullness(self.loads[*at].to_bits())));
        for at in orphans {
            let Some((_, seat)) = self.order.first().copied() else { return };
            self.owners[at] = Some(seat);
            self.add(seat, self.loads[at]);
        }
    }

    /// Moves something away from those who have too much.
    fn relieve(&mut self, band: f64, damping: f64) {
        let mean = self.held.iter().sum::<f64>() / self.weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let is_over = |seat: usize| self.held[seat] > mean * self.weights[seat] * (1.0 + band);
        let mut budgets: Vec<f64> =
            (0..self.held.len())
                .map(|seat| {
                    if is_over(seat) { damping * (self.held[seat] - mean * self.weights[seat]) } else { 0.0 }
                })
                .collect();
        if budgets.iter().all(|budget| *budget <= 0.0) {
            return;
        }
        let mut heaviest: Vec<usize> = (0..self.owners.len()).collect();
        heaviest.sort_by_key(|at| Reverse(Fullness(self.loads[*at].to_bits())));
        for at in heaviest {
            let Some(from) = self.owners[at] else { continue };
            let load = self.loads[at];
            let Some((_, to)) = self.order.first().copied() else { return };
            let fits = self.held[to as usize] + load <= mean * self.weights[to as usize] * (1.0 + band);
            if load <= budgets[from as usize] && fits {
                budgets[from as usize] -= load;
                self.owners[at] = Some(to);
                self.add(from, -load);
                self.add(to, load);
            }
        }
    }
}
