//! A small automation platform that loses its nodes in front of your eyes and goes on: `--help` says more.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use ha_examples::platform::{self, Command, Failure};

fn main() -> ExitCode {
    match perform() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            // Standard error may be closed; the exit code tells as well.
            drop(writeln!(std::io::stderr(), "platform: {failure}"));
            ExitCode::from(2)
        }
    }
}

/// Does what the command line says. False: the verification failed.
fn perform() -> Result<bool, Failure> {
    let mut output = std::io::stdout();
    let colour = output.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let (text, passed) = match platform::parse(arguments)? {
        Command::Run(options) => {
            let verdict = platform::run(&options, colour, Box::new(output))?;
            return Ok(verdict.passed());
        }
        Command::Node => return platform::live().map(|()| true),
        Command::Tracker => return platform::track().map(|()| true),
        Command::Verify { folder, json } => {
            let verdict = platform::verify(&folder);
            (platform::show(&verdict, json, colour), verdict.passed())
        }
        _ => (platform::HELP.to_owned(), true),
    };
    // A reader who has gone away, as `head` does, is no failure.
    drop(writeln!(output, "{text}"));
    Ok(passed)
}
