//! Losses of power: what was not written to the disk is gone, and so is every process.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::time::Duration;

use ha_core::spi::{Naming, Page, Revision, Session, Txn};
use rusqlite::Connection;

use super::Test;
use super::site::{self, Place};

pub(crate) const TESTS: &[Test] = &[
    ("power::no_token_is_given_twice_although_the_last_commits_are_forgotten", forgotten),
    ("power::nor_when_it_happens_again_at_once", again),
];

/// A page of the log with its header.
const FRAME: u64 = 24 + 4096;
const HEADER: u64 = 32;

/// Copies what the disk has when the last `frames` were not written to it, to a machine that boots anew.
fn lose_power(from: &Path, to: &Path, frames: u64) {
    fs::copy(from, to).unwrap();
    let log = to.with_extension("db-wal");
    fs::copy(from.with_extension("db-wal"), &log).unwrap();
    let whole = (fs::metadata(&log).unwrap().len() - HEADER) / FRAME;
    let left = HEADER + whole.saturating_sub(frames) * FRAME;
    OpenOptions::new().write(true).open(&log).unwrap().set_len(left).unwrap();
    let database = Connection::open(to).unwrap();
    database.execute("UPDATE store SET boot = '00000000-0000-0000-0000-000000000000'", []).unwrap();
}

async fn take(session: &dyn Session, name: &str) -> Revision {
    let txn = Txn::new().create_owned(site::key(name), "", Naming::Reusable);
    session.commit(txn).await.unwrap().committed().unwrap().revision
}

fn forgotten() {
    let (before, after) = (Place::new(), Place::new());
    site::run(async {
        let session = site::session(&*before.backend(), Duration::from_secs(60)).await;
        site::store(&*session, "kept", "data").await;
        let mut latest = Revision::default();
        for number in 0..50 {
            latest = take(&*session, &format!("grant-{number}")).await;
        }
        lose_power(&before.path(), &after.path(), 40);
        let session = site::session(&*after.backend(), Duration::from_secs(60)).await;
        let left = session.list(&site::collection(), Page::by_name(100)).await.unwrap();
        let names: Vec<&str> = left.entries().iter().map(|entry| entry.key().name().as_str()).collect();
        assert_eq!(names, ["kept"], "what sessions owned is gone with the boot");
        let next = take(&*session, "grant-0").await;
        assert!(next > latest, "{next} after {latest}");
    });
}

fn again() {
    let places = [Place::new(), Place::new(), Place::new()];
    site::run(async {
        let mut latest = Revision::default();
        for (at, place) in places.iter().enumerate() {
            let session = site::session(&*place.backend(), Duration::from_secs(60)).await;
            let next = take(&*session, "grant").await;
            assert!(next > latest, "{next} after {latest}, power loss {at}");
            latest = next;
            if let Some(next) = places.get(at + 1) {
                // All that was not forced to the disk: the latest commits, and not what the boot changed.
                lose_power(&place.path(), &next.path(), 8);
            }
        }
    });
}
