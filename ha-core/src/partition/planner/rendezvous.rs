//! The owner that anybody computes who knows the members.

use super::Planner;
use super::problem::{Plan, Problem};

/// Gives each partition to the member that ranks highest for it (highest random weight).
///
/// Anybody who knows the members computes the same owners. The price is balance: with 100 partitions on each of 1,000 members the fullest has a third more than the mean. A member that
/// joins takes partitions from all others, and one that leaves gives its own to all others; nothing else moves. Weights count. The cost is partitions × members.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a planner does nothing until a group uses it"]
#[non_exhaustive]
pub struct Rendezvous;

impl Rendezvous {
    /// The planner.
    pub fn new() -> Self {
        Self
    }
}

impl Planner for Rendezvous {
    fn plan(&self, problem: &Problem) -> Plan {
        let nodes: Vec<(u64, u32)> =
            problem.seats().iter().map(|seat| (hash(seat.node.as_bytes()), seat.weight)).collect();
        let owner = |partition: usize| {
            let key = mix(partition as u64);
            let ranked = (0_u32..).zip(&nodes).filter(|(_, (_, weight))| *weight > 0);
            let ranked = ranked.map(|(seat, (node, weight))| (score(*node, key, *weight), seat));
            ranked.max_by(|(a, x), (b, y)| a.total_cmp(b).then(y.cmp(x))).map(|(_, seat)| seat)
        };
        Plan::new((0..problem.partitions()).map(owner).collect())
    }
}

/// How `node`, of this weight, ranks for `key`: the highest one gets it. The same in every process and version.
pub(crate) fn rank(node: &str, key: &[u8], weight: u32) -> f64 {
    score(hash(node.as_bytes()), hash(key), weight)
}

fn score(node: u64, key: u64, weight: u32) -> f64 {
    // A uniform number in (0, 1): the logarithm makes weights count in proportion.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are enough for a rank")]
    let uniform = ((mix(node ^ key.rotate_left(32)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(weight) / -uniform.ln()
}

/// FNV-1a, finished by a mixer: it has to stay the same for ever, which the standard library's hashers do not promise.
fn hash(bytes: &[u8]) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv))
}

/// The finaliser of splitmix64.
pub(super) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
