//! Where the tests happen.

use std::sync::Arc;
use std::time::Duration;

use ha_backend_zk::{ZkBackend, ZkConfig};
use ha_conformance::history::Event;
use ha_conformance::invariants::Bounds;
use ha_conformance::servers::holder::{Holder, Site};
use ha_conformance::servers::zookeeper::ZooKeeper;
use ha_conformance::servers::{Program, Scene};
use ha_core::StoreUrl;
use ha_core::runtime::TokioRuntime;
use ha_core::spi::{Backend, Name, Session, SessionRequest};
use tokio::runtime::Runtime;

/// A grant survives an outage of a third of it. A leader that is frozen is missed after two seconds, and then the others elect another one.
pub(crate) const TTL: Duration = Duration::from_secs(15);

/// How long anything may take that happens at all, on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The namespace of every test: each has an ensemble of its own.
pub(crate) const NAMESPACE: &str = "faults";

/// What is missing on this machine.
pub(crate) fn missing() -> Option<String> {
    Program::find("zookeeper").err().map(|missing| missing.to_string())
}

/// Whether it must not be missing.
pub(crate) fn is_required() -> bool {
    let is = |name: &str, wanted: &str| std::env::var_os(name).is_some_and(|value| value == wanted);
    is("HA_TEST_REQUIRE", "1") && !is("HA_TEST_SERVERS", "0")
}

/// Three servers.
pub(crate) fn ensemble() -> ZooKeeper {
    servers(3)
}

/// So many servers, which know each other.
pub(crate) fn servers(members: usize) -> ZooKeeper {
    match ZooKeeper::builder().members(members).start() {
        Ok(zookeeper) => zookeeper,
        Err(missing) => panic!("{missing}"),
    }
}

/// The URL of all servers, as a user writes it.
pub(crate) fn url(zookeeper: &ZooKeeper) -> String {
    format!("zk://{}/faults", zookeeper.addresses().join(","))
}

/// A backend, as a process builds it from its URL.
pub(crate) fn connect(url: &str) -> Arc<dyn Backend> {
    let url = StoreUrl::parse(url).unwrap();
    Arc::new(ZkBackend::new(ZkConfig::from_url(&url).unwrap()))
}

/// What makes another backend of a backend.
pub(crate) type Wrap<'a> = &'a dyn Fn(Arc<dyn Backend>) -> Arc<dyn Backend>;

/// Where holders find the ensemble.
pub(crate) fn scene(zookeeper: &ZooKeeper) -> Scene {
    scene_at(url(zookeeper))
}

/// Holders that find the ensemble at `url`.
pub(crate) fn scene_at(url: String) -> Scene {
    Scene::new(Site::new(url, NAMESPACE, TTL))
}

/// What histories on a busy machine are judged by. Tight is what must never happen; what must happen may be late.
pub(crate) fn bounds() -> Bounds {
    let mut bounds = Bounds::new(TTL);
    bounds.loss_notice = u64::try_from(Duration::from_millis(500).as_nanos()).unwrap();
    bounds.recovery = u64::try_from(LONG.as_nanos()).unwrap();
    bounds.expiry_slack = u64::try_from((TTL * 3).as_nanos()).unwrap();
    bounds
}

/// A runtime of the test.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A session of `node` that does not run out within a test.
pub(crate) async fn session(backend: &dyn Backend, node: &str) -> Arc<dyn Session> {
    let runtime = Arc::new(TokioRuntime::current().unwrap());
    let namespace = Name::parse(NAMESPACE).unwrap();
    let request = SessionRequest::observer(namespace, Name::parse(node).unwrap(), runtime);
    backend.open_session(request.with_ttl(Duration::from_secs(120))).await.unwrap()
}

/// How often `holder` was granted what it wants.
pub(crate) fn grants(holder: &Holder) -> usize {
    holder.count(|event| matches!(event, Event::Granted { .. }))
}

/// Lets each of the holders get something once more, then ends them, and judges all that happened.
pub(crate) fn finish(scene: &Scene, holders: &mut [Holder]) {
    scene.calm();
    for holder in holders.iter_mut() {
        let so_far = grants(holder);
        holder.wait_for_grant(so_far + 1, LONG);
    }
    end(scene, holders);
}

/// Ends the holders and judges all that happened: also that nothing of them is left in the store.
pub(crate) fn end(scene: &Scene, holders: &mut [Holder]) {
    holders.iter_mut().for_each(Holder::end);
    scene.judge(&bounds());
}
