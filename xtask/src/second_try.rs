//! Suites that take place in real time, on files and on real servers: a case that is late beside others is tried once more, alone and
//! with more time. A machine that stands still for a second ends sessions of two; a defect does not need that.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::command;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// More failures than this are no matter of a busy machine. One that stood still for some seconds fails about as many cases as run at a time.
const TRIED_AGAIN_MAX: usize = 40;

/// The variable that gives the cases more time, and how many times as much.
const PATIENCE: &str = "HA_TEST_PATIENCE";
const PATIENT: &str = "2";

/// Runs the test targets whose names match `target`, so many cases at a time. What fails is tried once more; what passes only then is said in the end, because it may
/// be a fault that shows rarely.
pub(crate) fn run(workspace: &Workspace, target: &str, threads: &str) -> Result<(), Failure> {
    let mut tests = workspace.cargo_on_all(&["test", "--no-fail-fast"])?;
    let (result, failed) = run_and_note(tests.args(["--test", target, "--", "--test-threads", threads]))?;
    let Err(failure) = result else { return Ok(()) };
    if failed.is_empty() || failed.len() > TRIED_AGAIN_MAX {
        return Err(failure);
    }
    println!("\nfailed, and tried once more: {}", failed.join(", "));
    for name in &failed {
        let mut again = workspace.cargo_on_all(&["test", "--no-fail-fast"])?;
        again.args(["--test", target, "--", "--test-threads", "1", "--exact", name]);
        command::run(again.env(PATIENCE, PATIENT))?;
    }
    println!("\npassed at the second try only: {}", failed.join(", "));
    Ok(())
}

/// Runs `command`, shows what it prints, and returns the names of the tests that failed, each once.
fn run_and_note(command: &mut Command) -> Result<(Result<(), Failure>, Vec<String>), Failure> {
    println!("$ {}", command::line(command));
    let begin = Failure::because(format!("start `{}`", command::line(command)));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(begin)?;
    let mut failed = Vec::new();
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(Failure::because("read what the tests print".to_owned()))?;
        println!("{line}");
        failed.extend(failed_test(&line).map(str::to_owned));
    }
    let status = child.wait().map_err(Failure::because("wait for the tests".to_owned()))?;
    failed.sort_unstable();
    failed.dedup();
    Ok((command::check(command, status), failed))
}

/// The name of the test that the line says has failed.
fn failed_test(line: &str) -> Option<&str> {
    let name = line.strip_prefix("test ")?.strip_suffix("FAILED")?.trim_end().strip_suffix("...")?.trim_end();
    (!name.contains(' ')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_test_that_failed_is_read_from_its_line() {
        assert_eq!(
            failed_test("test watch::a_watch_never_goes_back      ... FAILED"),
            Some("watch::a_watch_never_goes_back")
        );
        for line in
            ["test a ... ok", "test result: FAILED. 1 passed; 1 failed", "test a ... ignored", "FAILED"]
        {
            assert_eq!(failed_test(line), None, "{line}");
        }
    }

    #[test]
    fn what_fails_is_noted_and_the_failure_is_kept() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo 'test b ... FAILED'; echo 'test a ... FAILED'; echo 'test b ... FAILED'; exit 1",
        ]);
        let (result, failed) = run_and_note(&mut command).unwrap();
        assert!(result.is_err());
        assert_eq!(failed, ["a", "b"]);
    }
}
