//! The checks of this workspace, run as `cargo xtask <command>`; `cargo xtask help` lists the commands.
//!
//! `verify` and `ci` are lists of [`stage::Stage`]s: a name, a budget and a function. A new stage is one line in
//! [`verify::STAGES`], or in [`ci::AFTER_VERIFY`] when it needs more than Rust.
#![expect(clippy::print_stdout, reason = "a command line tool talks on its standard output")]

use std::process::ExitCode;

use crate::failure::Failure;
use crate::workspace::Workspace;

mod apt;
mod bench;
mod ci;
mod command;
mod dependencies;
mod examples;
mod failure;
mod fix;
mod manifest;
mod protoc;
mod second_try;
mod setup;
mod sim;
mod stage;
mod suite;
mod tidy;
mod verify;
mod workspace;

const HELP: &str = "\
cargo xtask <command>

  verify [stage ..]   what must pass before every commit; needs Rust only, changes nothing outside target/
  ci [stage ..]       verify, and all that needs more than Rust; gets what is missing under target/ first
  fix                 applies what clippy and rustfmt can mend by themselves
  bench [--check]     measures; with --check, a figure that misses its target is a failure
  soak local          kills, stops and continues processes on one file for ten minutes, and judges what they did
  sim [argument ..]   runs seeds of the simulation, or replays one; `cargo xtask sim --help` says more
  help                this text

With HA_TEST_REQUIRE=1 a tool or server that a test needs and that is missing is a failure, not a skip.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), Failure> {
    match arguments {
        ["verify", names @ ..] => verify::run(&Workspace::load()?, names),
        ["ci", names @ ..] => ci::run(&Workspace::load()?, names),
        ["fix"] => fix::run(&Workspace::load()?),
        ["bench"] => bench::run(&Workspace::load()?, false),
        ["bench", "--check"] => bench::run(&Workspace::load()?, true),
        ["soak", "local"] => suite::soak_local(&Workspace::load()?),
        ["sim", arguments @ ..] => sim::run(&Workspace::load()?, arguments),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        [] => Err(Failure::new("no command given; `cargo xtask help` lists them")),
        _ => Err(Failure::new(format!(
            "unknown command `{}`; `cargo xtask help` lists them",
            arguments.join(" ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_command_points_to_the_help() {
        let failure = run(&["verfy"]).unwrap_err().to_string();
        assert_eq!(failure, "unknown command `verfy`; `cargo xtask help` lists them");
    }

    #[test]
    fn an_unknown_option_of_a_known_command_is_refused() {
        assert!(run(&["bench", "--chekc"]).is_err());
    }
}
