//! What only processes and files can do: die anywhere, be stopped, leave children behind; fill up, go back, vanish, belong to somebody else.
//!
//! Holders are processes of their own, and their histories go through the checkers of the suite.
#![expect(clippy::unwrap_used, reason = "a trial fails by panicking")]
#![expect(clippy::print_stdout, reason = "what a visitor says is read by the test that sent it")]

mod disk;
mod files;
mod power;
mod processes;
mod site;
mod soak;
mod start;
mod stopped;

use std::process::ExitCode;

use ha_conformance::servers::holder;
use libtest_mimic::{Arguments, Trial};

/// Each test has several processes.
const THREADS: usize = 4;

type Test = (&'static str, fn());

fn main() -> ExitCode {
    if let Some(ended) = start::differently().or_else(|| holder::main(site::connect)).or_else(start::visitor)
    {
        return ended;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(arguments.test_threads.map_or(THREADS, |threads| threads.min(THREADS)));
    let tests = [processes::TESTS, stopped::TESTS, files::TESTS, power::TESTS, disk::TESTS, soak::TESTS];
    let trials = tests.into_iter().flatten().map(|&(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
