//! Stores that are out of reach for a while: every write of a process fails, or another program is in the way.

use std::time::Duration;

use ha_core::spi::{Naming, Page, Txn};
use ha_core::{Effect, Error, ErrorKind};
use rusqlite::Connection;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Test;
use super::site::{self, FOR_EVER, LONG, Place};
use super::start;

pub(crate) const TESTS: &[Test] = &[
    ("cut::a_process_whose_writes_fail_for_a_while_keeps_what_it_has", short),
    ("cut::one_whose_writes_fail_for_longer_than_its_ttl_is_followed", long),
    ("cut::a_program_that_keeps_the_write_lock_ends_nobodys_session", kept),
];

/// The ttl of a process that is cut off for longer.
const TTL: Duration = Duration::from_secs(2);

/// Lets the process go on when a write fails.
const SHELL: &str = "trap '' XFSZ; exec \"$@\"";

/// Lets every write of this process to a file fail, or no longer.
fn cut_off(is_cut: bool) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
    let current = if is_cut { Some(0) } else { maximum };
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

fn say<T>(what: &str, result: &Result<T, Error>) {
    match result {
        Ok(_) => println!("{what} works"),
        Err(error) => println!("{what} {:?} {:?} {error}", error.kind(), error.effect()),
    }
}

/// What a process does that is cut off for so long.
pub(crate) async fn be_cut_off(url: &str, ttl: Duration, length: Duration) {
    let session = site::try_session(&*site::connect(url), ttl).await.unwrap();
    let own = |name: &str| Txn::new().create_owned(site::key(name), "", Naming::Reusable);
    say("before", &session.commit(own("mine")).await);
    cut_off(true);
    say("commit", &session.commit(own("lost")).await);
    say("renew", &session.renew().await);
    tokio::time::sleep(length).await;
    cut_off(false);
    say("healed", &session.renew().await);
    say("again", &session.commit(own("found")).await);
}

fn visit(place: &Place, ttl: Duration, length: Duration) -> String {
    start::visit_cut_off(&place.url(), ttl, length, SHELL)
}

fn assert_says(said: &str, lines: &[&str]) {
    let found: Vec<&str> = said.lines().collect();
    assert!(found.len() == lines.len(), "{said}");
    assert!(found.iter().zip(lines).all(|(found, line)| found.starts_with(line)), "{said}");
}

fn short() {
    let place = Place::new();
    site::run(async {
        let session = site::session(&*place.backend(), FOR_EVER).await;
        let said = visit(&place, FOR_EVER, Duration::ZERO);
        let refused = ["before works", "commit Unavailable NotApplied", "renew Unavailable NotApplied"];
        assert_says(&said, &[&refused[..], &["healed works", "again works"]].concat());
        // It is dead by now; what it was refused was never there.
        let outcome = session.commit(Txn::new().absent(site::key("lost"))).await.unwrap();
        assert!(outcome.is_committed(), "{outcome:?}");
    });
}

fn long() {
    let place = Place::new();
    site::run(async {
        let session = site::session(&*place.backend(), FOR_EVER).await;
        let url = place.url();
        let visitor = std::thread::spawn(move || start::visit_cut_off(&url, TTL, TTL * 3, SHELL));
        let has_mine = async || {
            let listing = session.list(&site::collection(), Page::by_name(9)).await.unwrap();
            listing.entries().iter().any(|entry| entry.key() == &site::key("mine"))
        };
        tokio::time::timeout(LONG, async { while !has_mine().await {} }).await.unwrap();
        tokio::time::timeout(LONG, async { while has_mine().await {} }).await.unwrap();
        assert!(!visitor.is_finished(), "it is ended for its deadline while it lives");
        let said = visitor.join().unwrap();
        let lost = ["healed SessionLost", "again SessionLost"];
        let lines = ["before works", "commit Unavailable NotApplied", "renew Unavailable NotApplied"];
        assert_says(&said, &[&lines[..], &lost[..]].concat());
    });
}

fn kept() {
    let place = Place::new();
    site::run(async {
        let session = site::session(&*place.backend(), TTL).await;
        let other = Connection::open(place.path()).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut waited = Duration::ZERO;
        while waited < TTL * 2 {
            let error = session.commit(Txn::new().create(site::key("refused"), "")).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.effect()),
                (ErrorKind::Unavailable, Effect::NotApplied),
                "{error}"
            );
            assert!(error.to_string().contains("another program"), "{error}");
            session.renew().await.unwrap();
            // As long as a request waits.
            waited += Duration::from_millis(500);
        }
        other.execute_batch("ROLLBACK").unwrap();
        site::store(&*session, "after", "it goes on").await;
        let outcome = session.commit(Txn::new().absent(site::key("refused"))).await.unwrap();
        assert!(outcome.is_committed(), "what was refused never happened: {outcome:?}");
    });
}
