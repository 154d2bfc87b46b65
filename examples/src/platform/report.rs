//! The verdict, as a table for a reader or as JSON for a program.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::inputs::Inputs;
use super::narrator::span;
use super::options::Options;
use super::records::TIMERS;
use super::site::{NODES, TRACKERS};
use super::verify::{Check, TakeOver, Verdict};

/// How many problems of one check are shown to a reader.
const SHOWN: usize = 5;

/// What a reader is told before the story begins.
pub(super) fn opening(options: &Options, inputs: &Inputs, folder: &Path) -> String {
    format!(
        "{} nodes and {} trackers, each a process; {} timers, {} sensors; a node that is silent for {} (the ttl) is replaced\noutput files: {}\n",
        NODES.len(),
        TRACKERS.len(),
        inputs.timers.len(),
        inputs.sensors.len(),
        span(options.ttl),
        folder.display()
    )
}

/// The verdict for a program.
pub(super) fn json(verdict: &Verdict) -> String {
    let millis = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    let take_overs: Vec<Value> = verdict
        .take_overs
        .iter()
        .map(|take_over| {
            json!({
                "thing": take_over.thing,
                "from": take_over.from,
                "cause": take_over.cause,
                "at_ms": millis(take_over.at),
                "to": take_over.to,
                "after_ms": take_over.after.map(millis),
                "bound_ms": millis(take_over.bound),
            })
        })
        .collect();
    let word = if verdict.passed() { "passed" } else { "failed" };
    json!({
        "verdict": word,
        "checks": verdict.checks,
        "take_overs": take_overs,
        "output": verdict.output,
    })
    .to_string()
}

/// The verdict for a reader.
pub(super) fn text(verdict: &Verdict, colour: bool) -> String {
    let mut text = take_overs(&verdict.take_overs);
    text.push_str("\nverified from the output files alone:\n");
    for check in &verdict.checks {
        describe(&mut text, check, colour);
    }
    let (word, code) = if verdict.passed() { ("PASSED", 32) } else { ("FAILED", 31) };
    let word = paint(word, code, colour);
    append(&mut text, format_args!("\n{word}; the output files are in {}", verdict.output.display()));
    text
}

/// One line for each loss: what became of the timers, and of the sensors that the node had.
fn take_overs(take_overs: &[TakeOver]) -> String {
    let mut text = format!(
        "\n{:<10}{:<12}{:<14}{:>10}{:>10}   {}\n",
        "node", "event", "timers go to", "after", "bound", "its sensors"
    );
    for timers in take_overs.iter().filter(|take_over| take_over.thing == TIMERS) {
        let with_it = |take_over: &&TakeOver| {
            take_over.thing != TIMERS && take_over.from == timers.from && take_over.at == timers.at
        };
        let sensors: Vec<&TakeOver> = take_overs.iter().filter(with_it).collect();
        let slowest = sensors.iter().filter_map(|sensor| sensor.after).max();
        let sensors = match slowest {
            Some(slowest) => format!("{} taken over, the last after {}", sensors.len(), span(slowest)),
            None if timers.cause == "hands_over" => "stay with it".into(),
            None => "none taken over".into(),
        };
        append(
            &mut text,
            format_args!(
                "{:<10}{:<12}{:<14}{:>10}{:>10}   {sensors}\n",
                timers.from,
                timers.cause.replace('_', " "),
                timers.to.as_deref().unwrap_or("nobody"),
                timers.after.map_or_else(|| "never".into(), span),
                span(timers.bound),
            ),
        );
    }
    text
}

fn describe(text: &mut String, check: &Check, colour: bool) {
    let (word, code) = if check.problems.is_empty() { ("ok    ", 32) } else { ("FAILED", 31) };
    append(text, format_args!("  {}  {:<53}{}\n", paint(word, code, colour), check.name, check.seen));
    for problem in check.problems.iter().take(SHOWN) {
        append(text, format_args!("            {problem}\n"));
    }
    if check.problems.len() > SHOWN {
        append(text, format_args!("            and {} more\n", check.problems.len() - SHOWN));
    }
}

fn paint(word: &str, code: u8, colour: bool) -> String {
    if colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.into() }
}

/// Writing to a string does not fail.
fn append(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).ok();
}
