//! What only processes and files can do: die anywhere, be stopped, leave children behind; fill up, go back, vanish, belong to somebody else.
//!
//! Holders are processes of their own, and their histories go through the checkers of the suite.
#![expect(clippy::unwrap_used, reason = "a trial fails by panicking")]
#![expect(clippy::print_stdout, reason = "what a visitor says is read by the test that sent it")]

mod cut;
mod disk;
mod files;
mod moved;
mod power;
mod processes;
mod site;
mod soak;
mod start;
mod stopped;

use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};

use ha_conformance::servers::holder;
use libtest_mimic::{Arguments, Trial};

/// Each test has several processes.
const THREADS: usize = 4;

/// Tests with very many processes, which leave no time to the sessions of any other.
const CROWDED: [&str; 2] = [
    "processes::two_hundred_processes_open_a_file_at_once",
    "processes::two_hundred_processes_that_want_one_lock_get_it_one_after_the_other",
];
/// Held to write by those, and to read by all others.
static MACHINE: RwLock<()> = RwLock::new(());

type Test = (&'static str, fn());

/// Runs a test, those of [`CROWDED`] by themselves.
fn run(name: &str, test: fn()) {
    if CROWDED.contains(&name) {
        let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        test();
    } else {
        let _among_others = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        test();
    }
}

/// Why a test is ignored, as its line says.
const NO_TIME_NAMESPACE: &str = "ignored: this user may not create time namespaces";

fn main() -> ExitCode {
    if let Some(ended) = start::differently()
        .or_else(|| holder::main(site::connect))
        .or_else(start::visitor)
        .or_else(start::cut_off)
    {
        return ended;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(arguments.test_threads.map_or(THREADS, |threads| threads.min(THREADS)));
    let tests = [
        processes::TESTS,
        stopped::TESTS,
        cut::TESTS,
        files::TESTS,
        moved::TESTS,
        power::TESTS,
        disk::TESTS,
        soak::TESTS,
    ];
    let trials = tests.into_iter().flatten().map(|&(name, test)| {
        let trial = Trial::test(name, move || {
            run(name, test);
            Ok(())
        });
        let is_possible = name != processes::ELSEWHEN || start::can_shift();
        if is_possible { trial } else { trial.with_ignored_flag(true).with_kind(NO_TIME_NAMESPACE) }
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
