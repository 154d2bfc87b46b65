//! Files that are not what they should be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use ha_conformance::servers::Folder;
use ha_core::ErrorKind;
use ha_core::runtime::{Runtime, TokioRuntime};
use ha_core::spi::{Naming, Txn};
use rusqlite::Connection;

use super::Test;
use super::site::{self, Place};
use super::start;

pub(crate) const TESTS: &[Test] = &[
    ("files::a_file_of_another_program_is_refused_and_left_as_it_is", foreign),
    ("files::a_newer_format_is_refused_and_left_as_it_is", newer),
    ("files::a_file_that_cannot_be_written_is_refused", read_only),
    ("files::a_folder_that_cannot_be_written_is_refused", no_permission),
    ("files::a_folder_that_is_not_there_is_refused", no_folder),
    ("files::a_deleted_file_ends_its_sessions_and_the_next_one_waits_for_their_deadlines", deleted),
];

/// The error of opening the store, and what is left in the file.
fn refused(place: &Place) -> (ErrorKind, Vec<u8>) {
    let error =
        site::run(async { site::try_session(&*place.backend(), Duration::from_secs(9)).await.unwrap_err() });
    assert!(error.to_string().contains(place.folder().to_str().unwrap()), "{error}");
    (error.kind(), fs::read(place.path()).unwrap_or_default())
}

fn foreign() {
    let place = Place::new();
    let text = "a file of another program, long enough to have a header of its own ".repeat(20);
    fs::write(place.path(), &text).unwrap();
    assert_eq!(refused(&place), (ErrorKind::Incompatible, text.into_bytes()));

    let place = Place::new();
    Connection::open(place.path())
        .unwrap()
        .execute_batch("CREATE TABLE mine(x); INSERT INTO mine VALUES (1)")
        .unwrap();
    let before = fs::read(place.path()).unwrap();
    assert_eq!(refused(&place), (ErrorKind::Incompatible, before));
}

fn newer() {
    let place = Place::new();
    let newer = "PRAGMA application_id = 1751213154; PRAGMA user_version = 2; CREATE TABLE store(x)";
    Connection::open(place.path()).unwrap().execute_batch(newer).unwrap();
    let before = fs::read(place.path()).unwrap();
    assert_eq!(refused(&place), (ErrorKind::Incompatible, before));
}

/// As somebody who may not do everything: what a visitor says of it.
fn visited(place: &Place) -> String {
    start::visit(&place.url(), 1, "exec \"$@\"", start::is_root())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn create(place: &Place) {
    site::run(async {
        site::session(&*place.backend(), Duration::from_secs(9)).await.close().await.unwrap();
    });
}

fn read_only() {
    let place = Place::new();
    create(&place);
    set_mode(place.folder(), 0o777);
    let live = place.folder().join("ha.db-live");
    set_mode(&live, 0o777);
    for file in ["gate", "bell", "mark"] {
        set_mode(&live.join(file), 0o666);
    }
    set_mode(&place.path(), 0o444);
    let said = visited(&place);
    assert!(said.contains("open Denied"), "{said}");
    set_mode(&place.path(), 0o666);
    // Files that the database made while it could only be read can only be read themselves.
    for file in ["ha.db-wal", "ha.db-shm"].map(|file| place.folder().join(file)) {
        if file.exists() {
            set_mode(&file, 0o666);
        }
    }
    let said = visited(&place);
    assert!(said.contains("done"), "{said}");
}

fn no_permission() {
    let place = Place::new();
    set_mode(place.folder(), 0o555);
    let said = visited(&place);
    set_mode(place.folder(), 0o755);
    assert!(said.contains("open Denied") && said.contains("its folder"), "{said}");
}

fn no_folder() {
    let folder = Folder::new("local");
    let url = format!("local://{}/none/ha.db", folder.path().display());
    let error = site::run(async {
        site::try_session(&*site::connect(&url), Duration::from_secs(9)).await.unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

fn deleted() {
    const TTL: Duration = Duration::from_secs(3);
    let place = Place::new();
    site::run(async {
        let backend = place.backend();
        let old = site::session(&*backend, TTL).await;
        let take = || Txn::new().create_owned(site::key("leader"), "", Naming::Reusable);
        let before = old.commit(take()).await.unwrap().committed().unwrap();
        for suffix in ["", "-wal", "-shm"] {
            fs::remove_file(place.folder().join(format!("ha.db{suffix}"))).unwrap();
        }
        // Whoever holds something learns of it by its next renewal; whoever is new waits until then.
        assert_eq!(old.renew().await.unwrap_err().kind(), ErrorKind::SessionLost);
        assert_eq!(old.commit(take()).await.unwrap_err().kind(), ErrorKind::SessionLost);
        let new = site::session(&*backend, TTL).await;
        let error = new.commit(take()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recovering, "{error}");
        site::store(&*new, "data", "passes").await;
        let runtime = TokioRuntime::current().unwrap();
        let until = error.until().unwrap();
        while runtime.now() < until {
            new.renew().await.unwrap();
            runtime.sleep_until(until.min(runtime.now() + TTL / 6)).await;
        }
        let after = new.commit(take()).await.unwrap().committed().unwrap();
        assert!(after.revision > before.revision, "{} after {}", after.revision, before.revision);
    });
}
