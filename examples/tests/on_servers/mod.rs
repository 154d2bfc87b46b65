//! The platform on real servers, which are killed while it runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::Duration;

use ha_conformance::servers::{Folder, Process};
use serde_json::Value;

/// A dead node's session is given its whole ttl again by each new leader of the servers, once it is elected.
const PATIENCE: &str = "8";

/// How long each server is gone, and how long all of them are there before the next one goes: longer than a ttl, of 2 s, and what a store needs to end a session after it.
/// With elections in quicker succession a dead node would live on.
const GONE: Duration = Duration::from_secs(1);
const TOGETHER: Duration = Duration::from_secs(4);

/// Runs the platform on the store at `url`, while one of three servers after the other is killed and started again.
pub(crate) fn passes_its_verification(url: &str, kill: impl Fn(usize), start: impl Fn(usize)) {
    let folder = Folder::new("platform");
    let (output, log) = (folder.path().join("output"), folder.path().join("log"));
    let arguments = ["--json", "--url", url, "--patience", PATIENCE, "--output", output.to_str().unwrap()];
    let mut platform = Process::start("platform", Path::new(env!("CARGO_BIN_EXE_platform")), arguments, &log);
    let mut killed = 0;
    while platform.is_running() {
        // Each in its turn, so that the leader is among them.
        let victim = killed % 3;
        kill(victim);
        std::thread::sleep(GONE);
        start(victim);
        killed += 1;
        std::thread::sleep(TOGETHER);
        assert!(killed < 60, "the platform does not come to its end:\n{}", platform.log_tail());
    }
    let said = std::fs::read_to_string(&log).unwrap();
    let verdict: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(verdict["verdict"], "passed", "{said}");
    assert!(killed >= 3, "the run was too short to lose each server: {killed}");
}
