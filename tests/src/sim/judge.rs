//! Judges the history of a run.

use super::cluster::nanos;
use super::node::WALL_CLOCKS;
use super::plan::Plan;
use super::work::Manner;
use crate::history::History;
use crate::invariants::{Bounds, check_all};

/// What must not happen and did.
pub(super) fn judge(history: &History, plan: &Plan) -> Vec<String> {
    let mut bounds = Bounds::new(plan.ttl);
    // Several callers of several nodes take turns: a waiter may have to wait for all of them, and each may need a hold and a new session.
    bounds.recovery = bounds.recovery.saturating_mul(2);
    bounds.retention = nanos(Manner::of(plan).remembered());
    bounds.wall_clocks = nanos(WALL_CLOCKS);
    // Few histories need more than a thousandth of it; an undecided one would be a failure that proves nothing.
    bounds.search_steps = 100_000_000;
    match check_all(history, &bounds) {
        Ok(()) => Vec::new(),
        Err(violations) => violations.iter().map(ToString::to_string).collect(),
    }
}
