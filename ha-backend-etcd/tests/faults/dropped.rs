//! Futures that are dropped wherever they are.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ha_core::Coordinator;

use super::Test;
use super::site;

pub(crate) const TESTS: &[Test] = &[
    ("dropped::an_acquire_dropped_at_any_of_200_polls_blocks_nobody", acquires),
    ("dropped::a_campaign_dropped_at_any_of_100_polls_blocks_nobody", campaigns),
];

/// Drops `future` after so many polls, if it has not ended by then, and a part of a millisecond after the last.
async fn drop_after<T>(polls: usize, pause: Duration, future: impl Future<Output = T>) {
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
    let etcd = site::cluster();
    site::runtime().block_on(async {
        let url = site::url(&etcd);
        let (dropping, other) = (node(&url, "dropping").await, node(&url, "other").await);
        let (mutex, others) = (dropping.mutex("m").unwrap(), other.mutex("m").unwrap());
        for round in 0..200 {
            let pause = Duration::from_micros(1 + 37 * (round % 50));
            // Every fourth time it waits in the queue; otherwise the lock is free.
            let held = if round % 4 == 0 { Some(others.acquire().await.unwrap()) } else { None };
            drop_after(1 + usize::try_from(round % 7).unwrap(), pause, mutex.acquire()).await;
            drop(held);
            let guard = others.acquire_timeout(Duration::from_secs(15)).await;
            guard
                .unwrap_or_else(|error| panic!("round {round}: somebody is in the way: {error}"))
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
    let etcd = site::cluster();
    site::runtime().block_on(async {
        let url = site::url(&etcd);
        let (dropping, other) = (node(&url, "dropping").await, node(&url, "other").await);
        let (election, others) = (dropping.election("e").unwrap(), other.election("e").unwrap());
        for round in 0..100 {
            let pause = Duration::from_micros(1 + 71 * (round % 50));
            drop_after(1 + usize::try_from(round % 5).unwrap(), pause, election.campaign()).await;
            let leading = tokio::time::timeout(Duration::from_secs(15), others.campaign()).await;
            let leading = leading.unwrap_or_else(|_| panic!("round {round}: somebody is in the way"));
            leading.unwrap().resign().await.unwrap();
        }
        for node in [dropping, other] {
            node.shutdown(Duration::from_secs(10)).await.unwrap();
        }
    });
}
