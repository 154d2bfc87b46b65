//! Futures that are dropped wherever they are, at random.

use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ha_core::Coordinator;
use ha_core::runtime::{Runtime as _, TokioRuntime};

use super::Test;
use super::site;

pub(crate) const TESTS: &[Test] = &[
    ("dropped::an_acquire_dropped_at_any_of_200_polls_blocks_nobody", acquires),
    ("dropped::a_campaign_dropped_at_any_of_100_polls_blocks_nobody", campaigns),
];

/// When a future is dropped, if it has not ended by then.
#[derive(Clone, Copy, Debug)]
struct DropPoint {
    /// After so many polls.
    polls: u64,
    /// How long it is left alone after each of them: a part of what a commit takes, or several times that.
    pause: Duration,
}

impl DropPoint {
    /// After at most so many polls.
    fn draw(runtime: &TokioRuntime, polls_max: u64) -> Self {
        let draw =
            |range: RangeInclusive<u64>| range.start() + runtime.random() % (range.end() - range.start() + 1);
        // Most pauses are short: then the requests are still on their way.
        let pause_max = 1 << draw(0..=12);
        Self { polls: draw(1..=polls_max), pause: Duration::from_micros(draw(1..=pause_max)) }
    }
}

async fn drop_after<T>(DropPoint { polls, pause }: DropPoint, future: impl Future<Output = T>) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let ended = std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
        if ended {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

async fn node(url: &str, name: &str) -> Coordinator {
    let builder = Coordinator::builder(site::connect(url)).namespace(site::NAMESPACE).node(name);
    builder.ttl(Duration::from_secs(60)).connect().await.unwrap()
}

fn acquires() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let url = site::url(&zookeeper);
        let (dropping, other) = (node(&url, "dropping").await, node(&url, "other").await);
        let (mutex, others) = (dropping.mutex("m").unwrap(), other.mutex("m").unwrap());
        let runtime = TokioRuntime::current().unwrap();
        for round in 0..200 {
            let point = DropPoint::draw(&runtime, 7);
            // Every fourth time it waits in the queue; otherwise the lock is free.
            let held = if round % 4 == 0 { Some(others.acquire().await.unwrap()) } else { None };
            drop_after(point, mutex.acquire()).await;
            drop(held);
            let guard = others.acquire_timeout(Duration::from_secs(15)).await;
            guard
                .unwrap_or_else(|error| panic!("round {round}, {point:?}: somebody is in the way: {error}"))
                .release()
                .await
                .unwrap();
        }
        for node in [dropping, other] {
            node.shutdown(Duration::from_secs(10)).await.unwrap();
        }
    });
}

fn campaigns() {
    let zookeeper = site::ensemble();
    site::runtime().block_on(async {
        let url = site::url(&zookeeper);
        let (dropping, other) = (node(&url, "dropping").await, node(&url, "other").await);
        let (election, others) = (dropping.election("e").unwrap(), other.election("e").unwrap());
        let runtime = TokioRuntime::current().unwrap();
        for round in 0..100 {
            let point = DropPoint::draw(&runtime, 5);
            drop_after(point, election.campaign()).await;
            let leading = tokio::time::timeout(Duration::from_secs(15), others.campaign()).await;
            let leading =
                leading.unwrap_or_else(|_| panic!("round {round}, {point:?}: somebody is in the way"));
            leading.unwrap().resign().await.unwrap();
        }
        for node in [dropping, other] {
            node.shutdown(Duration::from_secs(10)).await.unwrap();
        }
    });
}
