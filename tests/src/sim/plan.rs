//! What one run does to its nodes: drawn from the seed, each kind of fault on or off (swarm testing).

use std::time::Duration;

use super::network::Weather;
use super::random::Random;
use super::steps::LastAct;

/// The options of one run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How many nodes take part.
    pub(super) nodes: usize,
    /// How many tasks of each node want the same thing.
    pub(super) callers: usize,
    /// The ttl of every node.
    pub(super) ttl: Duration,
    /// How long faults happen.
    pub(super) safety: Duration,
    /// How long everything then has to work without new faults.
    pub(super) liveness: Duration,
    /// The network while faults happen.
    pub(super) weather: Weather,
    /// Which faults happen, and how often, as weights.
    pub(super) faults: Vec<(FaultKind, u64)>,
    /// The mean pause between faults.
    pub(super) pause: Duration,
    /// The longest pause between two acts of a holder, while faults happen.
    pub(super) hold: Duration,
    /// Per mille of calls whose future is dropped at some point.
    pub(super) drop_calls: u64,
    /// The longest offset between the clocks of two nodes.
    pub(super) clock_offset: Duration,
    /// The largest difference in rate, in millionths.
    pub(super) clock_rate: i64,
    /// Whether a node stays broken for ever in the second phase.
    pub(super) leave_one_broken: bool,
    /// After which step whoever assigns partitions crashes, in half of the runs.
    pub(super) last_act: Option<LastAct>,
    /// Whether nothing goes wrong, where the program wants to see that, too.
    pub(super) fair: bool,
}

/// A kind of fault that the nemesis brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Cuts a node off, in one direction or both, for a while.
    Cut,
    /// Stops all tasks of a node for a while.
    Freeze,
    /// Suspends the machine of a node for a while: its tasks stop, its connections are dead, its clock goes on.
    Suspend,
    /// Ends a node at once; it may come back under its name.
    Crash,
    /// Shuts a node down in good order and starts it again.
    Restart,
    /// Starts another process of a node beside its first one, which runs on, or is frozen, for a while and is ended then.
    Replace,
    /// An administrator ends a node's session.
    Expire,
    /// An administrator deletes an entry.
    Delete,
    /// The store forgets its latest commits.
    Forget,
}

impl FaultKind {
    const ALL: &'static [Self] = &[
        Self::Cut,
        Self::Freeze,
        Self::Suspend,
        Self::Crash,
        Self::Restart,
        Self::Replace,
        Self::Expire,
        Self::Delete,
        Self::Forget,
    ];
}

impl Plan {
    /// The plan of a seed. `nodes` and the two spans are given, the rest is drawn.
    #[must_use]
    pub(super) fn draw(random: &mut Random, nodes: usize, total: Duration) -> Self {
        let ttl = Duration::from_millis(random.between(1_500, 5_000));
        let faults = FaultKind::ALL.iter().copied().filter_map(|kind| {
            // Each kind in half of the runs, so that some runs show a kind alone.
            let on = random.chance(500);
            on.then(|| (kind, random.between(1, 4)))
        });
        let faults: Vec<_> = faults.collect();
        let bad = random.chance(700);
        let slow_max = Duration::from_millis(random.between(100, 10_000));
        let weather = if bad {
            Weather {
                lose_request: random.below(80),
                lose_reply: random.below(80),
                duplicate: random.below(800),
                slow: random.below(60),
                slow_max,
                fast_max: Duration::from_millis(random.between(1, 20)),
            }
        } else {
            Weather::calm()
        };
        Self {
            nodes,
            callers: usize::try_from(random.between(1, 3)).unwrap_or(1),
            ttl,
            safety: total * 2 / 3,
            liveness: total / 3,
            weather,
            faults,
            pause: Duration::from_millis(random.between(500, 4_000)),
            // In some runs grants are held for longer than a session lives without a renewal.
            hold: ttl.mul_f64([0.05, 0.2, 1.5][usize::try_from(random.below(3)).unwrap_or(0)]),
            drop_calls: random.below(300),
            clock_offset: Duration::from_secs(random.below(3_600)),
            // Two clocks that run apart by 2 x 0.5 % stay within the margin of 2 %.
            clock_rate: i64::try_from(random.below(5_000)).unwrap_or(0),
            leave_one_broken: random.chance(400),
            last_act: random
                .chance(500)
                .then(|| LastAct { step: random.between(1, 16), times: random.between(1, 6) }),
            fair: random.chance(100),
        }
    }

    /// Whether the store can choose what is taken: in half of the runs. It is not drawn, so that seeds mean what they meant.
    pub(super) fn takes(&self) -> bool {
        self.clock_rate % 2 == 0
    }

    /// The same without anything that goes wrong, if it is a fair one.
    pub(super) fn without_faults_if_fair(mut self) -> Self {
        if self.fair {
            self.faults.clear();
            self.weather = Weather::calm();
            self.last_act = None;
            self.leave_one_broken = false;
        }
        self
    }
}
