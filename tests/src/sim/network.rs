//! Messages between nodes and the store: delayed, lost, cut off in one direction or both.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::counters::{Counter, Counters};
use super::executor::World;
use super::random::Random;

/// How badly the network of a run behaves; drawn per seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Per mille of requests that never arrive.
    pub(super) lose_request: u64,
    /// Per mille of replies that never arrive, though the request had its effect.
    pub(super) lose_reply: u64,
    /// Per mille of requests of which a second copy arrives later.
    pub(super) duplicate: u64,
    /// Per mille of messages that take very long.
    pub(super) slow: u64,
    /// The longest that a slow message takes.
    pub(super) slow_max: Duration,
    /// The longest that an ordinary message takes.
    pub(super) fast_max: Duration,
}

impl Weather {
    /// Nothing is lost and everything is fast.
    #[must_use]
    pub(super) fn calm() -> Self {
        Self {
            lose_request: 0,
            lose_reply: 0,
            duplicate: 0,
            slow: 0,
            slow_max: Duration::ZERO,
            fast_max: Duration::from_millis(2),
        }
    }

    /// Whether no message is lost or slow, on purpose.
    #[must_use]
    pub(super) fn holds_nothing_up(&self) -> bool {
        [self.lose_request, self.lose_reply, self.slow] == [0; 3]
    }
}

/// The network between all nodes and the store.
#[derive(Debug)]
pub(super) struct Network {
    world: Arc<World>,
    weather: Mutex<Weather>,
    counters: Arc<Counters>,
}

impl Network {
    /// A network with this weather.
    #[must_use]
    pub(super) fn new(world: &Arc<World>, weather: Weather, counters: &Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            weather: Mutex::new(weather),
            counters: Arc::clone(counters),
        })
    }

    /// Changes the weather.
    pub(super) fn set_weather(&self, weather: Weather) {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
    }

    pub(super) fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// How long the next message takes.
    pub(super) fn delay(&self) -> Duration {
        let weather = self.weather();
        let (nanos, slow) = self.world.draw(|random: &mut Random| {
            let slow = random.chance(weather.slow);
            let longest = if slow { weather.slow_max } else { weather.fast_max };
            (random.between(50_000, u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX).max(50_000)), slow)
        });
        if slow {
            self.counters.add(Counter::SlowMessage);
        }
        Duration::from_nanos(nanos)
    }

    pub(super) fn happens(&self, per_mille: u64, counter: Counter) -> bool {
        let happens = per_mille > 0 && self.world.draw(|random| random.chance(per_mille));
        if happens {
            self.counters.add(counter);
        }
        happens
    }
}

/// Renewals have a connection of their own: it may live while the other one is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Road {
    /// Everything but renewals.
    Data,
    /// Renewals.
    Renewals,
}

/// The way of one node to the store and back.
#[derive(Debug, Default)]
pub(super) struct Link {
    requests_cut: AtomicBool,
    replies_cut: AtomicBool,
    data_cut: AtomicBool,
}

impl Link {
    /// Cuts one direction or both.
    pub(super) fn cut(&self, requests: bool, replies: bool) {
        self.requests_cut.store(requests, Ordering::Relaxed);
        self.replies_cut.store(replies, Ordering::Relaxed);
    }

    /// Cuts everything but renewals.
    pub(super) fn cut_data(&self) {
        self.data_cut.store(true, Ordering::Relaxed);
    }

    /// Mends everything.
    pub(super) fn heal(&self) {
        self.cut(false, false);
        self.data_cut.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_whole(&self) -> bool {
        self.requests_pass(Road::Data) && self.replies_pass(Road::Data)
    }

    pub(super) fn requests_pass(&self, road: Road) -> bool {
        !self.requests_cut.load(Ordering::Relaxed) && self.is_open(road)
    }

    pub(super) fn replies_pass(&self, road: Road) -> bool {
        !self.replies_cut.load(Ordering::Relaxed) && self.is_open(road)
    }

    fn is_open(&self, road: Road) -> bool {
        road == Road::Renewals || !self.data_cut.load(Ordering::Relaxed)
    }
}
