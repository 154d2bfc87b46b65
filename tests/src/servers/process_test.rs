use std::io::{BufRead, BufReader};

use super::*;
use crate::servers::Folder;

/// Set in the process that plays a test that gets killed.
const VICTIM: &str = "HA_TEST_VICTIM";

fn shell(folder: &Folder, script: &str) -> Process {
    Process::start("shell", Path::new("sh"), ["-c", script], folder.path().join("log"))
}

fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let watch = Stopwatch::start();
    while !condition() {
        assert!(watch.elapsed() < OBEYED_WITHIN, "not within {OBEYED_WITHIN:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

#[test]
fn a_process_is_frozen_and_goes_on_where_it_was() {
    let folder = Folder::new("process");
    let mut process = shell(&folder, "exec sleep 60");
    process.stop();
    assert_eq!(state_of(process.id()), Some('T'));
    process.resume();
    until("it runs again", || state_of(process.id()) == Some('S'));
    assert!(process.is_running());
    process.kill();
    assert!(!process.is_running() && state_of(process.id()).is_none());
}

#[test]
fn a_process_that_was_asked_to_end_says_how_it_ended_and_what_it_printed() {
    let folder = Folder::new("process");
    let mut process =
        shell(&folder, "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
    until("it is ready", || process.log_tail() == "ready\n");
    let status = process.terminate(OBEYED_WITHIN).unwrap();
    assert_eq!((status.code(), &*process.log_tail()), (Some(3), "ready\nbye\n"));
}

#[test]
fn a_process_that_does_not_want_to_end_is_killed() {
    let folder = Folder::new("process");
    let mut process = shell(&folder, "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    until("it is ready", || process.log_tail() == "ready\n");
    assert!(process.terminate(Duration::from_millis(50)).is_none());
    assert!(!process.is_running());
}

#[test]
fn nothing_outlives_a_test_that_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        let folder = Folder::new("victim");
        let mut process = shell(&folder, "exec sleep 60");
        // A frozen process dies as well.
        process.stop();
        eprintln!("{} {}", process.id(), folder.path().display());
        process.child.wait().unwrap();
    }
    let name = "servers::process::tests::nothing_outlives_a_test_that_is_killed";
    let mut victim = Command::new(std::env::current_exe().unwrap());
    victim
        .args(["--exact", name, "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut victim = victim.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(victim.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let (pid, folder) = line.trim_end().split_once(' ').unwrap();
    let pid = pid.parse().unwrap();
    assert!(state_of(pid) == Some('T') && Path::new(folder).is_dir(), "{line}");

    victim.kill().unwrap();
    victim.wait().unwrap();
    // A zombie, where the first process of the machine waits for nobody.
    until("its child is dead", || state_of(pid).is_none_or(|state| state == 'Z'));
    until("its folder is gone", || !Path::new(folder).exists());
}
