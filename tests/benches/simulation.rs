//! How many seeds of the simulation two cores run in a minute, all checkers included. `cargo xtask bench` runs it.

#![expect(clippy::print_stdout, reason = "a benchmark says what it measured")]

use ha_conformance::sim::Subject;
use ha_conformance::sim::batch::{self, Batch};

const SEEDS: u64 = 4_000;

fn main() {
    for subject in Subject::ALL {
        let mut batch = Batch::default();
        // Seeds that no test runs, so that nothing of them is tuned to this.
        (batch.from, batch.count, batch.threads) = (7_000_000, SEEDS, 2);
        let outcome = batch::run_plain(&batch, *subject);
        let per_minute = outcome.seeds as f64 * 60.0 / outcome.took.as_secs_f64();
        let name = subject.name();
        if *subject == Subject::Mutex {
            println!("figure simulation/{name} {per_minute:.0} seeds/min target >= 10000");
        } else {
            println!("{name}: {per_minute:.0} seeds a minute");
        }
        assert!(outcome.failed.is_empty(), "{}", outcome.failed[0]);
    }
}
