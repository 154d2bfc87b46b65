//! The suite on Redis: one server for all cases, and for each node of each case its own way to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ha_backend_redis::{RedisBackend, RedisConfig};
use ha_conformance::servers::redis::Redis;
use ha_conformance::servers::{Direction, Proxy};
use ha_conformance::{CommitFault, Fault, FaultKind, Faults, Harness, Missing, Store};
use ha_core::Error;
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{
    Backend, Capabilities, Key, Name, Outcome, Page, Session, SessionId, SessionRequest, Txn,
};

use super::forget;
use super::gateway::{Fate, Gateway, Kind};

/// How long a commit of a node that always yields takes before its effect, so that polls fall before it as well as after it.
const YIELD: Duration = Duration::from_millis(2);

/// Judges the backend on one server, with this number of ignored cases.
pub(crate) fn run(name: &'static str, ignored: usize) -> ExitCode {
    let server: &'static OnceLock<_> = Box::leak(Box::default());
    let code = ha_conformance::run(RedisHarness { name, server }, ignored);
    // What is never dropped is ended by the watchdog; the logs stay if somebody has a reason to look at them.
    if let Some(Ok(redis)) = server.get().filter(|_| code != ExitCode::SUCCESS) {
        redis.folder().keep();
        eprintln!("the logs of the server are in {}", redis.folder().path().display());
    }
    code
}

#[derive(Debug)]
struct RedisHarness {
    name: &'static str,
    server: &'static OnceLock<Result<Arc<Redis>, Missing>>,
}

impl Harness for RedisHarness {
    fn name(&self) -> &str {
        self.name
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        let start = || Redis::builder().start().map(Arc::new);
        let redis = Arc::clone(self.server.get_or_init(start).as_ref().map_err(Clone::clone)?);
        Ok(Arc::new(RedisStore(Arc::new(Site {
            redis,
            nodes: Mutex::default(),
            namespaces: Mutex::default(),
        }))))
    }

    fn ttl(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn margin(&self) -> Duration {
        Duration::from_secs(4)
    }
}

#[derive(Clone, Debug)]
struct RedisStore(Arc<Site>);

/// The server as one case sees it.
#[derive(Debug)]
struct Site {
    redis: Arc<Redis>,
    nodes: Mutex<BTreeMap<Name, Arc<Node>>>,
    /// What the case has used.
    namespaces: Mutex<BTreeSet<Name>>,
}

/// The way of one node to the server, and what happens on it. The gateway decides about commands; the proxy in front of it is what the node connects to.
#[derive(Debug)]
struct Node {
    proxy: Proxy,
    _gateway: Gateway,
    faults: Arc<Mutex<NodeFaults>>,
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
        let node = nodes.entry(name.clone()).or_insert_with(|| Arc::new(Node::new(&self.redis)));
        Arc::clone(node)
    }

    fn backend(&self, address: std::net::SocketAddr) -> Arc<dyn Backend> {
        // Each case has a namespace of its own, and nobody empties the server.
        let config = RedisConfig::new(address.ip().to_string(), address.port()).trust_first_use();
        Arc::new(RedisBackend::new(config))
    }

    /// A session of the administrator, past all faults.
    async fn administrator(&self, namespace: &Name) -> Arc<dyn Session> {
        let runtime = Arc::new(TokioRuntime::current().unwrap());
        let node = Name::parse("administrator").unwrap();
        let request = SessionRequest::observer(namespace.clone(), node, runtime);
        let request = request.with_ttl(Duration::from_secs(60));
        self.backend(self.redis.server(0).address()).open_session(request).await.unwrap()
    }

    async fn delete(&self, namespace: &Name, key: &Key) {
        let administrator = self.administrator(namespace).await;
        let listing = administrator.list(key.collection(), Page::by_name(Page::MAX_LIMIT)).await.unwrap();
        let entry = listing.entries().iter().find(|entry| entry.key() == key).unwrap();
        let deleted = administrator.commit(Txn::new().delete(entry.stamp().clone())).await.unwrap();
        assert!(matches!(deleted, Outcome::Committed(_)), "{key} changed at that moment: {deleted:?}");
        administrator.close().await.unwrap();
    }

    /// Lets the ttl of a session have passed, and somebody come by.
    async fn expire(&self, session: &SessionId) {
        let server = self.redis.server(0);
        let has_it = |key: &&String| !server.tell(&["ZSCORE", key, session.as_str()]).is_empty();
        let keys = server.tell(&["KEYS", "*:deadlines"]);
        let key = keys.iter().find(has_it).unwrap();
        server.tell(&["ZADD", key, "1", session.as_str()]);
        let namespace = key.split(['{', '}']).nth(1).unwrap();
        let passer_by = self.administrator(&Name::parse(namespace).unwrap()).await;
        passer_by.close().await.unwrap();
    }
}

impl Node {
    fn new(redis: &Redis) -> Self {
        let faults = Arc::new(Mutex::new(NodeFaults::default()));
        let decided = Arc::clone(&faults);
        let gateway = Gateway::start(redis.server(0).address(), move |kind| lock(&decided).fate(kind));
        Self { proxy: Proxy::start(gateway.address()), _gateway: gateway, faults }
    }

    fn faults(&self) -> MutexGuard<'_, NodeFaults> {
        lock(&self.faults)
    }

    /// Keeps the node from following the log for so long that it gives up its place there. One connection that breaks is no interruption.
    async fn interrupt(&self) {
        let tried = self.proxy.connections() + 5;
        self.proxy.answer("-LOADING Redis is loading the dataset in memory\r\n");
        let until_tried = async {
            while self.proxy.connections() < tried {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), until_tried).await.unwrap();
        self.proxy.heal();
    }
}

impl NodeFaults {
    fn fate(&mut self, kind: Kind) -> Fate {
        match kind {
            Kind::Renewal if self.fail_renewals => return Fate::LoseRequest,
            Kind::Commit => {}
            _ => return Fate::Pass,
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

impl Store for RedisStore {
    fn connect(&self, node: &Name) -> Arc<dyn Backend> {
        let backend = self.0.backend(self.0.node(node).proxy.address());
        Arc::new(Noting { backend, site: Arc::clone(&self.0) })
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(self.clone()))
    }
}

/// The backend of a node. It notes which namespaces are used, which is what the server can forget.
#[derive(Debug)]
struct Noting {
    backend: Arc<dyn Backend>,
    site: Arc<Site>,
}

#[async_trait]
impl Backend for Noting {
    fn capabilities(&self) -> &Capabilities {
        self.backend.capabilities()
    }

    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error> {
        lock(&self.site.namespaces).insert(request.namespace.clone());
        self.backend.open_session(request).await
    }
}

#[async_trait]
impl Faults for RedisStore {
    fn offers(&self, _: FaultKind) -> bool {
        true
    }

    async fn inject(&self, fault: Fault) {
        let site = &self.0;
        match fault {
            Fault::Commits(node, each) => site.node(&node).faults().commits = each.into(),
            Fault::Cut(node) => {
                let node = site.node(&node);
                node.proxy.hold(Direction::ToServer);
                node.proxy.hold(Direction::ToClient);
            }
            Fault::CutReplies(node) => site.node(&node).proxy.hold(Direction::ToClient),
            Fault::Heal(node) => {
                let node = site.node(&node);
                node.faults().fail_renewals = false;
                node.proxy.heal();
            }
            Fault::Slow(node, delay) => site.node(&node).proxy.delay(delay, Duration::ZERO),
            Fault::FailRenewals(node) => site.node(&node).faults().fail_renewals = true,
            Fault::YieldAlways(node) => site.node(&node).faults().yield_always = true,
            Fault::InterruptWatches(node) => site.node(&node).interrupt().await,
            Fault::Expire(session) => site.expire(&session).await,
            Fault::Delete(namespace, key) => site.delete(&namespace, &key).await,
            Fault::Record => {
                lock(&site.namespaces).iter().for_each(|name| forget::record(site.redis.server(0), name))
            }
            Fault::Forget(hold) => {
                lock(&site.namespaces)
                    .iter()
                    .for_each(|name| forget::forget(site.redis.server(0), name, hold));
            }
            other => panic!("not offered: {other:?}"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
