//! Random kills, stops and continuations, for as long as somebody asks for.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use ha_conformance::history::Recipe;
use ha_conformance::servers::Scene;
use ha_conformance::servers::holder::{Holder, Work};
use ha_core::runtime::{IoThread, Runtime};

use super::Test;
use super::site::{self, LONG, Place, TTL};

pub(crate) const TESTS: &[Test] =
    &[("soak::nobody_overlaps_while_eight_processes_are_killed_stopped_and_continued", soak)];

/// How long it takes where nobody says: `cargo xtask soak local` asks for ten minutes.
const SHORT: Duration = Duration::from_secs(15);

/// In the environment: how many seconds it takes.
const SECONDS: &str = "HA_SOAK_SECONDS";

const PROCESSES: usize = 8;

/// The n-th life of each node, and whether it is stopped.
struct Node {
    holder: Holder,
    life: u64,
    is_stopped: bool,
}

fn start(scene: &Scene, node: usize, life: u64) -> Node {
    let recipe = if node % 4 == 3 { Recipe::Election } else { Recipe::Mutex };
    let work = Work::take_turns(recipe, "shared", 2, Duration::from_millis(5), Duration::from_millis(20));
    Node { holder: scene.start(&format!("node-{node}"), life, work), life, is_stopped: false }
}

/// A random number below `end`.
fn below(end: u64) -> u64 {
    RandomState::new().hash_one(0) % end
}

/// Breaks one process, or mends it.
fn disturb(scene: &Scene, nodes: &mut [Node]) {
    let at = usize::try_from(below(PROCESSES as u64)).unwrap();
    let node = &mut nodes[at];
    if node.is_stopped {
        node.holder.thaw();
        node.is_stopped = false;
    } else if below(2) == 0 {
        node.holder.freeze();
        node.is_stopped = true;
    } else {
        node.holder.kill();
        *node = start(scene, at, node.life + 1);
    }
}

fn soak() {
    let asked = std::env::var(SECONDS).ok().and_then(|seconds| seconds.parse().ok());
    let length = asked.map_or(SHORT, Duration::from_secs);
    let clock = IoThread::start().unwrap().runtime();
    let end = clock.now() + length;
    let place = Place::new();
    let scene = place.scene();
    let mut nodes: Vec<Node> = (0..PROCESSES).map(|node| start(&scene, node, 1)).collect();
    nodes.iter_mut().for_each(|node| node.holder.wait_for_grant(1, LONG));
    while clock.now() < end {
        disturb(&scene, &mut nodes);
        // Some stops are longer than the ttl.
        std::thread::sleep(TTL.mul_f64(below(100) as f64 / 200.0));
    }
    for node in nodes.iter_mut().filter(|node| node.is_stopped) {
        node.holder.thaw();
    }
    let mut holders: Vec<Holder> = nodes.into_iter().map(|node| node.holder).collect();
    site::finish(&scene, &mut holders);
}
