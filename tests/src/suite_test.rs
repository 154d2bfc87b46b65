use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Conclusion};

use super::{trials, trials_without_store};
use crate::case::{Case, Need};
use crate::cases;
use crate::context::Context;
use crate::faults::{FaultKind, Faults};
use crate::harness::{Harness, Missing, Store};
use crate::memory::MemoryHarness;
use crate::mutants;
use crate::verdict::{Verdict, judge};

/// Memory without its faults, and with a short bound.
#[derive(Debug)]
struct Plain;

#[derive(Debug)]
struct PlainStore(Arc<dyn Store>);

impl Harness for Plain {
    fn name(&self) -> &str {
        "memory without faults"
    }

    fn store(&self) -> Result<Arc<dyn Store>, Missing> {
        Ok(Arc::new(PlainStore(MemoryHarness::new().store()?)))
    }

    fn ttl(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn bound(&self) -> Duration {
        Duration::from_millis(200)
    }
}

impl Store for PlainStore {
    fn connect(&self, node: &ha_core::spi::Name) -> Arc<dyn ha_core::spi::Backend> {
        self.0.connect(node)
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        None
    }
}

/// Runs the trials whose name contains `filter`, without a word.
fn run(filter: &str, trials: Vec<libtest_mimic::Trial>) -> Conclusion {
    let mut arguments = Arguments::from_iter(["suite"]);
    arguments.filter = Some(filter.to_owned());
    // Failures are what some tests want to see; nobody else is to be alarmed by them.
    arguments.logfile = Some("/dev/null".into());
    libtest_mimic::run(&arguments, trials)
}

fn verdict(run: fn(Context) -> crate::case::CaseFuture, needs: &'static [Need]) -> Verdict {
    let case: &'static Case = Box::leak(Box::new(Case::new("test::case", "G1", needs, run)));
    let harness: Arc<dyn Harness> = Arc::new(Plain);
    judge(case, &harness)
}

#[test]
fn a_case_that_panics_fails_with_its_message() {
    let how = verdict(|_| Box::pin(async { panic!("the reason") }), &[]);
    assert!(matches!(&how, Verdict::Failed(how) if how.contains("the reason")), "{how:?}");
}

#[test]
fn a_case_that_waits_for_ever_fails_at_its_bound() {
    let how = verdict(|_| Box::pin(std::future::pending()), &[]);
    assert!(matches!(&how, Verdict::Failed(how) if how.contains("200ms")), "{how:?}");
}

#[test]
fn a_case_whose_needs_are_unmet_is_ignored_with_the_reason() {
    let needs = &[Need::Fault(FaultKind::Forget)];
    let how = verdict(|_| Box::pin(async { panic!("it is not run") }), needs);
    assert!(matches!(&how, Verdict::Ignored(why) if why.contains("forget commits")), "{how:?}");
}

#[test]
fn a_wrong_number_of_ignored_cases_fails() {
    let harness: Arc<dyn Harness> = Arc::new(Plain);
    let backend = Plain.store().unwrap().connect(&crate::context::name("node"));
    let unmet = cases::all().filter(|case| case.unmet(backend.capabilities(), None).is_some()).count();
    assert!(unmet > 0, "some cases need faults");
    for (pinned, failed) in [(unmet, 0), (unmet - 1, 1), (unmet + 1, 1), (0, 1)] {
        let conclusion = run("suite::", trials(&harness, 2, pinned));
        assert_eq!((conclusion.num_passed + conclusion.num_failed, conclusion.num_failed), (1, failed));
    }
    let conclusion = run("discontinuity::the_generation", trials(&harness, 2, unmet));
    assert_eq!((conclusion.num_ignored, conclusion.num_failed), (1, 0));
}

#[test]
fn a_missing_store_ignores_all_cases_or_fails_them_all() {
    let all = u64::try_from(cases::all().count()).unwrap();
    let conclusion = run("", trials_without_store("no server", false));
    assert_eq!((conclusion.num_ignored, conclusion.num_failed), (all, 0));
    let conclusion = run("", trials_without_store("no server", true));
    assert_eq!((conclusion.num_ignored, conclusion.num_failed), (0, all));
}

#[test]
fn names_are_sentences_that_occur_once() {
    let mut names = BTreeSet::new();
    for case in cases::all() {
        let (module, sentence) = case.name.split_once("::").unwrap();
        assert!(!module.is_empty() && sentence.matches('_').count() >= 2, "{}", case.name);
        assert!(names.insert(case.name), "{} occurs twice", case.name);
    }
    let mut defects = BTreeSet::new();
    for mutant in mutants::all() {
        assert!(defects.insert(mutant.name), "{} occurs twice", mutant.name);
        assert!(cases::find(mutant.caught_by).is_some(), "there is no case {}", mutant.caught_by);
    }
}
