//! The platform on a real cluster of etcd, whose members are killed while it runs.

mod on_servers;

use ha_conformance::servers::etcd::Etcd;
use ha_conformance::servers::or_skip;

#[test]
fn the_platform_passes_its_verification_while_members_of_its_store_are_killed() {
    let Some(etcd) = or_skip(Etcd::builder().members(3).start()) else { return };
    let hosts: Vec<String> =
        etcd.members().iter().map(|member| member.client_address().to_string()).collect();
    let url = format!("etcd://{}", hosts.join(","));
    on_servers::passes_its_verification(
        &url,
        |member| etcd.member(member).kill(),
        |member| etcd.member(member).start(),
    );
}
