//! What only real servers can do: die, freeze, forget, and everything that can happen on the way to three of them.
//!
//! Each test has a cluster of its own. Holders are processes of their own, and their histories go through the checkers of the suite.
#![expect(clippy::unwrap_used, reason = "a trial fails by panicking")]

mod broken;
mod compaction;
mod dropped;
mod endpoints;
mod late;
mod leftovers;
mod members;
mod restore;
mod security;
mod site;
mod space;
#[path = "../support/wire.rs"]
mod wire;

use std::process::ExitCode;

use ha_conformance::servers::holder;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Fewer than a suite has: each test brings three servers, and several holders.
const THREADS: usize = 4;

type Test = (&'static str, fn());

fn main() -> ExitCode {
    if let Some(ended) = holder::main(broken::connect) {
        return ended;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(arguments.test_threads.map_or(THREADS, |threads| threads.min(THREADS)));
    let tests = [
        members::TESTS,
        endpoints::TESTS,
        late::TESTS,
        compaction::TESTS,
        dropped::TESTS,
        security::TESTS,
        space::TESTS,
        restore::TESTS,
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
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if conclusion.num_failed == 0 && !leftovers::are_none() {
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
