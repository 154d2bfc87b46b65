//! A few seconds of simulation: seeds that must pass, defects that must be caught, runs that must repeat.

use std::process::Command;

use ha_conformance::sim::batch::{self, Batch};
use ha_conformance::sim::{Defect, Settings, Subject, run};

fn batch(from: u64, count: u64) -> Batch {
    let mut batch = Batch::default();
    (batch.from, batch.count) = (from, count);
    batch
}

#[test]
fn no_seed_of_the_mutex_violates_an_invariant() {
    let outcome = batch::run_plain(&batch(0, 150), Subject::Mutex);
    assert!(outcome.failed.is_empty(), "{}", outcome.failed[0]);
}

#[test]
fn no_seed_of_the_election_violates_an_invariant() {
    let outcome = batch::run_plain(&batch(0, 150), Subject::Election);
    assert!(outcome.failed.is_empty(), "{}", outcome.failed[0]);
}

#[test]
fn no_seed_of_the_store_violates_an_invariant() {
    let outcome = batch::run_plain(&batch(0, 150), Subject::Store);
    assert!(outcome.failed.is_empty(), "{}", outcome.failed[0]);
}

#[test]
fn no_seed_of_partitions_violates_an_invariant() {
    let outcome = batch::run_plain(&batch(0, 150), Subject::Partitions);
    assert!(outcome.failed.is_empty(), "{}", outcome.failed[0]);
}

#[test]
fn no_seed_of_work_sets_violates_an_invariant() {
    let outcome = batch::run_plain(&batch(0, 150), Subject::Work);
    assert!(outcome.failed.is_empty(), "{}", outcome.failed[0]);
}

#[test]
fn no_seed_of_shared_locks_violates_an_invariant() {
    let outcome = batch::run_plain(&batch(0, 150), Subject::Shared);
    assert!(outcome.failed.is_empty(), "{}", outcome.failed[0]);
}

/// The seeds of `docs/simulation.md` that once found something, here or in the judge. As a regression each is worth as much as the code
/// that it still reaches: where a unit test shows the same, that is the better one.
#[test]
fn seeds_that_found_something_pass() {
    let found: [(Subject, &[u64]); 6] = [
        (Subject::Mutex, &[400_149_046, 600_105_362, 900_823_126, 2_000_007_032, 2_000_213_880]),
        (Subject::Election, &[75, 264, 309, 3_001_202_026]),
        (Subject::Shared, &[2, 7, 280, 297, 90_000_664, 94_117_302_914_001_505]),
        (
            Subject::Partitions,
            &[
                15,
                23,
                29,
                49,
                64,
                94,
                97,
                101,
                111,
                124,
                163,
                1_736,
                1_902,
                1_994,
                3_036,
                8_898,
                11_378,
                7_000_062_846,
                7_000_065_893,
                7_000_092_724,
                628_169_489_092_001_198,
                725_349_417_538_000_329,
            ],
        ),
        (Subject::Work, &[3, 13, 426, 482, 1_154, 20_351]),
        (Subject::Store, &[1_827, 500_169_233]),
    ];
    for (subject, seeds) in found {
        for seed in seeds {
            let outcome = batch::run_plain(&batch(*seed, 1), subject);
            assert!(outcome.failed.is_empty(), "{}", outcome.failed[0]);
        }
    }
}

#[test]
fn defects_of_each_part_are_caught() {
    let defects = [
        "VanishedMeansTurn",
        "HintObeyed",
        "NoLocalDeadline",
        "CreateReplaces",
        "WatchLosesRemovals",
        "AttemptAsToken",
    ];
    for name in defects {
        let defect = Defect::named(name).unwrap();
        assert!(batch::catch(&batch(0, 100), defect).is_some(), "{name}");
    }
}

#[test]
fn a_defect_is_planted_in_its_own_run_only() {
    let mut planted = Settings::default();
    planted.defect = Defect::named("VanishedMeansTurn");
    let clean = run(Subject::Mutex, 3, Settings::default());
    let broken = run(Subject::Mutex, 3, planted);
    let again = run(Subject::Mutex, 3, Settings::default());
    assert_ne!(clean.trace, broken.trace);
    assert_eq!(clean.trace, again.trace);
}

#[test]
fn a_seed_takes_the_same_course_every_time() {
    for subject in Subject::ALL {
        let first = run(*subject, 7, Settings::default());
        let second = run(*subject, 7, Settings::default());
        assert_eq!((first.trace, first.polls), (second.trace, second.polls));
        assert_eq!(first.history, second.history);
    }
}

#[test]
fn two_processes_see_the_same_runs() {
    let digest = || {
        let run =
            Command::new(env!("CARGO_BIN_EXE_sim")).args(["--count", "40", "--digest"]).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        let text = String::from_utf8(run.stdout).unwrap();
        text.lines().filter(|line| line.starts_with("digest")).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = digest();
    assert_eq!(first.len(), Subject::ALL.len());
    assert_eq!(first, digest());
}
