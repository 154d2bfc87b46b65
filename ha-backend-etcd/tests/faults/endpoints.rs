//! One of three endpoints does not work, each in its own way. Nobody but the log hears of it.

use std::time::{Duration, Instant};

use ha_conformance::servers::{Direction, Proxy};
use ha_core::Coordinator;

use super::Test;
use super::site;

pub(crate) const TESTS: &[Test] = &[
    ("endpoints::an_endpoint_that_refuses_costs_no_error", refuses),
    ("endpoints::an_endpoint_that_accepts_and_hangs_costs_no_error", hangs),
    ("endpoints::an_endpoint_that_answers_garbage_costs_no_error", talks_nonsense),
    ("endpoints::an_endpoint_that_cuts_in_the_middle_of_a_frame_costs_no_error", cuts),
    ("endpoints::an_endpoint_that_is_slow_costs_no_grant", is_slow),
];

fn refuses() {
    works_past(Proxy::cut);
}

fn hangs() {
    works_past(|proxy| {
        proxy.hold(Direction::ToServer);
        proxy.hold(Direction::ToClient);
    });
}

fn talks_nonsense() {
    works_past(|proxy| proxy.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
}

fn cuts() {
    works_past(|proxy| proxy.reset_after(Direction::ToClient, 50));
}

fn is_slow() {
    works_past(|proxy| proxy.delay(Duration::from_millis(300), Duration::from_millis(100)));
}

/// Works while each endpoint in turn is broken, first before anybody is connected and then while it is used.
fn works_past(break_it: impl Fn(&Proxy)) {
    let etcd = site::cluster();
    let ways: Vec<Proxy> =
        etcd.members().iter().map(|member| Proxy::start(member.client_address())).collect();
    let hosts: Vec<String> = ways.iter().map(|way| way.address().to_string()).collect();
    let url = format!("etcd://{}", hosts.join(","));
    site::runtime().block_on(async {
        for broken in &ways {
            break_it(broken);
            let fresh = node(&url, "fresh").await;
            take(&fresh).await;
            broken.heal();
            drop(fresh.shutdown(Duration::from_secs(5)).await);
        }
        let node = node(&url, "lasting").await;
        let kept = node.mutex("kept").unwrap().acquire().await.unwrap();
        for broken in &ways {
            take(&node).await;
            break_it(broken);
            for _ in 0..5 {
                take(&node).await;
            }
            tokio::time::sleep(site::TTL).await;
            assert!(kept.is_valid(), "what was held before is lost");
            broken.heal();
        }
        kept.release().await.unwrap();
        node.shutdown(Duration::from_secs(10)).await.unwrap();
    });
}

async fn node(url: &str, name: &str) -> Coordinator {
    let builder = Coordinator::builder(site::connect(url)).namespace(site::NAMESPACE).node(name);
    builder.ttl(site::TTL).connect().await.unwrap()
}

/// Takes and releases a lock, which has to work within a few attempts at members.
async fn take(node: &Coordinator) {
    let begun = start();
    let guard = node.mutex("work").unwrap().acquire_timeout(site::LONG).await.unwrap();
    guard.release().await.unwrap();
    let took = start().duration_since(begun);
    assert!(took < Duration::from_secs(15), "it took {took:?}");
}

#[expect(clippy::disallowed_methods, reason = "a bound on what a user waits")]
fn start() -> Instant {
    Instant::now()
}
