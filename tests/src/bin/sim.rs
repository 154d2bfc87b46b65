//! Runs seeds of the simulation: `cargo xtask sim --help`.

#![expect(clippy::print_stdout, reason = "a command line program")]

use std::process::ExitCode;
use std::time::Duration;

use ha_conformance::sim::batch::{self, Batch};
use ha_conformance::sim::{Counters, Defect, Settings, Subject, run};

const HELP: &str = "\
Runs the recipes in a simulated world, where a seed decides everything.

  --recipe NAME             one recipe (mutex, election, shared, group, partitions, work, store); without it, all
  --seed N                  one seed, with its verdict and, with --history, everything that happened
  --from N --count N        a batch of seeds (default: 0 and 1,000)
  --for SECONDS             begin no further seed of a recipe after so long
  --span SECONDS            how much virtual time a seed takes (default: 60); it takes another course with another one
  --threads N               how many seeds at a time (default: 2)
  --defect NAME             with this planted defect
  --digest                  print the digest of the batch: equal for equal runs
  --history                 with --seed: print the history, one JSON object a line
  --commit ID               the commit that is tested, for the line that replays a failure
  zoo                       show, for each planted defect, the seed that catches it (default: within 10,000)

A batch fails when a seed violates an invariant, and, from 1,000 seeds on, when a kind of fault never happened.";

/// A third of a run is the phase in which everything has to come to an end; a session lives for up to five seconds.
const SHORTEST: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Arguments {
    batch: Batch,
    count: Option<u64>,
    seed: Option<u64>,
    settings: Settings,
    history: bool,
    digest: bool,
    zoo: bool,
    commit: Option<String>,
}

fn parse() -> Result<Option<Arguments>, String> {
    let mut parsed = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value; see --help"));
        let number = |value: Result<String, String>| {
            let value = value?;
            value.replace(['_', ','], "").parse::<u64>().map_err(|error| format!("{word} {value}: {error}"))
        };
        match word.as_str() {
            "--help" | "help" => return Ok(None),
            "--seed" => parsed.seed = Some(number(value())?),
            "--from" => parsed.batch.from = number(value())?,
            "--count" => parsed.count = Some(number(value())?),
            "--for" => parsed.batch.limit = Some(Duration::from_secs(number(value())?)),
            "--span" => {
                let span = Duration::from_secs(number(value())?);
                if span < SHORTEST {
                    return Err(format!(
                        "--span {}: {} seconds at least, or sessions do not come to their ends",
                        span.as_secs(),
                        SHORTEST.as_secs()
                    ));
                }
                parsed.settings.span = span;
            }
            "--threads" => parsed.batch.threads = number(value())?.max(1),
            "--commit" => parsed.commit = Some(value()?),
            "--history" => parsed.history = true,
            "--digest" => parsed.digest = true,
            "zoo" => parsed.zoo = true,
            "--defect" => {
                let name = value()?;
                parsed.settings.defect =
                    Some(Defect::named(&name).ok_or(format!("no defect {name:?}; see zoo"))?);
            }
            "--recipe" => {
                let name = value()?;
                let known = Subject::ALL.iter().find(|subject| subject.name() == name);
                parsed.batch.subjects = vec![*known.ok_or(format!("no recipe {name:?}; see --help"))?];
            }
            other => return Err(format!("unknown argument {other:?}; see --help")),
        }
    }
    if parsed.zoo && parsed.settings.span != Settings::default().span {
        return Err(
            "zoo with --span: the seeds that are known to catch something are of the default span".to_owned()
        );
    }
    parsed.batch.count = parsed.count.unwrap_or(if parsed.zoo { 10_000 } else { parsed.batch.count });
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
        (_, true) => zoo(&arguments),
        (Some(seed), false) => one(&arguments, seed),
        (None, false) => many(&arguments),
    };
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Replays one seed.
fn one(arguments: &Arguments, seed: u64) -> bool {
    let mut fine = true;
    for subject in &arguments.batch.subjects {
        let report = run(*subject, seed, arguments.settings);
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
    let (mut fine, mut seeds, mut took, all) = (true, 0, Duration::ZERO, Counters::default());
    let span = arguments.settings.span;
    let span =
        if span == Settings::default().span { String::new() } else { format!(" --span {}", span.as_secs()) };
    for subject in &arguments.batch.subjects {
        let outcome = batch::run_all(&arguments.batch, *subject, arguments.settings);
        let (from, name) = (arguments.batch.from, subject.name());
        println!("{name}: {} seeds from {from}, {} failed", outcome.seeds, outcome.failed.len());
        for report in outcome.failed.iter().take(10) {
            print!("{report}");
            let at = arguments
                .commit
                .as_ref()
                .map_or(String::new(), |commit| format!("git checkout {commit} && "));
            println!("  replay: {at}cargo xtask sim --recipe {name} --seed {}{span}", report.seed);
        }
        for counter in &outcome.missing {
            println!("  never happened: {}", counter.text());
        }
        if arguments.digest {
            println!("digest {name} {:016x}", outcome.digest);
        }
        fine &= outcome.failed.is_empty() && outcome.missing.is_empty();
        seeds += outcome.seeds;
        took += outcome.took;
        all.merge(&outcome.counters);
    }
    let hours = arguments.settings.span.as_secs() * seeds / 3_600;
    println!("{seeds} seeds, {hours} hours of virtual time, in {took:.0?}");
    print!("{all}");
    fine
}

/// Shows which seed catches each planted defect.
fn zoo(arguments: &Arguments) -> bool {
    let (mut caught, mut missed) = (0, 0);
    println!("| defect | caught by | at seed | invariants |\n|---|---|---|---|");
    let chosen = arguments.settings.defect;
    for defect in Defect::all().filter(|defect| chosen.is_none_or(|chosen| chosen == *defect)) {
        if let Some(catch) = batch::catch(&arguments.batch, defect) {
            println!("| {defect} | {} | {} | {} |", catch.subject, catch.seed, catch.invariants.join(", "));
            caught += 1;
        } else {
            println!("| {defect} | **not caught in {} seeds** | | |", arguments.batch.count);
            missed += 1;
        }
    }
    println!("\n{caught} caught, {missed} not caught");
    missed == 0
}
