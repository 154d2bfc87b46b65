//! The suite on ZooKeeper: one ensemble for all cases, and for each node of each case its own way to every server.

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ha_backend_zk::{ZkBackend, ZkConfig};
use ha_conformance::servers::zookeeper::{Fate, Gateway, Member, ZooKeeper};
use ha_conformance::servers::{Direction, Proxy};
use ha_conformance::{CommitFault, Fault, FaultKind, Faults, Harness, Missing, Store, Ways};
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{Backend, Key, Name, Outcome, Page, Session, SessionRequest, Txn};

use super::wire;

/// How long a commit of a node that always yields takes before its effect, so that polls fall before it as well as after it.
const YIELD: Duration = Duration::from_millis(2);

/// Judges the backend on so many servers, with this number of ignored cases.
pub(crate) fn run(name: &'static str, members: usize, ignored: usize) -> ExitCode {
    let ensemble: &'static OnceLock<_> = Box::leak(Box::default());
    let code = ha_conformance::run(ZkHarness { name, members, ensemble }, ignored);
    // What is never dropped is ended by the watchdog; the logs stay if somebody has a reason to look at them.
    if let Some(Ok(zookeeper)) = ensemble.get().filter(|_| code != ExitCode::SUCCESS) {
        zookeeper.folder().keep();
        eprintln!("the logs of the servers are in {}", zookeeper.folder().path().display());
    }
    code
}

#[derive(Debug)]
struct ZkHarness {
    name: &'static str,
    members: usize,
    ensemble: &'static OnceLock<Result<Arc<ZooKeeper>, Missing>>,
}

impl Harness for ZkHarness {
    fn name(&self) -> &str {
        self.name
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        let start = || ZooKeeper::builder().members(self.members).start().map(Arc::new);
        let zookeeper = Arc::clone(self.ensemble.get_or_init(start).as_ref().map_err(Clone::clone)?);
        let site = Site { zookeeper, nodes: Mutex::default(), ways: Ways::new(Duration::from_secs(2)) };
        Ok(Arc::new(ZkStore(Arc::new(site))))
    }

    /// A grant is valid for half of it.
    fn ttl(&self) -> Duration {
        Duration::from_secs(3)
    }

    fn margin(&self) -> Duration {
        Duration::from_secs(4)
    }
}

#[derive(Clone, Debug)]
struct ZkStore(Arc<Site>);

/// The ensemble as one case sees it.
#[derive(Debug)]
struct Site {
    zookeeper: Arc<ZooKeeper>,
    nodes: Mutex<BTreeMap<Name, Arc<Node>>>,
    /// Where renewals fail: on the wire they look like what goes in front of a listing.
    ways: Ways,
}

/// The ways of one node to the servers, and what happens on them.
#[derive(Debug)]
struct Node {
    roads: Vec<Road>,
    faults: Arc<Mutex<NodeFaults>>,
}

/// The gateway decides about requests; the proxy in front of it is what the node connects to.
#[derive(Debug)]
struct Road {
    proxy: Proxy,
    _gateway: Gateway,
}

#[derive(Debug, Default)]
struct NodeFaults {
    commits: VecDeque<CommitFault>,
    yield_always: bool,
}

impl Site {
    fn node(&self, name: &Name) -> Arc<Node> {
        let mut nodes = lock(&self.nodes);
        let node = nodes.entry(name.clone()).or_insert_with(|| Arc::new(Node::new(&self.zookeeper)));
        Arc::clone(node)
    }

    fn backend(&self, servers: impl Iterator<Item = String>) -> Arc<dyn Backend> {
        Arc::new(ZkBackend::new(ZkConfig::new(servers).unwrap()))
    }

    /// A session of the administrator, past all faults.
    async fn administrator(&self, namespace: &Name) -> Arc<dyn Session> {
        let runtime = Arc::new(TokioRuntime::current().unwrap());
        let node = Name::parse("administrator").unwrap();
        let request = SessionRequest::observer(namespace.clone(), node, runtime);
        let request = request.with_ttl(Duration::from_secs(60));
        self.backend(self.zookeeper.addresses().into_iter()).open_session(request).await.unwrap()
    }

    async fn delete(&self, namespace: &Name, key: &Key) {
        let administrator = self.administrator(namespace).await;
        let listing = administrator.list(key.collection(), Page::by_name(Page::MAX_LIMIT)).await.unwrap();
        let entry = listing.entries().iter().find(|entry| entry.key() == key).unwrap();
        let deleted = administrator.commit(Txn::new().delete(entry.stamp().clone())).await.unwrap();
        assert!(matches!(deleted, Outcome::Committed(_)), "{key} changed at that moment: {deleted:?}");
        administrator.close().await.unwrap();
    }
}

impl Node {
    fn new(zookeeper: &ZooKeeper) -> Self {
        let faults = Arc::new(Mutex::new(NodeFaults::default()));
        let road = |member: &Member| {
            let faults = Arc::clone(&faults);
            let gateway = Gateway::start(member.client_address(), move |request| lock(&faults).fate(request));
            Road { proxy: Proxy::start(gateway.address()), _gateway: gateway }
        };
        Self { roads: zookeeper.members().iter().map(road).collect(), faults }
    }

    fn each(&self, break_it: impl Fn(&Proxy)) {
        self.roads.iter().for_each(|road| break_it(&road.proxy));
    }

    fn faults(&self) -> MutexGuard<'_, NodeFaults> {
        lock(&self.faults)
    }
}

impl NodeFaults {
    fn fate(&mut self, request: &[u8]) -> Fate {
        if !wire::is_commit(request) {
            return Fate::Pass;
        }
        match self.commits.pop_front() {
            Some(CommitFault::LoseRequest) => Fate::LoseRequest,
            Some(CommitFault::LoseReply) => Fate::LoseReply,
            Some(CommitFault::Delay(delay)) => Fate::Delay(delay),
            _ if self.yield_always => Fate::Delay(YIELD),
            _ => Fate::Pass,
        }
    }
}

impl Store for ZkStore {
    fn connect(&self, node: &Name) -> Arc<dyn Backend> {
        let roads = self.0.node(node);
        let backend = self.0.backend(roads.roads.iter().map(|road| road.proxy.address().to_string()));
        self.0.ways.lead(node, backend)
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Faults for ZkStore {
    /// An ensemble that was restored from a backup ends all sessions of the backend.
    fn offers(&self, kind: FaultKind) -> bool {
        kind != FaultKind::Forget
    }

    async fn inject(&self, fault: Fault) {
        let site = &self.0;
        match fault {
            Fault::Commits(node, each) => site.node(&node).faults().commits = each.into(),
            Fault::Cut(node) => site.node(&node).each(|way| {
                way.hold(Direction::ToServer);
                way.hold(Direction::ToClient);
            }),
            Fault::CutReplies(node) => site.node(&node).each(|way| way.hold(Direction::ToClient)),
            Fault::Heal(node) => {
                site.node(&node).each(Proxy::heal);
                site.ways.inject(Fault::Heal(node)).await;
            }
            Fault::Slow(node, delay) => site.node(&node).each(|way| way.delay(delay, Duration::ZERO)),
            Fault::FailRenewals(_) => site.ways.inject(fault).await,
            Fault::YieldAlways(node) => site.node(&node).faults().yield_always = true,
            Fault::InterruptWatches(node) => site.node(&node).each(Proxy::reset),
            Fault::Expire(session) => {
                let administrator = site.administrator(&Name::parse("any").unwrap()).await;
                administrator.end(&session).await.unwrap();
                administrator.close().await.unwrap();
            }
            Fault::Delete(namespace, key) => site.delete(&namespace, &key).await,
            other => panic!("not offered: {other:?}"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
