//! What only real servers can do: die, freeze, and everything that can happen to three of them.
//!
//! Each test has an ensemble of its own. Holders are processes of their own, and their histories go through the checkers of the suite.
#![expect(clippy::unwrap_used, reason = "a trial fails by panicking")]

mod broken;
mod commits;
mod cut_off;
mod dropped;
mod links;
mod members;
mod removed;
mod restore;
mod security;
mod site;
#[path = "../support/wire.rs"]
mod wire;

use std::process::ExitCode;

use ha_conformance::servers::holder;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Fewer than a suite has: each test brings three servers, and several holders.
const THREADS: usize = 5;

type Test = (&'static str, fn());

fn main() -> ExitCode {
    if let Some(ended) = holder::main(broken::connect) {
        return ended;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(arguments.test_threads.map_or(THREADS, |threads| threads.min(THREADS)));
    let tests = [
        members::TESTS,
        cut_off::TESTS,
        links::TESTS,
        commits::TESTS,
        dropped::TESTS,
        removed::TESTS,
        restore::TESTS,
        security::TESTS,
        broken::TESTS,
    ];
    let trials = tests.into_iter().flatten().map(|&(name, test)| {
        Trial::ignorable_test(name, move || match site::missing() {
            Some(missing) if site::is_required() => Err(Failed::from(missing)),
            Some(missing) => Ok(Completion::ignored_with(missing)),
            None => {
                test();
                Ok(Completion::Completed)
            }
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
