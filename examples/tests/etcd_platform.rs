//! The platform on a real cluster, whose members are killed while it runs.

use std::path::Path;
use std::time::Duration;

use ha_conformance::servers::etcd::Etcd;
use ha_conformance::servers::{Folder, Process, or_skip};
use serde_json::Value;

/// A dead node's lease is renewed for its whole ttl by each new leader of the cluster, once it is elected.
const PATIENCE: &str = "8";

/// How long each member is gone, and how long all of them are there before the next one goes: longer than a ttl, of 2 s, and what etcd needs to end a lease after it.
/// Each new leader of the cluster renews every lease, so that with elections in quicker succession a dead node would live on.
const GONE: Duration = Duration::from_secs(1);
const TOGETHER: Duration = Duration::from_secs(4);

#[test]
fn the_platform_passes_its_verification_while_members_of_its_store_are_killed() {
    let Some(etcd) = or_skip(Etcd::builder().members(3).start()) else { return };
    let folder = Folder::new("platform");
    let hosts: Vec<String> =
        etcd.members().iter().map(|member| member.client_address().to_string()).collect();
    let url = format!("etcd://{}", hosts.join(","));
    let (output, log) = (folder.path().join("output"), folder.path().join("log"));
    let arguments = ["--json", "--url", &url, "--patience", PATIENCE, "--output", output.to_str().unwrap()];
    let mut platform = Process::start("platform", Path::new(env!("CARGO_BIN_EXE_platform")), arguments, &log);
    let mut killed = 0;
    while platform.is_running() {
        // Each in its turn, so that the leader is among them.
        let victim = etcd.member(killed % 3);
        victim.kill();
        std::thread::sleep(GONE);
        victim.start();
        killed += 1;
        std::thread::sleep(TOGETHER);
        assert!(killed < 60, "the platform does not come to its end:\n{}", platform.log_tail());
    }
    let said = std::fs::read_to_string(&log).unwrap();
    let verdict: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(verdict["verdict"], "passed", "{said}");
    assert!(killed >= 3, "the run was too short to lose each member: {killed}");
}
