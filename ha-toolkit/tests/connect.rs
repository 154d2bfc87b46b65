//! Connecting by URL, as a service does it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use ha::spi::Scope;
use ha::{ErrorKind, Event, Heartbeat, LossReason};

const DEADLINE: Duration = Duration::from_secs(5);

/// Waits for `future` on this thread, without a runtime.
fn wait<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn everything_works_without_a_runtime_of_the_caller() {
    wait(async {
        let node = ha::builder().connect("memory:no-runtime").await.unwrap();
        let guard = node.mutex("deploy").unwrap().acquire_timeout(DEADLINE).await.unwrap();
        assert!(guard.is_valid());
        guard.release().await.unwrap();
        let led = node.election("timers").unwrap().run(|grant| async move { grant.is_valid() }).await;
        assert!(led.unwrap());
        node.shutdown(DEADLINE).await.unwrap();
    });
}

#[tokio::test]
async fn coordinators_that_name_the_same_store_share_it() {
    let one = ha::builder().node("one").connect("memory:").await.unwrap();
    let other = ha::builder().node("other").connect("memory:default").await.unwrap();
    let apart = ha::builder().node("apart").connect("memory:apart").await.unwrap();
    let guard = one.mutex("deploy").unwrap().acquire_timeout(DEADLINE).await.unwrap();
    assert!(other.mutex("deploy").unwrap().try_acquire().await.unwrap().is_none());
    assert!(apart.mutex("deploy").unwrap().try_acquire().await.unwrap().is_some());
    guard.release().await.unwrap();
    assert!(other.mutex("deploy").unwrap().try_acquire().await.unwrap().is_some());
}

#[tokio::test]
async fn settings_reach_the_coordinator() {
    let heartbeat = Heartbeat::new(Duration::from_millis(100)).unwrap();
    let node = ha::builder()
        .namespace("platform")
        .node("box-1")
        .ttl(Duration::from_secs(3))
        .capability("timers")
        .require(Scope::Threads)
        .connect_timeout(DEADLINE)
        .heartbeat(heartbeat.clone())
        .connect("memory:settings")
        .await
        .unwrap();
    assert_eq!((node.namespace(), node.node()), ("platform", "box-1"));
    assert_eq!(node.granted_ttl(), Some(Duration::from_secs(3)));
    let election = node.election("timers").unwrap().requires("timers").unwrap();
    let mut events = node.events();
    let leadership = election.campaign().await.unwrap();
    // Nobody feeds the heartbeat.
    assert_eq!(leadership.lost().await, LossReason::Unhealthy);
    while let Some(event) = events.next().await {
        if event == Event::SessionLost(LossReason::Unhealthy) {
            return;
        }
    }
    panic!("the coordinator does not say that it lost its session");
}

#[tokio::test]
async fn an_observer_sees_the_leader_and_can_hold_nothing() {
    let node = ha::builder().node("box-1").connect("memory:observed").await.unwrap();
    let watcher = ha::builder().observer().connect("memory:observed").await.unwrap();
    let leadership = node.election("timers").unwrap().campaign().await.unwrap();
    let mut observer = watcher.election("timers").unwrap().observe();
    let leader = loop {
        match observer.next().await.unwrap() {
            ha::election::Observation::Leader(leader) => break leader,
            _ => continue,
        }
    };
    assert_eq!((leader.node.as_str(), leader.term), ("box-1", leadership.token()));
    assert_eq!(watcher.mutex("deploy").unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_refused_with_its_kind() {
    let rows = [
        (ha::builder(), "", ErrorKind::InvalidInput),
        (ha::builder(), "http://h", ErrorKind::InvalidInput),
        (ha::builder(), "memory:?ttl=1", ErrorKind::InvalidInput),
        (ha::builder(), "redis+cluster://h", ErrorKind::Unsupported),
        (ha::builder().require(Scope::Hosts), "memory:refused", ErrorKind::Unsupported),
        (ha::builder().require(Scope::Processes), "memory:refused", ErrorKind::Unsupported),
        (ha::builder().ttl(Duration::ZERO), "memory:refused", ErrorKind::InvalidInput),
        (ha::builder().ttl(Duration::MAX), "memory:refused", ErrorKind::InvalidInput),
        (ha::builder().node(""), "memory:refused", ErrorKind::InvalidInput),
        (ha::builder().namespace("_ha"), "memory:refused", ErrorKind::InvalidInput),
        (ha::builder().capability("x".repeat(1 << 20)), "memory:refused", ErrorKind::InvalidInput),
    ];
    for (builder, url, kind) in rows {
        let error = builder.connect(url).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{url}: {error}");
    }
}
