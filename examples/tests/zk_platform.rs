//! The platform on a real ensemble of ZooKeeper, whose servers are killed while it runs.

mod on_servers;

use ha_conformance::servers::or_skip;
use ha_conformance::servers::zookeeper::ZooKeeper;

#[test]
fn the_platform_passes_its_verification_while_servers_of_its_store_are_killed() {
    let Some(zookeeper) = or_skip(ZooKeeper::builder().members(3).start()) else { return };
    let url = format!("zk://{}/platform", zookeeper.addresses().join(","));
    on_servers::passes_its_verification(
        &url,
        |member| zookeeper.member(member).kill(),
        |member| zookeeper.member(member).start(),
    );
}
