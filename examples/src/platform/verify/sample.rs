//! A run of ten seconds in which everything holds, for tests that break one thing.

use std::time::Duration;

use super::Check;
use super::outputs::Outputs;
use crate::platform::clock::Moment;
use crate::platform::records::{
    Change, Execution, ExecutionRecord, Hashed, Outcome, Poll, PollRecord, Reading, RefusedRecord,
    ResultRecord, RunRecord, Section, SectionRecord, Step, TickRecord, Write,
};
use crate::platform::schedule::Tick;
use crate::platform::timeline::{Event, EventRecord, Fault};

/// So many milliseconds after the start.
pub(super) fn at(millis: u64) -> Moment {
    Moment::from_start(Duration::from_millis(millis))
}

/// Asserts that `check` has found a problem whose text contains `text`.
pub(super) fn complains(check: &Check, text: &str) {
    assert!(check.problems.iter().any(|problem| problem.contains(text)), "{text:?} in {:?}", check.problems);
}

/// `a` leads until it is killed at 3 s, `b` until it is cut off at 6 s, `c` until it hands over to `a` at 9 s, which is shut down; at last
/// `b` is frozen. The trackers `t1` and `t3` hash a file each, and `t1` the one that `t2` was at, which is killed at 2.5 s. The ttl is 2 s.
pub(super) fn sample() -> Outputs {
    let inputs = serde_json::from_str(
        r#"{"timers":[{"name":"clock","every_ms":100}],"sensors":[{"name":"web","every_ms":100,"watch":"port"}]}"#,
    );
    let reading = Reading::Open(true);
    Outputs {
        run: RunRecord {
            ttl_ms: 2_000,
            patience_ms: 0,
            sees_deaths: false,
            nodes: ["a", "b", "c"].map(str::to_owned).into(),
            inputs: inputs.unwrap(),
        },
        events: events(),
        ticks: (1..=100).map(tick).collect(),
        polls: (0..30).chain(50..100).map(|number| poll(number, reading)).collect(),
        sections: ["a", "b", "c"].into_iter().zip(1..).map(|(node, value)| section(node, value)).collect(),
        refused: vec![refused()],
        world: vec![Change { at: at(0), sensor: "web".into(), reading }],
        executions: executions(),
        results: [("x", "t1", 5), ("y", "t1", 9), ("z", "t3", 7)].map(result).into(),
        hashes: ["x", "y", "z"].map(|item| (item.to_owned(), (format!("0{item}"), 8))).into(),
        counter: 3,
        stopping: at(10_000),
    }
}

fn events() -> Vec<EventRecord> {
    let granted = |node: &str, token| Event::Granted { node: node.into(), thing: "timers".into(), token };
    let fault = |node: &str, fault| Event::Fault { node: node.into(), fault };
    let ended = |node: &str, token| {
        let reason = "for a reason".into();
        Event::Ended { node: node.into(), thing: "timers".into(), token, reason }
    };
    let here = |node: &str| Event::Here { node: node.into() };
    let gone = |node: &str| Event::Gone { node: node.into() };
    let events = [
        (0, here("a")),
        (0, here("b")),
        (0, here("c")),
        (0, granted("a", 10)),
        (2_500, fault("t2", Fault::Killed)),
        (3_000, fault("a", Fault::Killed)),
        (4_900, gone("a")),
        (4_900, granted("b", 20)),
        (6_000, fault("b", Fault::CutOff)),
        (7_800, ended("b", 20)),
        (7_900, granted("c", 30)),
        (8_000, fault("b", Fault::Healed)),
        (8_500, fault("a", Fault::Restarted)),
        (8_510, here("a")),
        (9_000, fault("c", Fault::HandsOver)),
        (9_001, ended("c", 30)),
        (9_003, granted("a", 40)),
        (9_300, fault("a", Fault::ShutsDown)),
        (9_301, ended("a", 40)),
        (9_302, gone("a")),
        (9_303, granted("b", 50)),
        (9_400, fault("b", Fault::Frozen)),
        (9_500, fault("b", Fault::Resumed)),
        (10_000, Event::Stopping),
    ];
    events.into_iter().map(|(millis, event)| EventRecord { at: at(millis), event }).collect()
}

/// Tick by tick, but for the ticks that `b` catches up with.
fn tick(number: u64) -> TickRecord {
    let (due, token) = (number * 100, if number <= 30 { 10 } else { 20 });
    let emitted = if (31..=49).contains(&number) { 4_900 } else { due };
    TickRecord {
        tick: Tick { timer: "clock".into(), number, due: at(due) },
        at: at(emitted),
        node: if token == 10 { "a" } else { "b" }.into(),
        token,
    }
}

fn poll(number: u64, reading: Reading) -> PollRecord {
    let (node, token) = if number < 50 { ("a", 10) } else { ("b", 20) };
    let (start, end) = (at(number * 100), at(number * 100 + 20));
    PollRecord { poll: Poll { sensor: "web".into(), start, end, reading }, node: node.into(), token }
}

fn section(node: &str, value: u64) -> SectionRecord {
    let section = Section { start: at(value * 100), value };
    SectionRecord { section, end: at(value * 100 + 50), node: node.into(), token: 10 + value }
}

fn executions() -> Vec<ExecutionRecord> {
    let step = |millis, tracker: &str, item: &str, token, step| {
        let execution = Execution { item: item.into(), token, attempt: if token == 9 { 2 } else { 1 } };
        ExecutionRecord { at: at(millis), tracker: tracker.into(), execution, step }
    };
    let accepted = || Step::Ended(Outcome::Accepted);
    vec![
        step(2_000, "t1", "x", 5, Step::Begun),
        step(2_001, "t2", "y", 6, Step::Begun),
        step(2_002, "t3", "z", 7, Step::Begun),
        step(2_010, "t1", "x", 5, accepted()),
        step(2_010, "t3", "z", 7, accepted()),
        step(2_600, "t1", "y", 9, Step::Begun),
        step(2_610, "t1", "y", 9, accepted()),
    ]
}

fn result((item, tracker, token): (&str, &str, u64)) -> ResultRecord {
    let hashed = Hashed { sha256: format!("0{item}"), bytes: 8, tracker: tracker.into(), token };
    ResultRecord { item: item.into(), attempts: 1, abandonments: 0, hashed: Some(hashed) }
}

fn refused() -> RefusedRecord {
    let tick = Tick { timer: "clock".into(), number: 85, due: at(8_500) };
    let write = Write::Ticks(vec![tick]);
    RefusedRecord { at: at(9_510), node: "b".into(), token: 50, highest: 60, write }
}

mod tests {
    use super::sample;
    use crate::platform::verify::judge;
    use std::path::Path;

    #[test]
    fn in_the_sample_everything_holds() {
        let verdict = judge(Path::new("nowhere"), &sample());
        let problems: Vec<_> = verdict.checks.iter().flat_map(|check| &check.problems).collect();
        assert_eq!(problems, Vec::<&String>::new());
        assert!(verdict.passed());
        assert_eq!(verdict.take_overs.len(), 5);
    }
}
