//! How many partitions each seat should have.

use super::problem::Seat;

/// A seat that may get some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) seat: usize,
    weight: f64,
    /// What it has already, of another kind.
    base: f64,
    /// What it has of the kind that is shared out: each of those that stays is a move saved.
    present: usize,
}

impl Share {
    pub(super) fn new(seat: usize, of: &Seat, base: usize, present: usize) -> Option<Self> {
        (of.weight > 0).then(|| Self { seat, weight: f64::from(of.weight), base: real(base), present })
    }
}

/// Shares out `total`, so that the seats are filled to one level, per weight; returns how many each share gets.
///
/// Every seat gets the whole part of what the level gives it. What is left goes, one each, first to those that would otherwise have to give one away.
pub(super) fn quotas(shares: &[Share], total: usize) -> Vec<usize> {
    let level = level(shares, real(total));
    let wanted = |share: &Share| (level * share.weight - share.base).max(0.0);
    let mut quotas: Vec<usize> = shares.iter().map(|share| whole(wanted(share))).collect();
    let given: usize = quotas.iter().sum();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let saves = |at: usize| shares[at].present > quotas[at];
    let part = |at: usize| wanted(&shares[at]) - real(quotas[at]);
    order.sort_by(|a, b| {
        (saves(*b), part(*b)).partial_cmp(&(saves(*a), part(*a))).unwrap_or(std::cmp::Ordering::Equal)
    });
    // Rounding can have given one too many, to the last of many seats.
    let left = total.saturating_sub(given);
    order.iter().cycle().take(if order.is_empty() { 0 } else { left }).for_each(|at| quotas[*at] += 1);
    quotas
}

/// The level to which all seats are filled; those that are above it already get nothing.
fn level(shares: &[Share], total: f64) -> f64 {
    let mut by_height: Vec<&Share> = shares.iter().collect();
    by_height.sort_by(|a, b| (a.base / a.weight).total_cmp(&(b.base / b.weight)));
    let (mut weight, mut held, mut level) = (0.0, 0.0, 0.0);
    for share in by_height {
        if weight > 0.0 && share.base / share.weight > level {
            break;
        }
        weight += share.weight;
        held += share.base;
        level = (total + held) / weight;
    }
    level
}

#[expect(clippy::cast_precision_loss, reason = "there are less than 2^32 partitions")]
fn real(count: usize) -> f64 {
    count as f64
}

/// The whole part, in spite of a rounding error just below it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of less than 2^32 partitions"
)]
fn whole(share: f64) -> usize {
    (share + 1e-6).floor() as usize
}
