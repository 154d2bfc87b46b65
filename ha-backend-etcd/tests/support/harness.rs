//! The suite on etcd: one cluster for all cases, and for each node of each case its own way to every member.

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ha_backend_etcd::{EtcdBackend, EtcdConfig};
use ha_conformance::servers::etcd::Etcd;
use ha_conformance::servers::{Call, Direction, Fate, Gateway, Proxy};
use ha_conformance::{CommitFault, Fault, FaultKind, Faults, Harness, Missing, Store};
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{Backend, Key, Name, Outcome, Page, Session, SessionId, SessionRequest, Txn};

use super::wire;

/// How long a commit of a node that always yields takes before its effect, so that polls fall before it as well as after it.
const YIELD: Duration = Duration::from_millis(2);

/// The path of a renewal.
const KEEP_ALIVE: &str = "/etcdserverpb.Lease/LeaseKeepAlive";

/// What etcd answers to a renewal that it cannot pass on to the leader.
const UNAVAILABLE: u16 = 14;

/// Judges the backend on so many members of `program`, with this number of ignored cases.
pub(crate) fn run(name: &'static str, program: &'static str, members: usize, ignored: usize) -> ExitCode {
    let cluster: &'static OnceLock<_> = Box::leak(Box::default());
    let code = ha_conformance::run(EtcdHarness { name, program, members, cluster }, ignored);
    // What is never dropped is ended by the watchdog; the logs stay if somebody has a reason to look at them.
    if let Some(Ok(etcd)) = cluster.get().filter(|_| code != ExitCode::SUCCESS) {
        etcd.folder().keep();
        eprintln!("the logs of the servers are in {}", etcd.folder().path().display());
    }
    code
}

#[derive(Debug)]
struct EtcdHarness {
    name: &'static str,
    program: &'static str,
    members: usize,
    cluster: &'static OnceLock<Result<Arc<Etcd>, Missing>>,
}

impl Harness for EtcdHarness {
    fn name(&self) -> &str {
        self.name
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        let start = || Etcd::builder().program(self.program).members(self.members).start().map(Arc::new);
        let etcd = Arc::clone(self.cluster.get_or_init(start).as_ref().map_err(Clone::clone)?);
        Ok(Arc::new(EtcdStore(Arc::new(Site { etcd, nodes: Mutex::default() }))))
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn margin(&self) -> Duration {
        Duration::from_secs(4)
    }
}

#[derive(Clone, Debug)]
struct EtcdStore(Arc<Site>);

/// The cluster as one case sees it.
#[derive(Debug)]
struct Site {
    etcd: Arc<Etcd>,
    nodes: Mutex<BTreeMap<Name, Arc<Node>>>,
}

/// The ways of one node to the members, and what happens on them.
#[derive(Debug)]
struct Node {
    ways: Vec<Way>,
    faults: Arc<Mutex<NodeFaults>>,
}

/// The gateway decides about requests; the proxy in front of it is what the node connects to.
#[derive(Debug)]
struct Way {
    proxy: Proxy,
    _gateway: Gateway,
}

#[derive(Debug, Default)]
struct NodeFaults {
    commits: VecDeque<CommitFault>,
    fail_renewals: bool,
    yield_always: bool,
}

impl Site {
    fn node(&self, name: &Name) -> Arc<Node> {
        let mut nodes = lock(&self.nodes);
        let node = nodes.entry(name.clone()).or_insert_with(|| Arc::new(Node::new(&self.etcd)));
        Arc::clone(node)
    }

    fn backend(&self, endpoints: impl Iterator<Item = String>) -> Arc<dyn Backend> {
        Arc::new(EtcdBackend::new(EtcdConfig::new(endpoints).unwrap()))
    }

    /// A session of the administrator, past all faults.
    async fn administrator(&self, namespace: &Name) -> Arc<dyn Session> {
        let members = self.etcd.members().iter().map(|member| member.client_address().to_string());
        let runtime = Arc::new(TokioRuntime::current().unwrap());
        let node = Name::parse("administrator").unwrap();
        let request = SessionRequest::observer(namespace.clone(), node, runtime);
        let request = request.with_ttl(Duration::from_secs(60));
        self.backend(members).open_session(request).await.unwrap()
    }

    async fn delete(&self, namespace: &Name, key: &Key) {
        let administrator = self.administrator(namespace).await;
        let listing = administrator.list(key.collection(), Page::by_name(Page::MAX_LIMIT)).await.unwrap();
        let entry = listing.entries().iter().find(|entry| entry.key() == key).unwrap();
        let deleted = administrator.commit(Txn::new().delete(entry.stamp().clone())).await.unwrap();
        assert!(matches!(deleted, Outcome::Committed(_)), "{key} changed at that moment: {deleted:?}");
        administrator.close().await.unwrap();
    }

    /// Revokes the lease behind a session: what etcd itself does when its ttl has passed.
    async fn expire(&self, session: &SessionId) {
        let lease = i64::from_str_radix(session.as_str(), 16).unwrap();
        let mut client = etcd_client::Client::connect(self.etcd.urls(), None).await.unwrap();
        client.lease_revoke(lease).await.unwrap();
    }
}

impl Node {
    fn new(etcd: &Etcd) -> Self {
        let faults = Arc::new(Mutex::new(NodeFaults::default()));
        let way = |member: &ha_conformance::servers::etcd::Member| {
            let faults = Arc::clone(&faults);
            let gateway = Gateway::start(member.client_address(), move |call| lock(&faults).fate(call));
            Way { proxy: Proxy::start(gateway.address()), _gateway: gateway }
        };
        Self { ways: etcd.members().iter().map(way).collect(), faults }
    }

    fn each(&self, break_it: impl Fn(&Proxy)) {
        self.ways.iter().for_each(|way| break_it(&way.proxy));
    }

    fn faults(&self) -> MutexGuard<'_, NodeFaults> {
        lock(&self.faults)
    }
}

impl NodeFaults {
    fn fate(&mut self, call: &Call<'_>) -> Fate {
        if call.path == KEEP_ALIVE && self.fail_renewals {
            return Fate::Refuse(UNAVAILABLE, "etcdserver: request timed out");
        }
        if call.path != wire::TXN || !wire::is_commit(call.message) {
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

impl Store for EtcdStore {
    fn connect(&self, node: &Name) -> Arc<dyn Backend> {
        let node = self.0.node(node);
        self.0.backend(node.ways.iter().map(|way| way.proxy.address().to_string()))
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Faults for EtcdStore {
    /// A cluster that was restored from a backup ends all sessions of the backend: it has tests of its own.
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
                let node = site.node(&node);
                node.faults().fail_renewals = false;
                node.each(Proxy::heal);
            }
            Fault::Slow(node, delay) => site.node(&node).each(|way| way.delay(delay, Duration::ZERO)),
            Fault::FailRenewals(node) => site.node(&node).faults().fail_renewals = true,
            Fault::YieldAlways(node) => site.node(&node).faults().yield_always = true,
            Fault::InterruptWatches(node) => site.node(&node).each(Proxy::reset),
            Fault::Expire(session) => site.expire(&session).await,
            Fault::Delete(namespace, key) => site.delete(&namespace, &key).await,
            other => panic!("not offered: {other:?}"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
