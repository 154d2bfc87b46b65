//! Nodes for tests, which can be killed and frozen with all that runs on them.

use std::sync::Arc;
use std::time::Duration;

use ha::Coordinator;
use ha::election::Observation;
use ha::memory::MemoryBackend;
use ha::runtime::{BoxFuture, Runtime, TokioRuntime};

use crate::stand_in::StandIn;

/// How long others wait for a node that died.
const TTL: Duration = Duration::from_millis(300);

/// Some nodes on one store, and two connections that survive.
pub(crate) struct Platform {
    nodes: Vec<Node>,
    writer: Coordinator,
    observer: Coordinator,
}

impl Platform {
    pub(crate) async fn new<const N: usize>(names: [&'static str; N]) -> Self {
        let store = Arc::new(MemoryBackend::new());
        let mut nodes = Vec::new();
        for name in names {
            let process = StandIn::start(Arc::new(TokioRuntime::current().unwrap()));
            let builder = Coordinator::builder(store.clone()).node(name).ttl(TTL);
            let coordinator = builder.runtime(Arc::new(process.clone())).connect().await.unwrap();
            nodes.push(Node { name, process, coordinator });
        }
        let writer = Coordinator::builder(store.clone()).node("writer").connect().await.unwrap();
        let observer = Coordinator::builder(store).node("observer").observer().connect().await.unwrap();
        Self { nodes, writer, observer }
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    pub(crate) fn node(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.name == name).unwrap()
    }

    pub(crate) fn writer(&self) -> &Coordinator {
        &self.writer
    }

    pub(crate) fn observer(&self) -> &Coordinator {
        &self.observer
    }

    /// Who leads, and in which term, as soon as somebody does.
    pub(crate) async fn leader(&self, election: &str) -> (String, u64) {
        self.next_leader(election, &(String::new(), 0)).await
    }

    /// Who leads after that one: within a ttl and a second.
    pub(crate) async fn next_leader(&self, election: &str, before: &(String, u64)) -> (String, u64) {
        let mut observer = self.observer.election(election).unwrap().observe();
        let next = async {
            loop {
                match observer.next().await.unwrap() {
                    Observation::Leader(leader) if leader.term.as_u64() > before.1 => {
                        return (leader.node, leader.term.as_u64());
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(TTL + Duration::from_secs(1), next).await.unwrap()
    }
}

/// One of them.
pub(crate) struct Node {
    name: &'static str,
    process: StandIn,
    coordinator: Coordinator,
}

impl Node {
    /// Runs a service on it.
    pub(crate) fn start(
        &self,
        service: impl FnOnce(Coordinator, Arc<dyn Runtime>) -> BoxFuture<'static, ()>,
    ) {
        let clock: Arc<dyn Runtime> = Arc::new(self.process.clone());
        self.process.spawn("service", service(self.coordinator.clone(), clock));
    }

    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    pub(crate) fn resume(&self) {
        self.process.resume();
    }
}
