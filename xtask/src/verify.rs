use std::time::Duration;

use crate::command;
use crate::failure::Failure;
use crate::stage::{self, Stage, Verdict, minutes};
use crate::workspace::Workspace;
use crate::{dependencies, suite, tidy};

/// Cheapest first, so that a mistake shows early.
pub(crate) const STAGES: &[Stage] = &[
    Stage { name: "tidy", budget: minutes(1), run: tidy::run },
    Stage { name: "fmt", budget: minutes(1), run: fmt },
    Stage { name: "clippy", budget: minutes(10), run: clippy },
    Stage { name: "doc", budget: minutes(4), run: doc },
    Stage { name: "doctest", budget: minutes(4), run: suite::doctests },
    Stage { name: "test", budget: minutes(8), run: suite::tests },
    Stage { name: "tree", budget: minutes(1), run: dependencies::run },
];

/// What all of it may take once everything is built; above it people stop running it before each commit.
const WARM_BUDGET: Duration = minutes(3);

pub(crate) fn run(workspace: &Workspace, names: &[&str]) -> Result<(), Failure> {
    let report = stage::run(workspace, &stage::select(STAGES, names)?);
    let total = report.total();
    report.into_result("verify")?;
    if !names.is_empty() {
        println!("\npassed: {}", names.join(", "));
        return Ok(());
    }
    let over = if total > WARM_BUDGET { ", above its budget unless much was built" } else { "" };
    let (seconds, budget) = (total.as_secs_f64(), WARM_BUDGET.as_secs());
    println!("\nverify passed in {seconds:.0} s (budget {budget} s when warm{over})");
    Ok(())
}

fn fmt(workspace: &Workspace) -> Result<Verdict, Failure> {
    command::run(&mut workspace.cargo(["fmt", "--check"]))?;
    Ok(Verdict::Passed)
}

fn clippy(workspace: &Workspace) -> Result<Verdict, Failure> {
    let mut clippy = workspace.cargo_on_all(&["clippy"])?;
    command::run(clippy.args(["--all-targets", "--", "-D", "warnings"]))?;
    Ok(Verdict::Passed)
}

fn doc(workspace: &Workspace) -> Result<Verdict, Failure> {
    let mut doc = workspace.cargo_on_all(&["doc", "--no-deps"])?;
    command::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Verdict::Passed)
}
