//! The nodes of a run, and what the nemesis does to them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ha_core::Coordinator;
use ha_core::runtime::BoxFuture;
use ha_core::spi::{Collection, SessionId};
use tokio_util::sync::CancellationToken;

use super::counters::{Counter, Counters};
use super::executor::{NodeId, World};
use super::items::Items;
use super::network::{Link, Network};
use super::node::{Clock, SimRuntime};
use super::plan::{FaultKind, Plan};
use super::processes::{Ended, Lives};
use super::recorder::Recorder;
use super::server::Server;
use super::steps::Steps;
use super::store::SimBackend;
use super::zoo::Defect;

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
    pub(super) node: NodeId,
    pub(super) link: Arc<Link>,
    /// Set when the node is to shut down in good order.
    pub(super) stop: CancellationToken,
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
    pub(super) network: Arc<Network>,
    lives: Mutex<Vec<Life>>,
    program: Program,
    pub(super) nemesis: NodeId,
    /// The node that stays broken, if one does.
    pub(super) broken: Mutex<Option<usize>>,
    /// The processes that are over.
    pub(super) ended: Ended,
    /// What those did who assigned partitions.
    pub(super) steps: Arc<Steps>,
    /// What the store has seen of the items of a work-set.
    pub(super) items: Arc<Items>,
    /// Where the recipe keeps its entries.
    pub(super) collections: Vec<Collection>,
    /// Whether the clock of a suspended node stands still: a planted defect.
    pub(super) clock_stops: bool,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Builds the cluster of a run; nothing runs yet.
    #[must_use]
    pub(super) fn new(
        seed: u64,
        plan: Plan,
        defect: Option<Defect>,
        program: Program,
        collections: Vec<Collection>,
    ) -> Arc<Self> {
        let world = World::new(seed);
        let server = Server::new(&world, defect.and_then(Defect::of_store));
        let counters = Arc::new(Counters::default());
        let network = Network::new(&world, plan.weather, &counters);
        let nemesis = world.add_node(Clock::default());
        let recorder = Recorder::new(&world, nemesis, &counters, plan.weather.holds_nothing_up());
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
            ended: Ended::default(),
            steps: Arc::default(),
            items: Arc::default(),
            collections,
            clock_stops: defect == Some(Defect::ClockStopsInSuspend),
        })
    }

    pub(super) fn lives(&self) -> std::sync::MutexGuard<'_, Vec<Life>> {
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

    pub(super) fn birth(&self, index: usize, incarnation: u64) -> Life {
        let clock = self.world.draw(|random| Clock {
            offset: Duration::from_millis(
                random.below(u64::try_from(self.plan.clock_offset.as_millis()).unwrap_or(0)),
            ),
            rate_ppm: i64::try_from(random.below(2 * self.plan.clock_rate.unsigned_abs() + 1)).unwrap_or(0)
                - self.plan.clock_rate,
        });
        let node = self.world.add_node(clock);
        let runtime = self.world.runtime(node);
        Life {
            index,
            name: format!("n{index}"),
            incarnation,
            runtime,
            node,
            link: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    pub(super) fn boot(self: &Arc<Self>, life: Life) {
        self.recorder.started(&life);
        let node = life.node;
        self.world.spawn(node, (self.program)(Arc::clone(self), life));
    }

    /// Whether the life is over.
    pub(super) fn has_crashed(&self, life: &Life) -> bool {
        self.world.is_crashed(life.node)
    }

    /// Starts a task on the node of `life`.
    pub(super) fn spawn(&self, life: &Life, task: impl Future<Output = ()> + Send + 'static) {
        self.world.spawn(life.node, Box::pin(task));
    }

    /// The store as `life` reaches it.
    pub(super) fn backend(&self, life: &Life) -> Arc<SimBackend> {
        let (recorder, steps, process) = (Arc::clone(&self.recorder), Arc::clone(&self.steps), life.clone());
        let opened = Arc::new(move |session: &SessionId| {
            recorder.opened(&process, session);
            steps.opened(&process, session);
        });
        Arc::new(SimBackend::new(&self.server, &self.network, &life.link, self.plan.takes(), opened))
    }

    /// Connects a coordinator of `life`, as long as it takes.
    pub(super) async fn connect(self: &Arc<Self>, life: &Life) -> Coordinator {
        let backend = self.backend(life);
        loop {
            let connected = Coordinator::builder(backend.clone())
                .namespace(NAMESPACE)
                .node(life.name.clone())
                .ttl(self.plan.ttl)
                .connect_timeout(Duration::from_secs(5))
                .runtime(life.runtime.clone())
                .processes(Arc::new(Lives::new(life, &self.ended)))
                .connect()
                .await;
            match connected {
                Ok(coordinator) => {
                    let living = self.server.memory().faults().sessions(NAMESPACE, &life.name);
                    self.recorder.connected(life, &living);
                    self.stop_when_asked(life, coordinator.clone());
                    return coordinator;
                }
                Err(_unreachable) => self.world.sleep(Duration::from_millis(200)).await,
            }
        }
    }

    /// Shuts the node down in good order when that is asked for, and starts it again.
    fn stop_when_asked(self: &Arc<Self>, life: &Life, coordinator: Coordinator) {
        let (cluster, life_) = (Arc::clone(self), life.clone());
        self.spawn(life, async move {
            life_.stop.cancelled().await;
            let patience = Duration::from_millis(cluster.world.draw(|random| random.between(0, 2_000)));
            if coordinator.shutdown(patience).await.is_ok() {
                cluster.counters.add(Counter::ShutDown);
            }
            cluster.restart(&life_);
        });
    }

    /// Writes down everything that the store commits.
    pub(super) fn write_log(&self) {
        // The first run of a fresh cluster: nobody else has set it.
        self.server.log.set(Arc::clone(&self.recorder)).unwrap_or_default();
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

    /// How long a holder does nothing between two acts. Short once everything is healed: then those who wait are to be served soon.
    pub(super) fn pause(&self) -> Duration {
        let longest =
            if self.is_healed() { Duration::from_millis(300).min(self.plan.hold) } else { self.plan.hold };
        Duration::from_nanos(self.world.draw(|random| random.between(1_000_000, nanos(longest))))
    }

    /// Whether no further faults happen.
    pub(super) fn is_healed(&self) -> bool {
        self.world.now() >= self.recorder.start() + nanos(self.plan.safety)
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
