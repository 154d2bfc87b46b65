//! What happens between a node and the servers: silence, resets, and being away for long.

use std::time::Duration;

use ha_conformance::history::{Event, Recipe};
use ha_conformance::servers::holder::Work;
use ha_conformance::servers::zookeeper::ZooKeeper;
use ha_conformance::servers::{Direction, Proxy};
use ha_core::Coordinator;

use super::Test;
use super::site::{self, LONG, TTL};

pub(crate) const TESTS: &[Test] = &[
    ("links::a_server_that_falls_silent_costs_no_grant", silence),
    ("links::a_way_that_takes_a_third_of_the_validity_is_short_enough", slow),
    ("links::connections_that_are_reset_again_and_again_cost_no_grant", resets),
    ("links::a_node_that_is_back_within_its_validity_keeps_what_it_has", back_in_time),
    ("links::a_node_that_is_away_for_its_ttl_stops_before_the_next_one_begins_and_comes_back", away),
];

/// The ways of one node to all servers.
struct Ways(Vec<Proxy>);

impl Ways {
    fn to(zookeeper: &ZooKeeper) -> Self {
        Self(zookeeper.members().iter().map(|member| Proxy::start(member.client_address())).collect())
    }

    fn url(&self) -> String {
        let hosts: Vec<String> = self.0.iter().map(|way| way.address().to_string()).collect();
        format!("zk://{}/faults", hosts.join(","))
    }

    async fn node(&self) -> Coordinator {
        let builder = Coordinator::builder(site::connect(&self.url())).namespace(site::NAMESPACE);
        builder.node("node").ttl(TTL).connect().await.unwrap()
    }

    fn hold(&self) {
        self.0.iter().for_each(hold);
    }

    fn heal(&self) {
        self.0.iter().for_each(Proxy::heal);
    }
}

fn slow() {
    let zookeeper = site::servers(1);
    let (ways, ttl) = (Ways::to(&zookeeper), Duration::from_secs(4));
    site::runtime().block_on(async {
        let backend = site::connect(&ways.url());
        let usable = ttl * backend.capabilities().validity_per_mille / 1_000;
        // There and back. To open a session takes so many requests one after the other that it would be over when they are answered, if it counted from the first one.
        ways.0.iter().for_each(|way| way.delay(usable / 6, Duration::ZERO));
        let builder = Coordinator::builder(backend).namespace(site::NAMESPACE).node("node").ttl(ttl);
        let node = builder.connect_timeout(LONG).connect().await.unwrap();
        work(&node).await;
        node.shutdown(Duration::from_secs(10)).await.unwrap();
    });
}

/// Nothing gets through, and nobody is told.
fn hold(way: &Proxy) {
    way.hold(Direction::ToServer);
    way.hold(Direction::ToClient);
}

/// Takes and releases a lock.
async fn work(node: &Coordinator) {
    node.mutex("work").unwrap().acquire_timeout(LONG).await.unwrap().release().await.unwrap();
}

fn silence() {
    let zookeeper = site::ensemble();
    let ways = Ways::to(&zookeeper);
    site::runtime().block_on(async {
        let node = ways.node().await;
        let kept = node.mutex("kept").unwrap().acquire().await.unwrap();
        for silent in &ways.0 {
            hold(silent);
            // Longer than a grant is valid without a renewal: whoever stays on the silent server loses it.
            tokio::time::sleep(TTL * 3 / 5).await;
            work(&node).await;
            assert!(kept.is_valid(), "what was held before is lost");
            silent.heal();
        }
        kept.release().await.unwrap();
        node.shutdown(Duration::from_secs(10)).await.unwrap();
    });
}

fn resets() {
    let zookeeper = site::ensemble();
    let ways = Ways::to(&zookeeper);
    site::runtime().block_on(async {
        let node = ways.node().await;
        let kept = node.mutex("kept").unwrap().acquire().await.unwrap();
        for _ in 0..20 {
            let working = work(&node);
            let resetting = async {
                tokio::time::sleep(Duration::from_millis(3)).await;
                ways.0.iter().for_each(Proxy::reset);
            };
            tokio::join!(working, resetting);
            assert!(kept.is_valid(), "what was held before is lost");
        }
        kept.release().await.unwrap();
        node.shutdown(Duration::from_secs(10)).await.unwrap();
    });
}

fn back_in_time() {
    let zookeeper = site::ensemble();
    let ways = Ways::to(&zookeeper);
    site::runtime().block_on(async {
        let node = ways.node().await;
        let kept = node.mutex("kept").unwrap().acquire().await.unwrap();
        for _ in 0..3 {
            ways.hold();
            tokio::time::sleep(TTL / 5).await;
            ways.heal();
            work(&node).await;
        }
        // Beyond the ttl of the first cut: nothing of it comes late.
        tokio::time::sleep(TTL).await;
        assert!(kept.is_valid(), "it was not renewed once there was a way again");
        kept.release().await.unwrap();
        node.shutdown(Duration::from_secs(10)).await.unwrap();
    });
}

fn away() {
    let zookeeper = site::ensemble();
    let ways = Ways::to(&zookeeper);
    let scene = site::scene(&zookeeper);
    let mut first = scene.start_at(&ways.url(), "first", Work::hold(Recipe::Mutex, "kept"));
    first.wait_for_grant(1, LONG);
    let mut second = scene.start("second", 1, Work::hold(Recipe::Mutex, "kept"));
    second.wait_for("waiting", 1, LONG, |event| matches!(event, Event::Asked { .. }));
    let fault = scene.fault("cut a node off", Some("first"));
    ways.hold();
    second.wait_for_grant(1, LONG);
    first.wait_for("told of its loss", 1, LONG, |event| matches!(event, Event::LossNoticed { .. }));
    ways.heal();
    scene.healed(fault);
    second.end();
    first.wait_for_grant(2, LONG);
    // Its first one was there before it recorded anything.
    let sessions = first.count(|event| matches!(event, Event::SessionOpened { .. }));
    assert!(sessions >= 1, "what it has now belongs to a session that was over");
    site::end(&scene, &mut [first]);
}
