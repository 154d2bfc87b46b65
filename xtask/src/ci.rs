use crate::failure::Failure;
use crate::stage::{self, Stage, minutes};
use crate::workspace::{Workspace, missing_is_a_failure};
use crate::{examples, setup, sim, suite, verify};

const BEFORE_VERIFY: &[Stage] = &[Stage { name: "setup", budget: minutes(3), run: setup::run }];
pub(crate) const AFTER_VERIFY: &[Stage] = &[
    Stage { name: "examples", budget: minutes(3), run: examples::run },
    Stage { name: "local", budget: minutes(3), run: suite::local },
    Stage { name: "sim", budget: minutes(8), run: sim::stage },
    Stage { name: "etcd", budget: minutes(7), run: suite::etcd },
    Stage { name: "zk", budget: minutes(7), run: suite::zk },
];
/// Only when named, while some of its cases fail now and then.
const ON_REQUEST: &[Stage] = &[Stage { name: "redis", budget: minutes(10), run: suite::redis }];

/// All checks, with what they need fetched first; ends with minutes per stage.
pub(crate) fn run(workspace: &Workspace, names: &[&str]) -> Result<(), Failure> {
    let on_request = if names.is_empty() { &[] } else { ON_REQUEST };
    let stages = [BEFORE_VERIFY, verify::STAGES, AFTER_VERIFY, on_request].concat();
    let chosen = stage::select(&stages, names)?;
    if missing_is_a_failure() {
        println!("HA_TEST_REQUIRE=1: what a test needs and does not find is a failure");
    }
    let report = stage::run(workspace, &chosen);
    println!("\n{}", report.table());
    report.into_result("ci")?;
    println!("passed: {}", if names.is_empty() { "ci".to_owned() } else { names.join(", ") });
    Ok(())
}
