//! Runs seeds of the simulation: `cargo xtask sim --help`.

#![expect(clippy::print_stdout, reason = "a command line program")]

use std::process::ExitCode;

use ha_conformance::sim::batch::{self, Batch};
use ha_conformance::sim::{Settings, StoreBug, Subject, run};

const HELP: &str = "\
Runs the recipes in a simulated world, where a seed decides everything.

  --recipe mutex|election   one recipe; without it, all
  --seed N                  one seed, with its verdict and, with --history, everything that happened
  --from N --count N        a batch of seeds (default: 0 and 1,000)
  --threads N               how many seeds at a time (default: 2)
  --digest                  print the digest of the batch: equal for equal runs
  --history                 with --seed: print the history, one JSON object a line
  zoo                       show, for each planted defect, the seed that catches it

A batch fails when a seed violates an invariant, and, from 1,000 seeds on, when a kind of fault never happened.";

struct Arguments {
    batch: Batch,
    seed: Option<u64>,
    history: bool,
    digest: bool,
    zoo: bool,
}

fn parse() -> Result<Option<Arguments>, String> {
    let mut parsed =
        Arguments { batch: Batch::default(), seed: None, history: false, digest: false, zoo: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().ok_or(format!("{word} needs a number"))?;
            value.replace(['_', ','], "").parse::<u64>().map_err(|error| format!("{word} {value}: {error}"))
        };
        match word.as_str() {
            "--help" | "help" => return Ok(None),
            "--seed" => parsed.seed = Some(number()?),
            "--from" => parsed.batch.from = number()?,
            "--count" => parsed.batch.count = number()?,
            "--threads" => parsed.batch.threads = number()?.max(1),
            "--history" => parsed.history = true,
            "--digest" => parsed.digest = true,
            "zoo" => parsed.zoo = true,
            "--recipe" => {
                let name = words.next().unwrap_or_default();
                let known = Subject::ALL.iter().find(|subject| subject.name() == name);
                parsed.batch.subjects = vec![*known.ok_or(format!("no recipe {name:?}; see --help"))?];
            }
            other => return Err(format!("unknown argument {other:?}; see --help")),
        }
    }
    Ok(Some(parsed))
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            println!("sim: {problem}");
            return ExitCode::from(2);
        }
    };
    let fine = match (arguments.seed, arguments.zoo) {
        (_, true) => zoo(&arguments.batch),
        (Some(seed), false) => one(&arguments, seed),
        (None, false) => many(&arguments),
    };
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Replays one seed.
fn one(arguments: &Arguments, seed: u64) -> bool {
    let mut fine = true;
    for subject in &arguments.batch.subjects {
        let report = run(*subject, seed, Settings::default());
        if arguments.history {
            // A reader that has seen enough closes the pipe.
            report.history.write_json_lines(std::io::stdout().lock()).unwrap_or_default();
        }
        println!("{} {report}", subject.name());
        fine &= report.violations.is_empty();
    }
    fine
}

fn many(arguments: &Arguments) -> bool {
    let mut fine = true;
    for subject in arguments.batch.subjects.clone() {
        let outcome = batch::run_plain(&arguments.batch, subject);
        println!("{}: {} seeds, {} failed", subject.name(), arguments.batch.count, outcome.failed.len());
        for report in outcome.failed.iter().take(10) {
            print!("{report}");
            println!("  replay: cargo xtask sim --recipe {} --seed {}", subject.name(), report.seed);
        }
        for counter in &outcome.missing {
            println!("  never happened: {}", counter.text());
        }
        if arguments.digest {
            println!("digest {} {:016x}", subject.name(), outcome.digest);
        }
        println!("{}", outcome.counters);
        fine &= outcome.failed.is_empty() && outcome.missing.is_empty();
    }
    fine
}

/// Shows which seed catches each planted defect.
fn zoo(batch: &Batch) -> bool {
    let mut fine = true;
    println!("| defect | caught by | at seed | by |\n|---|---|---|---|");
    for bug in StoreBug::ALL {
        match batch::catch(batch, *bug) {
            Some((subject, seed, violation)) => {
                println!("| {bug:?} | {} | {seed} | {violation} |", subject.name());
            }
            None => {
                println!("| {bug:?} | **not caught in {} seeds** | | |", batch.count);
                fine = false;
            }
        }
    }
    fine
}
