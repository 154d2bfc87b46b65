//! Runs seeds of the simulation, in a release build.

use crate::command;
use crate::failure::Failure;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    let mut cargo = workspace.cargo(["run", "--locked", "--release", "--quiet"]);
    cargo.args(["--package", "ha-conformance", "--features", "sim", "--bin", "sim", "--"]).args(arguments);
    let attempt = command::line(&cargo);
    let status = cargo.status().map_err(Failure::because(&attempt))?;
    command::check(&cargo, status)
}
