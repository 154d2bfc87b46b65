//! Futures that are dropped: at a random instant, or right after their n-th poll, so that every await point has its turn.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::cluster::Cluster;
use super::counters::Counter;
use super::random::Random;

/// How often a future is polled at most before it is dropped.
const POLLS: u64 = 6;

/// What becomes of a future.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It is polled until it ends.
    Lives,
    /// It is dropped after so long, if it has not ended.
    After(Duration),
    /// It is dropped after so many polls, if it has not ended.
    AtPoll(u64),
}

impl Fate {
    /// In `per_mille` of all cases the future is dropped: half of them within `longest`, half of them at one of the first polls.
    pub(super) fn draw(random: &mut Random, per_mille: u64, longest: Duration) -> Self {
        if !random.chance(per_mille) {
            return Self::Lives;
        }
        if random.chance(500) {
            return Self::AtPoll(random.between(1, POLLS));
        }
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Self::After(Duration::from_micros(random.between(1, longest.max(1))))
    }
}

/// Runs `future` for as long as its fate allows. `None`: it was dropped.
pub(super) async fn suffer<T>(
    cluster: &Arc<Cluster>,
    fate: Fate,
    future: impl Future<Output = T>,
) -> Option<T> {
    match fate {
        Fate::Lives => Some(future.await),
        Fate::After(span) => {
            tokio::select! {
                biased;
                value = future => Some(value),
                () = cluster.world.sleep(span) => {
                    cluster.counters.add(Counter::Dropped);
                    None
                }
            }
        }
        Fate::AtPoll(polls) => {
            let mut future = pin!(future);
            let mut left = polls;
            let value = poll_fn(|cx| {
                if let Poll::Ready(value) = future.as_mut().poll(cx) {
                    return Poll::Ready(Some(value));
                }
                left -= 1;
                if left == 0 { Poll::Ready(None) } else { Poll::Pending }
            })
            .await;
            if value.is_none() {
                cluster.counters.add(Counter::DroppedAtPoll);
            }
            value
        }
    }
}
