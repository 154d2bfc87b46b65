//! A node of the simulated world: its clock, and the runtime that the core gets.

use std::sync::Arc;
use std::time::Duration;

use ha_core::runtime::{BoxFuture, Instant, Runtime};

use super::executor::{NodeId, World};
use super::random::Random;

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

/// The runtime of one node of a [`World`].
#[derive(Debug)]
pub struct SimRuntime {
    world: Arc<World>,
    node: NodeId,
    clock: Clock,
}

impl SimRuntime {
    pub(super) fn new(world: Arc<World>, node: NodeId, clock: Clock) -> Self {
        Self { world, node, clock }
    }
}

impl Runtime for SimRuntime {
    fn now(&self) -> Instant {
        self.clock.read(self.world.now())
    }

    fn wall_clock(&self) -> Duration {
        self.now().since_start()
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        Box::pin(self.world.sleep_until(self.clock.world_time(deadline)))
    }

    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        self.world.spawn(self.node, task);
    }

    fn random(&self) -> u64 {
        self.world.draw(Random::draw)
    }
}
