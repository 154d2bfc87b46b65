//! A node of the simulated world: its clock, and the runtime that the core gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ha_core::runtime::{BoxFuture, Instant, Runtime};

use super::executor::{NodeId, World};
use super::random::Random;

/// What wall clocks show when the world begins.
pub(super) const EPOCH: Duration = Duration::from_secs(1_700_000_000);
/// How far two wall clocks differ at most.
pub(super) const WALL_CLOCKS: Duration = Duration::from_millis(300);

/// The clock of a node, against the time of the world.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a clock is an offset and a rate")]
pub struct Clock {
    /// How far it is ahead.
    pub offset: Duration,
    /// How much faster it runs, in millionths; negative for slower.
    pub rate_ppm: i64,
}

impl Clock {
    pub(super) fn read(self, world: u64) -> Instant {
        let drift = i128::from(world) * i128::from(self.rate_ppm) / 1_000_000;
        let nanos = u64::try_from(i128::from(world) + drift).unwrap_or(0);
        Instant::from_start(self.offset + Duration::from_nanos(nanos))
    }

    /// The first world time at which the clock shows `deadline`.
    pub(super) fn world_time(self, deadline: Instant) -> u64 {
        let local = deadline.since_start().saturating_sub(self.offset).as_nanos();
        let scaled = local * 1_000_000 / u128::from((1_000_000 + self.rate_ppm).unsigned_abs());
        let mut world = u64::try_from(scaled).unwrap_or(u64::MAX);
        while world != u64::MAX && self.read(world) < deadline {
            world += 1;
        }
        world
    }
}

/// What a clock has missed that stood still. Without a planted defect none does.
#[derive(Debug, Default)]
pub(super) struct Standstill {
    /// Since when it stands still; 0 if it goes.
    since: AtomicU64,
    missed: AtomicU64,
}

impl Standstill {
    pub(super) fn begin(&self, world: u64) {
        self.since.store(world, Ordering::Relaxed);
    }

    pub(super) fn end(&self, world: u64) {
        let since = self.since.swap(0, Ordering::Relaxed);
        if since > 0 {
            self.missed.fetch_add(world - since, Ordering::Relaxed);
        }
    }

    fn correct(&self, world: u64) -> u64 {
        let since = self.since.load(Ordering::Relaxed);
        let shown = if since > 0 { world.min(since) } else { world };
        shown - self.missed.load(Ordering::Relaxed)
    }
}

/// The runtime of one node of a [`World`].
#[derive(Debug)]
pub struct SimRuntime {
    world: Arc<World>,
    node: NodeId,
    clock: Clock,
    standstill: Arc<Standstill>,
}

impl SimRuntime {
    pub(super) fn new(world: Arc<World>, node: NodeId, clock: Clock, standstill: Arc<Standstill>) -> Self {
        Self { world, node, clock, standstill }
    }
}

impl Runtime for SimRuntime {
    fn now(&self) -> Instant {
        self.clock.read(self.standstill.correct(self.world.now()))
    }

    fn wall_clock(&self) -> Duration {
        // Somebody keeps the wall clocks right, up to a difference; what counts time since the start differs by hours and in rate.
        let ahead = self.clock.offset.as_millis() % WALL_CLOCKS.as_millis();
        EPOCH
            + Duration::from_nanos(self.world.now())
            + Duration::from_millis(u64::try_from(ahead).unwrap_or(0))
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(
            self.world.sleep_until(
                self.clock.world_time(deadline) + self.standstill.missed.load(Ordering::Relaxed),
            ),
        )
    }

    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        self.world.spawn(self.node, task);
    }

    fn random(&self) -> u64 {
        self.world.draw(Random::draw)
    }
}
