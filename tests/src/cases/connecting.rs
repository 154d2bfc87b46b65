//! Connecting, and everything that can be asked for wrongly: each a clear error.

use std::future::Future;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use ha_core::spi::{Collection, Name, Naming, Scope, Txn};
use ha_core::{Error, ErrorKind, Heartbeat, Ttl};

use crate::case::Need;
use crate::clock::Stopwatch;
use crate::context::{Context, name};
use crate::faults::{Fault, FaultKind};
use crate::verbs::{Verbs, refused};

crate::case::cases! {
    "connecting";
    bad_names_are_refused_wherever_they_enter { guarantee: "G58" }
    names_at_the_limits_are_taken { guarantee: "G58" }
    a_ttl_that_cannot_be_kept_is_refused { guarantee: "G58" }
    a_backend_whose_grants_hold_too_little_is_refused { guarantee: "G58" }
    an_observer_can_hold_nothing { guarantee: "G58" }
    a_heartbeat_without_a_sensible_limit_is_refused { guarantee: "G58" }
    a_store_that_cannot_be_reached_is_an_error_in_time { guarantee: "G58", needs: [Need::Fault(FaultKind::Cut)] }
    a_way_that_takes_a_sixth_of_the_validity_is_short_enough { guarantee: "G54", needs: [Need::Fault(FaultKind::Slow)] }
    futures_work_without_a_runtime_of_the_user { guarantee: "G55" }
    a_namespace_of_a_newer_format_is_refused { guarantee: "G59" }
    a_namespace_with_a_broken_record_is_refused { guarantee: "G59" }
    nodes_of_one_namespace_write_its_record_once { guarantee: "G59" }
    a_raised_base_lifts_the_tokens_of_later_sessions { guarantee: "G59" }
}

/// The error names what was wrong, and reads like a message.
fn assert_clear(error: &Error, kind: ErrorKind, mentions: &str) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(mentions), "{mentions:?} is not mentioned in: {text}");
    assert!(text.starts_with("cannot ") && !text.ends_with('.') && text.len() < 400, "{text}");
}

const BAD_NAMES: [&str; 3] = ["", "_ha", "_ha/x"];

async fn bad_names_are_refused_wherever_they_enter(cx: Context) {
    let node = cx.node("node").await;
    let long = "x".repeat(Name::MAX_BYTES + 1);
    for bad in BAD_NAMES.into_iter().chain([long.as_str()]) {
        let shown = bad.get(..20).unwrap_or(bad);
        assert_clear(&node.mutex(bad).unwrap_err(), ErrorKind::InvalidInput, shown);
        assert_clear(&node.election(bad).unwrap_err(), ErrorKind::InvalidInput, shown);
        let election = node.election("timers").unwrap();
        assert_clear(&election.requires(bad).unwrap_err(), ErrorKind::InvalidInput, shown);
        for builder in [
            cx.builder("node").node(bad),
            cx.builder("node").namespace(bad),
            cx.builder("node").capability(bad),
        ] {
            assert_clear(&builder.connect().await.unwrap_err(), ErrorKind::InvalidInput, shown);
        }
    }
}

async fn names_at_the_limits_are_taken(cx: Context) {
    let longest = "ä".repeat(Name::MAX_BYTES / 2);
    let node = cx.builder(&longest).capability(&*longest).connect().await.unwrap();
    for taken in ["x", longest.as_str(), "__ha", "a_ha", "\0", "/", ".."] {
        let guard = cx.within("the lock", 10, node.mutex(taken).unwrap().acquire()).await.unwrap();
        assert_eq!(guard.name(), taken);
        let election = node.election(taken).unwrap().requires(&longest).unwrap();
        let leading = cx.within("leadership", 10, election.campaign()).await.unwrap();
        assert_eq!(leading.name(), taken);
    }
    assert_eq!((node.node(), node.namespace()), (longest.as_str(), cx.namespace().as_str()));
}

async fn a_ttl_that_cannot_be_kept_is_refused(cx: Context) {
    let capabilities = cx.connect_as("node").capabilities().clone();
    let tiny = Duration::from_nanos(1);
    for ttl in [
        Duration::ZERO,
        tiny,
        Duration::MAX,
        Ttl::MAX + tiny,
        capabilities.ttl_min - tiny,
        capabilities.ttl_max + tiny,
    ] {
        let error = cx.builder("node").ttl(ttl).connect().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported), "{ttl:?}: {error}");
        assert_clear(&error, error.kind(), "ttl");
    }
    let node = cx.builder("node").ttl(cx.ttl()).connect().await.unwrap();
    assert!(node.granted_ttl() >= Some(cx.ttl()));
}

async fn a_backend_whose_grants_hold_too_little_is_refused(cx: Context) {
    let capabilities = cx.connect_as("node").capabilities().clone();
    for scope in [Scope::Threads, Scope::Processes, Scope::Hosts] {
        let connected = cx.builder("node").require(scope).connect().await;
        if scope <= capabilities.scope {
            drop(connected.unwrap());
        } else {
            assert_clear(&connected.unwrap_err(), ErrorKind::Unsupported, capabilities.backend);
        }
    }
}

async fn an_observer_can_hold_nothing(cx: Context) {
    let node = cx.builder("watching").observer().connect().await.unwrap();
    assert_eq!(node.granted_ttl(), None);
    assert_clear(&node.mutex("deploy").unwrap_err(), ErrorKind::Unsupported, "observer");
    let election = node.election("timers").unwrap();
    assert_clear(&election.campaign().await.unwrap_err(), ErrorKind::Unsupported, "observer");
    assert_clear(&election.run(|_| async {}).await.unwrap_err(), ErrorKind::Unsupported, "observer");
}

async fn a_heartbeat_without_a_sensible_limit_is_refused(_cx: Context) {
    for limit in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        assert_clear(&Heartbeat::new(limit).unwrap_err(), ErrorKind::InvalidInput, "heartbeat");
        refused(Heartbeat::checked(limit, || true), ErrorKind::InvalidInput);
    }
}

async fn a_store_that_cannot_be_reached_is_an_error_in_time(cx: Context) {
    cx.inject(Fault::Cut(name("node"))).await;
    let started = Stopwatch::start();
    let timeout = cx.ttl() * 2;
    let connecting = cx.builder("node").connect_timeout(timeout).connect();
    let error = cx.within("an answer", 10, connecting).await.unwrap_err();
    assert_clear(&error, ErrorKind::Unavailable, "open a session");
    assert!(started.elapsed() >= timeout / 2, "it tries for a while");
    cx.inject(Fault::Heal(name("node"))).await;
    let node = cx.within("a connection", 10, cx.builder("node").connect()).await.unwrap();
    assert!(cx.within("the lock", 10, node.mutex("deploy").unwrap().acquire()).await.unwrap().is_valid());
}

async fn a_way_that_takes_a_sixth_of_the_validity_is_short_enough(cx: Context) {
    let per_mille = cx.connect_as("node").capabilities().validity_per_mille;
    let usable = cx.ttl() * per_mille / 1_000;
    cx.inject(Fault::Slow(name("node"), usable / 12)).await;
    let connecting = cx.builder("node").ttl(cx.ttl()).connect_timeout(cx.ttl() * 20).connect();
    let node = cx.within("a connection", 30, connecting).await.unwrap();
    let guard = cx.within("the lock", 30, node.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(guard.is_valid());
}

/// Wakes a thread.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives a future on this thread, with nothing of a runtime around it.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
        std::thread::park();
    }
}

async fn futures_work_without_a_runtime_of_the_user(cx: Context) {
    let builders = [cx.builder("first"), cx.builder("second")];
    let plain = std::thread::spawn(move || {
        let [first, second] = builders.map(|builder| block_on(builder.connect()).unwrap());
        let guard = block_on(first.mutex("deploy").unwrap().acquire()).unwrap();
        let contended = second.mutex("deploy").unwrap();
        refused(block_on(contended.acquire_timeout(Duration::from_millis(20))), ErrorKind::Timeout);
        block_on(guard.release()).unwrap();
        drop(block_on(contended.acquire()).unwrap());
        let output = block_on(first.election("timers").unwrap().run(|grant| async move { grant.is_valid() }));
        block_on(first.shutdown(Duration::from_secs(20))).unwrap();
        output.unwrap()
    });
    let joined = tokio::task::spawn_blocking(move || plain.join());
    assert!(cx.within("the thread ends", 20, joined).await.unwrap().unwrap());
}

/// Puts a record into the namespace before anybody connects.
async fn with_record(cx: &Context, record: &'static str) -> Error {
    let key = Collection::parse(&["_ha"]).unwrap().key(name("format"));
    cx.session().await.apply(Txn::new().create_persistent(key, record, Naming::Reusable)).await;
    cx.within("an answer", 20, cx.builder("node").connect()).await.unwrap_err()
}

async fn a_namespace_of_a_newer_format_is_refused(cx: Context) {
    let error = with_record(&cx, r#"{"format":99,"token_base":0}"#).await;
    assert_clear(&error, ErrorKind::Incompatible, "99");
}

async fn a_namespace_with_a_broken_record_is_refused(cx: Context) {
    let error = with_record(&cx, "by hand").await;
    assert_clear(&error, ErrorKind::Corrupt, "namespace");
}

async fn nodes_of_one_namespace_write_its_record_once(cx: Context) {
    let judge = cx.session().await;
    let mut tasks = tokio::task::JoinSet::new();
    for node in 0..8 {
        tasks.spawn(cx.builder(&format!("node-{node}")).connect());
    }
    let nodes: Vec<_> = tasks.join_all().await.into_iter().map(Result::unwrap).collect();
    let records = judge.all(&Collection::parse(&["_ha"]).unwrap()).await;
    let [record] = &records[..] else { panic!("one record, not {records:?}") };
    assert_eq!(
        (record.created(), record.owner()),
        (record.stamp().modified(), None),
        "written once, for good"
    );
    assert_eq!(nodes.len(), 8);
}

async fn a_raised_base_lifts_the_tokens_of_later_sessions(cx: Context) {
    let first = cx.node("first").await;
    let before = first.mutex("deploy").unwrap().acquire().await.unwrap();
    let base = 1_000_000;
    assert_eq!(first.raise_token_base(base).await.unwrap(), base);
    assert_eq!(first.raise_token_base(base / 2).await.unwrap(), base, "it never goes down");
    let token = before.token();
    before.release().await.unwrap();
    let second = cx.node("second").await;
    let after = cx.within("the lock", 10, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(after.token() > token && after.token().as_u64() > base, "{} after {token}", after.token());
}
