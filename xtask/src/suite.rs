//! The tests themselves. Their output is left as it is: its last lines say how many ran, failed and were ignored.

use crate::command;
use crate::failure::Failure;
use crate::stage::Verdict;
use crate::workspace::{Workspace, missing_is_a_failure};
use crate::{protoc, second_try};

/// More than there are cores: a case mostly waits.
const THREADS: &str = "10";

/// Suites that have a stage of their own: on files, and on real servers, where each case would be a process that finds out that there is nothing to do.
const WITHOUT_STAGES: [&str; 2] = [
    "--filterset",
    "not binary(/^(local_|etcd_|redis_|zk_)/) and not (package(ha-conformance) and test(/^servers::/))",
];

const NO_PROTOC: &str = "the etcd backend cannot be built without protoc; `cargo xtask ci setup` unpacks it";

/// The variable that says whether tests start real servers.
const SERVERS: &str = "HA_TEST_SERVERS";

/// On a server a case waits even more: for ttls of seconds.
const SERVER_THREADS: &str = "16";

/// On a file a case waits as much as on a server, and takes more of the machine.
const LOCAL_THREADS: &str = "14";

/// The names of the test targets that run on a file.
const LOCAL: &str = "local_*";

/// The names of the test targets that run on etcd.
const ETCD: &str = "etcd_*";

/// The tests of the launcher of ZooKeeper, which needs a Java runtime.
const ZOOKEEPER: &str = "servers::zookeeper::";

/// The names of the test targets that run on ZooKeeper.
const ZK: &str = "zk_*";

/// Likewise, beside up to three Java runtimes.
const ZK_THREADS: &str = "16";

/// The names of the test targets that run on Redis.
const REDIS: &str = "redis_*";

/// The tests of its launcher.
const REDIS_TOOLS: &str = "servers::redis::";

/// All targets but the benchmarks.
const TARGETS: [&str; 4] = ["--lib", "--bins", "--tests", "--examples"];

pub(crate) fn doctests(workspace: &Workspace) -> Result<Verdict, Failure> {
    command::run(&mut workspace.cargo_on_all(&["test", "--doc"])?)?;
    Ok(Verdict::Passed)
}

/// Unit tests and suites, by nextest where it is installed (`.config/nextest.toml` says which run alone); a failed one does not hide the others. Those of real servers are
/// left out here, or show as ignored: they have a stage of their own.
pub(crate) fn tests(workspace: &Workspace) -> Result<Verdict, Failure> {
    let mut tests = if command::succeeds(&mut workspace.cargo(["nextest", "--version"])) {
        let mut nextest = workspace.cargo_on_all(&["nextest", "run"])?;
        nextest.args(TARGETS).args(WITHOUT_STAGES).args(["--no-fail-fast", "--test-threads", THREADS]);
        nextest
    } else {
        let mut test = workspace.cargo_on_all(&["test"])?;
        test.args(TARGETS).args(["--no-fail-fast", "--", "--test-threads", THREADS]);
        test
    };
    command::run(tests.env(SERVERS, "0"))?;
    Ok(Verdict::Passed)
}

/// All that runs on a file: in one process for each set of cases, since nextest would start one for each case. Built as for [`tests`], as all that follows.
pub(crate) fn local(workspace: &Workspace) -> Result<Verdict, Failure> {
    second_try::run(workspace, LOCAL, LOCAL_THREADS)?;
    Ok(Verdict::Passed)
}

/// The one test of them that can go on for long, for ten minutes.
pub(crate) fn soak_local(workspace: &Workspace) -> Result<(), Failure> {
    let mut soak =
        workspace.cargo(["test", "--locked", "--package", "ha-backend-local", "--test", "local_faults"]);
    command::run(soak.args(["--", "soak::"]).env("HA_SOAK_SECONDS", "600"))
}

/// The tools that break servers, and all that runs on etcd: by the test runner of cargo, since nextest would start the servers
/// anew for each case. They are built as for [`tests`], so that in `ci` nothing is built again.
pub(crate) fn etcd(workspace: &Workspace) -> Result<Verdict, Failure> {
    if protoc::find(workspace).is_none() && !missing_is_a_failure() {
        return Ok(Verdict::Skipped(NO_PROTOC.to_owned()));
    }
    let mut tools = workspace.cargo_on_all(&["test"])?;
    command::run(tools.args([
        "--lib",
        "--",
        "servers::",
        "--skip",
        ZOOKEEPER,
        "--skip",
        REDIS_TOOLS,
        "--test-threads",
        THREADS,
    ]))?;
    second_try::run(workspace, ETCD, SERVER_THREADS)?;
    Ok(Verdict::Passed)
}

/// All that runs on ZooKeeper, likewise.
pub(crate) fn zk(workspace: &Workspace) -> Result<Verdict, Failure> {
    let mut tools = workspace.cargo_on_all(&["test"])?;
    command::run(tools.args(["--lib", "--", ZOOKEEPER, "--test-threads", THREADS]))?;
    second_try::run(workspace, ZK, ZK_THREADS)?;
    Ok(Verdict::Passed)
}

/// All that runs on Redis, likewise.
pub(crate) fn redis(workspace: &Workspace) -> Result<Verdict, Failure> {
    let mut tools = workspace.cargo_on_all(&["test"])?;
    command::run(tools.args(["--lib", "--", REDIS_TOOLS, "--test-threads", THREADS]))?;
    second_try::run(workspace, REDIS, SERVER_THREADS)?;
    Ok(Verdict::Passed)
}
