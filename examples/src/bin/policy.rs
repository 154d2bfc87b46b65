//! A policy service that keeps the number of concurrent executions below a threshold while its schedulers are killed: `--help` says more.

use std::io::Write;
use std::process::ExitCode;

use ha_examples::policy::{self, Options};

const HELP: &str = "\
policy: five schedulers execute 500 requests, at most three at a time, while six of them are killed

usage: policy [--requests N] [--kills N] [--unbounded]

  --requests N   how many requests there are (500)
  --kills N      how many schedulers are killed (6)
  --unbounded    a planted defect: nobody asks for a permit, and the judgement finds it

The exit code is 0 if the threshold held, every request was executed and no permit was lost; 1 if not; 2 for bad usage.";

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            drop(writeln!(std::io::stdout(), "{HELP}"));
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            drop(writeln!(std::io::stderr(), "policy: {wrong}; --help says what there is"));
            return ExitCode::from(2);
        }
    };
    match policy::run(&options, &mut std::io::stdout()) {
        Ok(verdict) if verdict.passed(&options) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(failure) => {
            drop(writeln!(std::io::stderr(), "policy: {failure}"));
            ExitCode::from(2)
        }
    }
}

/// The options; `None`: help is wanted.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a number"))?;
            value.parse().map_err(|error| format!("{argument} needs a number, not {value:?}: {error}"))
        };
        match argument.as_str() {
            "--requests" => options.requests = number()?,
            "--kills" => options.kills = number()?,
            "--unbounded" => options.unbounded = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("there is no option {argument:?}")),
        }
    }
    Ok(Some(options))
}
