//! The policy service, whose schedulers are killed, and runs with a planted defect, which have to fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::Duration;

/// How long any run may take: many times what one takes on an idle machine.
const BOUND: Duration = Duration::from_secs(100);

fn policy(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_policy"));
    command.args(arguments);
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(command.output()));
    result.recv_timeout(BOUND).unwrap().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_threshold_holds_and_no_permit_is_lost_while_schedulers_are_killed() {
    let output = policy(&[]);
    let lines = lines(&output);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let killed: Vec<_> = lines.iter().filter(|line| line.contains("is killed")).collect();
    assert_eq!(killed.len(), 6);
    assert!(!killed.iter().any(|line| line.contains("and 0 executions")), "no execution died: {lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("500 of 500 requests were executed")), "{lines:#?}");
    assert!(lines.contains(&"3 executions ran at once, 3 may".to_owned()), "{lines:#?}");
    assert!(lines.last().unwrap().starts_with("every permit was free again"), "{lines:#?}");
}

#[test]
fn without_the_semaphore_the_judgement_fails() {
    let output = policy(&["--requests", "60", "--kills", "0", "--unbounded"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(lines(&output).iter().any(|line| line.ends_with("executions ran at once, 3 may")));
}

#[test]
fn bad_usage_is_told() {
    for arguments in [&["--requests"][..], &["--kills", "many"], &["--fast"]] {
        let output = policy(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains("--help"));
    }
    assert!(lines(&policy(&["--help"])).iter().any(|line| line.starts_with("usage")));
}
