//! The services that share work: what they say is what happened, and nothing was lost.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

/// How long any run may take: many times what one takes on an idle machine.
const BOUND: Duration = Duration::from_secs(100);

/// What a program says that ends well.
struct Said(Vec<String>);

impl Said {
    fn by(program: &'static str) -> Self {
        let (done, result) = mpsc::channel();
        std::thread::spawn(move || done.send(Command::new(program).output()));
        let output = result.recv_timeout(BOUND).unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        Self(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
    }

    /// The place of the first line that contains the text.
    fn at(&self, text: &str) -> usize {
        self.0
            .iter()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{text:?} in {:#?}", self.0))
    }

    fn line(&self, text: &str) -> &str {
        &self.0[self.at(text)]
    }

    fn count(&self, text: &str) -> usize {
        self.0.iter().filter(|line| line.contains(text)).count()
    }
}

fn first_word(line: &str) -> &str {
    line.trim_start_matches("-- ").split(' ').next().unwrap()
}

fn last_word(line: &str) -> &str {
    line.rsplit(' ').next().unwrap()
}

#[test]
fn trackers_that_start_at_once_share_the_work_and_a_late_one_is_refused() {
    let said = Said::by(env!("CARGO_BIN_EXE_tracker"));
    assert_eq!(said.0[0], "1000 executions are added; once more, which adds 0");
    assert!(said.0[1].starts_with("1000 executions were tracked, each once: "), "{:#?}", said.0);
    let (frozen, heir) = (first_word(said.line("freezes")), first_word(said.line("asks for it as well")));
    assert_ne!(frozen, heir);
    let late = said.line("was refused");
    assert_eq!((first_word(late), last_word(late)), (frozen, heir), "{:#?}", said.0);
    assert_eq!(said.count(&format!("e-slow has the result of {heir}")), 2, "{:#?}", said.0);
}

#[test]
fn a_backup_schedules_what_is_missing_and_each_notification_is_sent_once() {
    let said = Said::by(env!("CARGO_BIN_EXE_notifier"));
    let (dead, backup) = (first_word(said.line("dies")), first_word(said.line("schedules:")));
    assert_ne!(dead, backup);
    let missing: u32 = said.line("schedules:").split(' ').nth(2).unwrap().parse().unwrap();
    assert!((1..=7).contains(&missing), "{:#?}", said.0);
    assert_eq!(said.count("sent after 2 failures"), 4, "{:#?}", said.0);
    assert_eq!(said.count("is put aside after 3 failures: there is no mail server"), 4, "{:#?}", said.0);
    assert!(said.at("is put aside") < said.at("4 notifications are tried again"), "{:#?}", said.0);
    assert!(
        said.0.contains(&"12 notifications were sent, 0 of them more than once".to_owned()),
        "{:#?}",
        said.0
    );
}

#[test]
fn a_configuration_outlives_its_runner_and_a_handler_that_hangs_is_refused() {
    let said = Said::by(env!("CARGO_BIN_EXE_runner"));
    let held = &said.0[..said.at("2 others wait")];
    let configuration = |line: &str| line.split([' ', ',']).nth(3).unwrap().to_owned();
    let token = |line: &str| last_word(line).parse::<u64>().unwrap();
    let all: BTreeSet<String> = held.iter().map(|line| configuration(line)).collect();
    assert_eq!((held.len(), all.len()), (3, 3), "{:#?}", said.0);
    assert!(said.0.contains(&"30 actions were run".to_owned()), "{:#?}", said.0);
    assert!(said.line("a-long").contains("was run by"), "{:#?}", said.0);

    let hung = first_word(said.line("a handler of").trim_start_matches("-- a handler of "));
    assert_eq!(first_word(said.line("wakes up")), hung, "{:#?}", said.0);

    let dead = said.at("dies at its work");
    let victim = first_word(&said.0[dead]);
    let lost = said.0[..dead].iter().rfind(|line| line.starts_with(&format!("{victim} works with"))).unwrap();
    let again = said.0[dead..].iter().find(|line| line.contains(&configuration(lost))).unwrap();
    assert!(token(again) > token(lost) && first_word(again) != victim, "{:#?}", said.0);
    let fatal = said.line("a-fatal");
    assert!(!fatal.contains(victim) && token(fatal) >= 2, "{:#?}", said.0);
}
