//! Runs seeds of the simulation, in a release build.

use std::process::Command;

use crate::command;
use crate::failure::Failure;
use crate::stage::Verdict;
use crate::workspace::Workspace;

/// How long each recipe is run on seeds that nobody has run before, in seconds.
const FRESH: &str = "30";
/// Not `work` yet: more of its seeds are to be run first than a commit can, see the ledger in `docs/simulation.md`.
const RECIPES: [&str; 6] = ["mutex", "election", "shared", "group", "partitions", "store"];
/// How many seeds two processes have to run alike.
const ALIKE: &str = "250";
/// How many digits of the commit choose the first seed: the product with the seeds of a run stays a seed.
const DIGITS: usize = 10;
const SEEDS_PER_COMMIT: u64 = 1_000_000;

pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    command::run(&mut simulation(workspace, arguments))
}

/// Fresh seeds, chosen by the commit; each planted defect; and the same course in two processes.
pub(crate) fn stage(workspace: &Workspace) -> Result<Verdict, Failure> {
    let commit = commit(workspace);
    let from = commit.as_deref().map_or(0, first_seed).to_string();
    for recipe in RECIPES {
        let seeds = ["--recipe", recipe, "--from", &from, "--count", "2000", "--for", FRESH];
        command::run(&mut simulation(workspace, &seeds))?;
    }
    command::run(&mut simulation(workspace, &["zoo"]))?;
    let digest = || digests(&mut simulation(workspace, &["--count", ALIKE, "--digest"]));
    let (first, second) = (digest()?, digest()?);
    if first.is_empty() || first != second {
        return Err(Failure::new(format!(
            "{ALIKE} seeds took another course in another process: {first:?}, {second:?}"
        )));
    }
    println!("two processes took the same course: {}", first.join(", "));
    Ok(Verdict::Passed)
}

fn simulation(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut cargo = workspace.cargo(["run", "--locked", "--release", "--quiet"]);
    cargo.args(["--package", "ha-conformance", "--features", "sim", "--bin", "sim", "--"]).args(arguments);
    if let Some(commit) = commit(workspace) {
        cargo.args(["--commit", &commit]);
    }
    cargo
}

/// The commit that is checked out; `None` outside a clone.
fn commit(workspace: &Workspace) -> Option<String> {
    let mut git = Command::new("git");
    let commit = command::capture(git.args(["rev-parse", "HEAD"]).current_dir(workspace.root())).ok()?;
    Some(commit.trim().chars().take(12).collect())
}

fn first_seed(commit: &str) -> u64 {
    let digits: String = commit.chars().take(DIGITS).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(0).saturating_mul(SEEDS_PER_COMMIT)
}

fn digests(simulation: &mut Command) -> Result<Vec<String>, Failure> {
    let text = command::capture(simulation)?;
    Ok(text.lines().filter(|line| line.starts_with("digest")).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::first_seed;

    #[test]
    fn each_commit_has_seeds_of_its_own() {
        assert_eq!(first_seed("00000000a1ff"), 161_000_000);
        assert_eq!(first_seed("00000000a2ff"), 162_000_000);
        assert_eq!(first_seed("ffffffffffff"), 0xff_ffff_ffff * 1_000_000);
    }
}
