//! The platform as a newcomer starts it, and runs with a planted defect, which have to fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

/// How long any run may take: four times what the longest takes on an idle machine.
const BOUND: Duration = Duration::from_secs(100);

/// Runs the platform with these arguments, at most for [`BOUND`].
fn platform(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_platform"));
    command.args(arguments);
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(command.output()));
    result.recv_timeout(BOUND).unwrap().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The verdict of a run with `--json`: the last line.
fn verdict(output: &Output) -> Value {
    serde_json::from_str(stdout(output).lines().last().unwrap()).unwrap()
}

/// The names of the checks that failed, with their first problem.
fn failed(verdict: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let checks = verdict["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| !check["problems"].as_array().unwrap().is_empty())
        .map(|check| (text(&check["name"]), text(&check["problems"][0])))
        .collect()
}

fn assert_fails(verdict: &Value, check: &str) {
    let failed = failed(verdict);
    assert!(failed.iter().any(|(name, _)| name.contains(check)), "{check:?} in {failed:?}");
}

/// A folder that is removed with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        Self(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// A copy whose file `name` was changed.
    fn corrupted(&self, name: &str, change: impl FnOnce(Vec<String>) -> Vec<String>) -> Self {
        let copy = Self(self.0.with_extension(name));
        copy_files(&self.0, &copy.0);
        copy_files(&self.0.join("files"), &copy.0.join("files"));
        let lines = fs::read_to_string(copy.0.join(name)).unwrap().lines().map(str::to_owned).collect();
        fs::write(copy.0.join(name), change(lines).join("\n")).unwrap();
        copy
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn the_platform_survives_its_losses_and_its_output_proves_it() {
    let folder = Folder::new("survives");
    let run = platform(&["--json", "--output", folder.text()]);
    let verdict = verdict(&run);
    assert_eq!((run.status.code(), failed(&verdict)), (Some(0), vec![]));
    assert_eq!(verdict["verdict"], "passed");
    assert_eq!(verdict["checks"].as_array().unwrap().len(), 14);
    for (cause, planned) in
        [("killed", false), ("frozen", false), ("cut_off", false), ("hands_over", true), ("shuts_down", true)]
    {
        let take_overs = verdict["take_overs"].as_array().unwrap();
        let of_timers = |seen: &&Value| seen["thing"] == "timers" && seen["cause"] == cause;
        let seen = take_overs.iter().find(of_timers).unwrap();
        // A ttl of 2 s and a second; half a ttl if the store need not wait for an expiry: it sees the death of a process. That a busy machine
        // adds to both is told in the output, and that the bounds are met is a check of its own.
        let bound = if planned || cause == "killed" { 1_000.0 } else { 3_000.0 };
        let (after, bounded) = (seen["after_ms"].as_f64().unwrap(), seen["bound_ms"].as_f64().unwrap());
        assert!(bounded >= bound && after <= bounded, "{cause}: {after} ms, the bound is {bounded} ms");
    }
    let events: Vec<Value> = stdout(&run).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|event| event["event"] == "refused"), "a late write was refused");
    let start = events.iter().find(|event| event["event"] == "trackers_start").unwrap();
    assert_eq!((&start["trackers"], &start["files"]), (&3.into(), &150.into()));
    let rescued = events.iter().find(|event| event["event"] == "rescued").unwrap();
    assert!(rescued["files"].as_u64().unwrap() >= 1, "{rescued}");

    assert_eq!(platform(&["--verify", folder.text()]).status.code(), Some(0));
    corrupted_output_is_found(&folder);
}

/// Changes one file of a good run at a time.
fn corrupted_output_is_found(good: &Folder) {
    let verify = |folder: &Folder| {
        let output = platform(&["--json", "--verify", folder.text()]);
        assert_eq!(output.status.code(), Some(1));
        verdict(&output)
    };
    let twice = good.corrupted("ticks.jsonl", |lines| [lines.clone(), vec![lines[7].clone()]].concat());
    assert_fails(&verify(&twice), "each tick");
    let missing = good.corrupted("ticks.jsonl", |lines| [&lines[..7], &lines[8..]].concat());
    assert_fails(&verify(&missing), "each tick");
    let overlap = good.corrupted("polls.jsonl", |mut lines| {
        // The last poll of the first node that lost a sensor goes on, so it seems, during the first one of its successor.
        let polls: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let follows = |(at, poll): (usize, &Value)| {
            let before = polls[..at].iter().rposition(|before| before["sensor"] == poll["sensor"])?;
            (polls[before]["node"] != poll["node"]).then(|| (before, poll["end"].clone()))
        };
        let (before, end) = polls.iter().enumerate().find_map(follows).unwrap();
        let mut poll = polls[before].clone();
        poll["end"] = end;
        lines[before] = poll.to_string();
        lines
    });
    assert_fails(&verify(&overlap), "polled by two nodes");
    let late = good.corrupted("events.jsonl", |lines| {
        // All news of grants is late by more than a second, a ttl and whatever a machine adds.
        let delay = |line: String| {
            let mut event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == "granted" {
                event["at"] = Value::from(event["at"].as_u64().unwrap() + 30_000_000);
            }
            event.to_string()
        };
        lines.into_iter().map(delay).collect()
    });
    assert_fails(&verify(&late), "take-over");
    let counter = good.corrupted("counter.txt", |_| vec!["7".into()]);
    assert_fails(&verify(&counter), "critical sections");
    let accepted = good.corrupted("refused.jsonl", |_| vec![]);
    assert_fails(&verify(&accepted), "late writes");
    let unhashed = good.corrupted("results.jsonl", |lines| lines[1..].to_vec());
    assert_fails(&verify(&unhashed), "each file is hashed once, and right");
    let other = good.corrupted("executions.jsonl", |mut lines| {
        // Another tracker, so it seems, executes what is done.
        let is_done = |line: &&String| line.contains("accepted");
        let mut step: Value = serde_json::from_str(lines.iter().find(is_done).unwrap()).unwrap();
        (step["token"], step["attempt"]) = (Value::from(u64::MAX), Value::from(9));
        step["step"] = Value::from("begun");
        let begun = step.to_string();
        step["step"] = serde_json::json!({ "ended": "accepted" });
        lines.extend([begun, step.to_string()]);
        lines
    });
    assert_fails(&verify(&other), "each file is hashed once, and right");
    assert_fails(&verify(&other), "no file is begun twice");
    let changed = good.corrupted("results.jsonl", |lines| lines);
    fs::write(changed.0.join("files/file-001"), "something else").unwrap();
    assert_fails(&verify(&changed), "each file is hashed once, and right");
    let broken = good.corrupted("polls.jsonl", |lines| [lines, vec!["{".into()]].concat());
    assert_fails(&verify(&broken), "can be read");
}

#[test]
fn without_fencing_a_frozen_leader_emits_ticks_twice() {
    let folder = Folder::new("open-gate");
    fs::create_dir_all(&folder.0).unwrap();
    let url = format!("local://{}/ha.db", folder.text());
    let output = format!("{}/output", folder.text());
    let run = platform(&["--sabotage", "open-gate", "--ttl", "0.5", "--url", &url, "--output", &output]);
    assert!(folder.0.join("ha.db").is_file(), "the nodes meet in the file that was asked for");
    assert_eq!(run.status.code(), Some(1));
    let text = stdout(&run);
    for line in ["FROZEN", "goes on (SIGCONT)", "came 2 times", "\nFAILED; the output files are in"] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "colour is for terminals");
}

#[test]
fn a_new_leader_that_does_not_look_back_misses_ticks() {
    let folder = Folder::new("skip-missed");
    let run = platform(&["--json", "--sabotage", "skip-missed", "--ttl", "0.5", "--output", folder.text()]);
    assert_eq!(run.status.code(), Some(1));
    assert_fails(&verdict(&run), "each tick");
}

#[test]
fn work_that_ignores_its_loss_polls_beside_its_successor() {
    let folder = Folder::new("ignore-loss");
    let run = platform(&["--json", "--sabotage", "ignore-loss", "--ttl", "0.5", "--output", folder.text()]);
    assert_eq!(run.status.code(), Some(1));
    assert_fails(&verdict(&run), "polled by two nodes");
    assert_fails(&verdict(&run), "growing tokens");
}

#[test]
fn what_cannot_be_run_is_told_and_has_an_exit_code_of_its_own() {
    let folder = Folder::new("refused");
    fs::create_dir_all(&folder.0).unwrap();
    fs::write(folder.0.join("events.jsonl"), "").unwrap();
    for (arguments, problem) in [
        (["--ttl", "0"], "0.5 to 10"),
        (["--data", "/nowhere"], "cannot read /nowhere/timers.json"),
        (["--url", "memory:"], "the nodes are processes"),
        (["--output", folder.text()], "cannot create"),
    ] {
        let output = platform(&arguments);
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with("platform: ") && told.contains(problem), "{told}");
    }
    let help = platform(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("--sabotage"));
}

#[test]
fn a_node_or_a_tracker_without_an_operator_ends() {
    for role in ["--node", "--tracker"] {
        let alone = platform(&[role]);
        assert_eq!(alone.status.code(), Some(2));
        assert!(String::from_utf8(alone.stderr).unwrap().contains("the platform starts itself"));
    }
}

/// A stopped process hears no end of its input: the kernel has to end it.
#[test]
fn no_node_outlives_a_platform_that_is_killed() {
    let folder = Folder::new("killed");
    fs::create_dir_all(&folder.0).unwrap();
    let (url, output) = (format!("local://{}/ha.db", folder.text()), format!("{}/output", folder.text()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_platform"));
    let mut platform =
        command.args(["--json", "--url", &url, "--output", &output]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(platform.stdout.take().unwrap()).lines().map(Result::unwrap);
    // One node is stopped then, and the others run.
    let is_frozen = |line: &String| line.contains(r#""fault":"frozen""#);
    assert!(lines.take(10_000).any(|line| is_frozen(&line)));
    let nodes = children_of(platform.id());
    assert!(nodes.len() >= 3, "{nodes:?}");
    platform.kill().unwrap();
    platform.wait().unwrap();
    for _ in 0..1_000 {
        if nodes.iter().all(|node| !is_alive(*node)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("of {nodes:?} some live on");
}

/// The state and the parent of a process, as long as it is there.
fn state_and_parent(process: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

fn is_alive(process: u32) -> bool {
    state_and_parent(process).is_some_and(|(state, _)| state != 'Z')
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter(|id| matches!(state_and_parent(*id), Some((state, of)) if of == parent && state != 'Z'))
        .collect()
}

#[test]
fn a_folder_without_output_is_no_proof() {
    let output = platform(&["--json", "--verify", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert_fails(&verdict(&output), "can be read");
}
