//! The suite is tested: on each mutant the named case fails, and without the defect it passes.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ha_conformance::mutants::{self, Mutant};
use ha_conformance::{Harness, MemoryHarness, Missing, Store, Verdict, cases, judge};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(8);
    let trials = mutants::all().map(|mutant| Trial::test(mutant.name, move || is_caught(mutant))).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn is_caught(mutant: &'static Mutant) -> Result<(), Failed> {
    let Some(case) = cases::find(mutant.caught_by) else {
        return Err(format!("there is no case {}", mutant.caught_by).into());
    };
    let original: Arc<dyn Harness> = Arc::new(Impatient);
    if let Verdict::Failed(how) | Verdict::Ignored(how) = judge(case, &original) {
        return Err(format!("{} does not pass without the defect: {how}", case.name).into());
    }
    let mutated: Arc<dyn Harness> = Arc::new(mutant.of(Impatient));
    match judge(case, &mutated) {
        Verdict::Failed(_) => Ok(()),
        _ => Err(format!("{} passes in spite of the defect", case.name).into()),
    }
}

/// Memory with short waits: a mutant often makes a case wait for what never comes.
#[derive(Debug)]
struct Impatient;

impl Harness for Impatient {
    fn name(&self) -> &str {
        "memory"
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        MemoryHarness::new().store()
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(200)
    }

    fn margin(&self) -> Duration {
        Duration::from_millis(500)
    }
}
