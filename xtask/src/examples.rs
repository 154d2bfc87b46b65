use crate::command;
use crate::failure::Failure;
use crate::stage::Verdict;
use crate::workspace::Workspace;

/// The example services, each with the arguments that the README gives it.
const SERVICES: &[(&str, &[&str])] = &[
    ("platform", &["--json"]),
    ("policy", &[]),
    ("sensors", &[]),
    ("rules", &[]),
    ("garbage", &[]),
    ("tracker", &[]),
    ("notifier", &[]),
    ("runner", &[]),
];

/// Starts every example service as the README does; each is to end by itself, with success.
pub(crate) fn run(workspace: &Workspace) -> Result<Verdict, Failure> {
    for (service, arguments) in SERVICES {
        let source = format!("examples/src/bin/{service}");
        let exists = |path: String| workspace.root().join(path).is_file();
        if !exists(format!("{source}.rs")) && !exists(format!("{source}/main.rs")) {
            return Ok(Verdict::Skipped(format!("there is no {source} yet")));
        }
        let mut cargo =
            workspace.cargo(["run", "--locked", "--package", "ha-examples", "--bin", service, "--"]);
        command::run(cargo.args(*arguments))?;
    }
    Ok(Verdict::Passed)
}
