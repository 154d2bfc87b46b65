//! Who should run which partition: pure functions from members and present owners to a plan.
//!
//! Whoever assigns asks its planner whenever members come, go or change. A planner moves as little as it can: what it leaves where it is costs nothing.
//!
//! | planner | for |
//! |---|---|
//! | [`Sticky`] | the default: even by number, by [weight](Seat::weight), within [requirements](Sticky::require), with [standbys](Sticky::standbys) |
//! | [`ByLoad`] | partitions that differ in what they cost |
//! | [`Rendezvous`] | the same owner as anybody computes who knows the members |
//! | [`StaticMap`], [`HashRanges`] | maps made by hand: they leave the partitions of a missing node without an owner |
//! | a closure | your own: `Fn(&Problem) -> Plan` |

mod fixed;
mod level;
mod load;
mod problem;
mod rendezvous;
mod requirement;
mod standby;
mod sticky;

pub use fixed::{HashRanges, StaticMap};
pub use load::{ByLoad, Loads};
pub use problem::{Plan, Problem, Seat, Unplaced};
pub use rendezvous::Rendezvous;
pub(crate) use rendezvous::rank;
pub use requirement::Requirement;
pub use sticky::Sticky;

/// Decides who should run which partition.
///
/// It has to be a function of the [`Problem`] alone: each node of a group has its own copy, and whichever of them assigns must go on where the one before stopped.
/// A plan that changes though nothing else did makes partitions move for ever.
///
/// ```
/// use ha_core::partition::planner::{Plan, Planner, Problem, Seat};
///
/// // Everything on the first node by name.
/// let first = |problem: &Problem| Plan::new(vec![Some(0); problem.partitions()]);
/// let problem = Problem::new(vec![Seat::new("a"), Seat::new("b")], vec![None; 3]);
/// assert_eq!(first.plan(&problem).counts(2), [3, 0]);
/// ```
pub trait Planner: Send + Sync + 'static {
    /// Plans. What a plan says of seats that do not exist counts as unplaced; a partition that it does not mention as well.
    fn plan(&self, problem: &Problem) -> Plan;
}

impl<F: Fn(&Problem) -> Plan + Send + Sync + 'static> Planner for F {
    fn plan(&self, problem: &Problem) -> Plan {
        self(problem)
    }
}

#[cfg(test)]
#[path = "../planner_test/mod.rs"]
mod tests;
