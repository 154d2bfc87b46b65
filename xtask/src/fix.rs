use crate::command;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Applies what clippy and rustfmt can mend by themselves; run it on work that is committed or that can be lost.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let mut clippy = workspace.cargo_on_all(&["clippy", "--fix", "--allow-dirty", "--allow-staged"])?;
    command::run(clippy.arg("--all-targets"))?;
    command::run(&mut workspace.cargo(["fmt"]))
}
