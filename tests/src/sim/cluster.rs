//! The nodes of a run, and what the nemesis does to them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ha_core::Coordinator;
use ha_core::runtime::BoxFuture;

use super::counters::{Counter, Counters};
use super::executor::{NodeId, World};
use super::network::{Link, Network, Weather};
use super::node::{Clock, SimRuntime};
use super::plan::{FaultKind, Plan};
use super::recorder::Recorder;
use super::server::Server;
use super::store::SimBackend;
use super::zoo::StoreBug;

/// The namespace of every run.
pub(super) const NAMESPACE: &str = "sim";

/// One life of a node: from its start to its crash.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// Its place among the nodes.
    pub(super) index: usize,
    /// Its stable name.
    pub(super) name: String,
    /// Which life of the node this is: 1, 2, …
    pub(super) incarnation: u64,
    /// Its runtime.
    pub(super) runtime: Arc<SimRuntime>,
    node: NodeId,
    link: Arc<Link>,
}

/// What runs on a node: starts its tasks.
pub(super) type Program = Arc<dyn Fn(Arc<Cluster>, Life) -> BoxFuture<'static, ()> + Send + Sync>;

/// Everything that takes part in a run.
pub(super) struct Cluster {
    /// Time and tasks.
    pub(super) world: Arc<World>,
    /// The store.
    pub(super) server: Arc<Server>,
    /// What is drawn for the run.
    pub(super) plan: Plan,
    /// What happened how often.
    pub(super) counters: Arc<Counters>,
    /// What happened when.
    pub(super) recorder: Arc<Recorder>,
    network: Arc<Network>,
    lives: Mutex<Vec<Life>>,
    program: Program,
    nemesis: NodeId,
    /// The node that stays broken, if one does.
    broken: Mutex<Option<usize>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Builds the cluster of a run; nothing runs yet.
    #[must_use]
    pub(super) fn new(seed: u64, plan: Plan, bug: Option<StoreBug>, program: Program) -> Arc<Self> {
        let world = World::new(seed);
        let server = Server::new(&world, bug);
        let counters = Arc::new(Counters::default());
        let network = Network::new(&world, plan.weather, &counters);
        let nemesis = world.add_node(Clock::default());
        let recorder = Recorder::new(&world, nemesis, &counters);
        if plan.faults.iter().any(|(kind, _)| *kind == FaultKind::Forget) {
            server.memory().faults().record();
        }
        Arc::new(Self {
            world,
            server,
            plan,
            counters,
            recorder,
            network,
            lives: Mutex::default(),
            program,
            nemesis,
            broken: Mutex::default(),
        })
    }

    fn lives(&self) -> std::sync::MutexGuard<'_, Vec<Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts all nodes.
    pub(super) fn start(self: &Arc<Self>) {
        for index in 0..self.plan.nodes {
            let life = self.birth(index, 1);
            self.lives().push(life.clone());
            self.boot(life);
        }
    }

    fn birth(&self, index: usize, incarnation: u64) -> Life {
        let clock = self.world.draw(|random| Clock {
            offset: Duration::from_millis(
                random.below(u64::try_from(self.plan.clock_offset.as_millis()).unwrap_or(0)),
            ),
            rate_ppm: i64::try_from(random.below(2 * self.plan.clock_rate.unsigned_abs() + 1)).unwrap_or(0)
                - self.plan.clock_rate,
        });
        let node = self.world.add_node(clock);
        let runtime = self.world.runtime(node);
        Life { index, name: format!("n{index}"), incarnation, runtime, node, link: Arc::default() }
    }

    fn boot(self: &Arc<Self>, life: Life) {
        self.recorder.started(&life);
        let node = life.node;
        self.world.spawn(node, (self.program)(Arc::clone(self), life));
    }

    /// Starts a task on the node of `life`.
    pub(super) fn spawn(&self, life: &Life, task: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(life.node, Box::pin(task));
    }

    /// Connects a coordinator of `life`, as long as it takes.
    pub(super) async fn connect(&self, life: &Life) -> Coordinator {
        let backend = Arc::new(SimBackend::new(&self.server, &self.network, &life.link));
        loop {
            let connected = Coordinator::builder(backend.clone())
                .namespace(NAMESPACE)
                .node(life.name.clone())
                .ttl(self.plan.ttl)
                .connect_timeout(Duration::from_secs(5))
                .runtime(life.runtime.clone())
                .connect()
                .await;
            match connected {
                Ok(coordinator) => return coordinator,
                Err(_unreachable) => self.world.sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Lets faults happen until the end of the safety phase, then heals what is to be healed.
    pub(super) fn unleash(self: &Arc<Self>) {
        let cluster = Arc::clone(self);
        let end = self.world.now() + nanos(self.plan.safety);
        let nemesis = async move {
            while cluster.world.now() < end {
                let pause = cluster.world.draw(|random| random.between(1, 2 * nanos(cluster.plan.pause)));
                cluster.world.sleep_until((cluster.world.now() + pause).min(end)).await;
                if cluster.world.now() < end {
                    cluster.strike();
                }
            }
            cluster.heal();
        };
        self.world.spawn(self.nemesis, Box::pin(nemesis));
    }

    fn strike(self: &Arc<Self>) {
        let total: u64 = self.plan.faults.iter().map(|(_, weight)| weight).sum();
        if total == 0 {
            return;
        }
        let (mut at, index, span) = self.world.draw(|random| {
            let longest = 3 * nanos(self.plan.ttl);
            (random.below(total), random.below(self.plan.nodes as u64), random.between(1_000_000, longest))
        });
        let index = usize::try_from(index).unwrap_or(0);
        for (kind, weight) in &self.plan.faults {
            if at < *weight {
                self.inflict(*kind, index, Duration::from_nanos(span));
                return;
            }
            at -= weight;
        }
    }

    fn inflict(self: &Arc<Self>, kind: FaultKind, index: usize, span: Duration) {
        let life = self.lives()[index].clone();
        self.world.note(0xF000 + index as u64);
        match kind {
            FaultKind::Cut => self.cut(&life, span),
            FaultKind::Freeze => self.freeze(&life, span),
            FaultKind::Crash => self.crash(&life, Some(span)),
            FaultKind::Expire => {
                self.counters.add(Counter::Expired);
                let fault = self.recorder.fault("expire", Some(&life.name));
                self.recorder.healed(fault);
                self.server.memory().faults().expire(&life.name);
                self.recorder.excuse(&life);
            }
            FaultKind::Forget => {
                let commits = self.world.draw(|random| random.between(1, 6));
                self.counters.add(Counter::Forgotten);
                let commits = usize::try_from(commits).unwrap_or(1);
                let fault = self.recorder.fault("forget", None);
                self.server.memory().faults().forget(NAMESPACE, commits, self.plan.ttl);
                self.recorder.forgot(self.counters.get(Counter::Forgotten));
                let hold = self.plan.ttl;
                self.later(hold, move |cluster| cluster.recorder.healed(fault));
            }
        }
    }

    fn is_broken(&self, index: usize) -> bool {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) == Some(index)
    }

    fn later(self: &Arc<Self>, span: Duration, act: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let cluster = Arc::clone(self);
        let task = async move {
            cluster.world.sleep(span).await;
            act(&cluster);
        };
        self.world.spawn(self.nemesis, Box::pin(task));
    }

    fn cut(self: &Arc<Self>, life: &Life, span: Duration) {
        let which = self.world.draw(|random| random.below(3));
        let (counter, requests, replies) = match which {
            0 => (Counter::CutBoth, true, true),
            1 => (Counter::CutRequests, true, false),
            _ => (Counter::CutReplies, false, true),
        };
        self.counters.add(counter);
        let fault = self.recorder.fault("cut", Some(&life.name));
        life.link.cut(requests, replies);
        let life = life.clone();
        self.later(span, move |cluster| {
            if !cluster.is_broken(life.index) {
                life.link.heal();
                cluster.recorder.healed(fault);
            }
        });
    }

    fn freeze(self: &Arc<Self>, life: &Life, span: Duration) {
        self.counters.add(Counter::Frozen);
        if span > self.plan.ttl {
            self.counters.add(Counter::FrozenLong);
        }
        self.world.freeze(life.node);
        self.recorder.frozen(life, true);
        let life = life.clone();
        self.later(span, move |cluster| {
            if !cluster.is_broken(life.index) {
                cluster.world.thaw(life.node);
                cluster.recorder.frozen(&life, false);
            }
        });
    }

    fn crash(self: &Arc<Self>, life: &Life, restart_after: Option<Duration>) {
        if self.world.is_crashed(life.node) {
            return;
        }
        self.counters.add(Counter::Crashed);
        // Nothing that its destructors send may leave the machine.
        life.link.cut(true, true);
        self.recorder.crashed(life);
        self.world.crash(life.node);
        let Some(span) = restart_after else { return };
        let (index, incarnation) = (life.index, life.incarnation + 1);
        self.later(span, move |cluster| {
            if cluster.is_broken(index) {
                return;
            }
            cluster.counters.add(Counter::Restarted);
            let life = cluster.birth(index, incarnation);
            cluster.lives()[index] = life.clone();
            cluster.boot(life);
        });
    }

    /// Ends all faults, but may leave one node broken for ever.
    fn heal(self: &Arc<Self>) {
        self.network.set_weather(Weather::calm());
        let lives = self.lives().clone();
        let broken = if self.plan.leave_one_broken { Some(lives.len() - 1) } else { None };
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = broken;
        for life in &lives {
            if Some(life.index) == broken {
                self.recorder.fault("broken for ever", Some(&life.name));
                match self.world.draw(|random| random.below(3)) {
                    0 => self.crash(life, None),
                    1 => {
                        self.world.freeze(life.node);
                        self.recorder.frozen(life, true);
                    }
                    _ => life.link.cut(true, true),
                }
            } else {
                life.link.heal();
                self.world.thaw(life.node);
                self.recorder.frozen(life, false);
            }
        }
        // Messages that were sent in bad weather are still under way, and the store may still hold back grants.
        let broken = broken.map(|index| lives[index].name.clone());
        let late = self.plan.weather.slow_max.max(self.plan.ttl * 2);
        self.later(late, move |cluster| cluster.recorder.liveness(broken.as_deref()));
    }

    /// Runs both phases, and then for as long as it may take until everybody who still waits is served and lets go.
    pub(super) fn run(self: &Arc<Self>) {
        let start = self.world.now();
        self.start();
        self.unleash();
        // A crash at the last moment, a hold, and the turns of all callers one after the other.
        let settle = self.plan.ttl * 4 + Duration::from_secs(10);
        self.world.run_until(start + nanos(self.plan.safety + self.plan.liveness + settle));
    }

    /// Whether the program should go on asking.
    #[must_use]
    pub(super) fn goes_on(&self, start: u64) -> bool {
        self.world.now() < start + nanos(self.plan.safety + self.plan.liveness)
    }
}

pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 4)
}
