//! Files that are moved away under those who use them, or replaced by others.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use ha_conformance::history::{Event, Recipe};
use ha_conformance::servers::holder::{Holder, Work};
use ha_core::ErrorKind;
use ha_core::spi::{Naming, Txn, WatchTarget};

use super::Test;
use super::site::{self, FOR_EVER, LONG, Place};
use super::start;

pub(crate) const TESTS: &[Test] = &[
    ("moved::whatever_is_moved_its_sessions_and_watches_end_with_the_reason", noticed),
    ("moved::a_database_beside_the_log_of_another_one_is_refused", torn),
    ("moved::a_log_without_its_database_is_left_to_whoever_moves_them", halfway),
    ("moved::a_store_whose_log_was_taken_away_goes_on_above_it", without_log),
    ("moved::a_store_that_was_closed_is_whole_and_used_again_at_once", closed),
    ("moved::nobody_overlaps_while_the_files_are_moved_away", away),
    ("moved::a_store_that_replaces_another_one_waits_for_its_holders", replaced),
];

/// In an order in which nobody can take them for whole in between.
const FILES: [&str; 3] = ["", "-wal", "-shm"];

fn move_all(place: &Place, from: &str, to: &str) {
    for suffix in FILES {
        let path = |name: &str| place.folder().join(format!("{name}{suffix}"));
        match fs::rename(path(from), path(to)) {
            // Whoever made it had not come so far.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !suffix.is_empty() => {}
            moved => moved.unwrap(),
        }
    }
}

fn noticed() {
    for name in ["ha.db", "ha.db-wal", "ha.db-shm", "ha.db-live"] {
        let place = Place::new();
        site::run(async {
            let backend = place.backend();
            let (session, watcher) =
                (site::session(&*backend, FOR_EVER).await, site::session(&*backend, FOR_EVER).await);
            let mut watch = watcher.watch(WatchTarget::Collection(site::collection()));
            watch.next().await.unwrap();
            fs::rename(place.folder().join(name), place.folder().join("elsewhere")).unwrap();
            // Nobody asks for anything.
            tokio::time::timeout(LONG, async { while watch.next().await.is_some() {} }).await.unwrap();
            for error in [
                session.renew().await.unwrap_err(),
                session.commit(Txn::new().create(site::key("late"), "")).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::SessionLost, "{name}: {error}");
                assert!(error.to_string().contains("moved"), "{name}: {error}");
            }
        });
    }
}

fn torn() {
    let place = Place::new();
    site::run(async {
        let backend = place.backend();
        let old = site::session(&*backend, FOR_EVER).await;
        site::store(&*old, "before", "").await;
        for (at, suffix) in FILES.into_iter().enumerate() {
            if at > 0 {
                let error = site::try_session(&*backend, FOR_EVER).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                assert!(error.to_string().contains("-wal"), "{error}");
            }
            let path = |name: &str| place.folder().join(format!("{name}{suffix}"));
            fs::rename(path("ha.db"), path("old.db")).unwrap();
        }
        site::store(&*site::session(&*backend, FOR_EVER).await, "after", "").await;
        // And nothing was done to what was moved: it can be used where it is now.
        let moved = site::connect(&format!("local://{}/old.db", place.folder().display()));
        let listing = site::session(&*moved, FOR_EVER).await;
        let listing = listing.list(&site::collection(), ha_core::spi::Page::by_name(9)).await.unwrap();
        assert_eq!(listing.entries().len(), 1, "what was stored before");
    });
}

/// Also if nobody knows any more which files were used: whoever opened them last died in the middle.
fn halfway() {
    let place = Place::new();
    site::run(async {
        let backend = place.backend();
        site::store(&*site::session(&*backend, FOR_EVER).await, "before", "").await;
        fs::write(place.folder().join("ha.db-live/mark"), "0 0 0 0\n").unwrap();
        for (at, suffix) in FILES.into_iter().enumerate() {
            if at > 0 {
                let error = site::try_session(&*backend, FOR_EVER).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                assert!(error.to_string().contains("-wal"), "{error}");
            }
            let path = |name: &str| place.folder().join(format!("{name}{suffix}"));
            fs::rename(path("ha.db"), path("old.db")).unwrap();
        }
        let moved = site::connect(&format!("local://{}/old.db", place.folder().display()));
        let listing = site::session(&*moved, FOR_EVER).await;
        let listing = listing.list(&site::collection(), ha_core::spi::Page::by_name(9)).await.unwrap();
        assert_eq!(listing.entries().len(), 1, "what was stored before");
    });
}

fn without_log() {
    let place = Place::new();
    site::run(async {
        let backend = place.backend();
        let old = site::session(&*backend, FOR_EVER).await;
        let take = |name| Txn::new().create_owned(site::key(name), "", Naming::Reusable);
        let before = old.commit(take("before")).await.unwrap().committed().unwrap();
        for suffix in ["-wal", "-shm"] {
            fs::remove_file(place.folder().join(format!("ha.db{suffix}"))).unwrap();
        }
        assert_eq!(old.renew().await.unwrap_err().kind(), ErrorKind::SessionLost);
        // Whoever still has the log open stands in the way: it is refused, not read without it.
        let opened = async {
            loop {
                match site::try_session(&*backend, FOR_EVER).await {
                    Ok(new) => break new,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let new = tokio::time::timeout(LONG, opened).await.unwrap();
        let error = new.commit(take("after")).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Recovering,
            "whoever was granted something may not know yet: {error}"
        );
        let after = new.commit(Txn::new().create(site::key("after"), "")).await.unwrap().committed().unwrap();
        assert!(after.revision > before.revision, "{} after {}", after.revision, before.revision);
    });
}

/// Although a session of before had no time to end.
fn closed() {
    let place = Place::new();
    let take = |name| Txn::new().create_owned(site::key(name), "", Naming::Reusable);
    site::run(async {
        let session = site::session(&*place.backend(), FOR_EVER).await;
        session.commit(take("before")).await.unwrap().committed().unwrap();
    });
    let files = || {
        fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|file| fs::read_link(file.path()).ok())
    };
    let is_used = || files().any(|file| file.starts_with(place.folder()));
    let ended = (0..60_000).any(|_| {
        thread::sleep(Duration::from_millis(1));
        !is_used()
    });
    assert!(ended, "its threads end");
    let log = fs::metadata(place.folder().join("ha.db-wal")).unwrap();
    assert_eq!(log.len(), 0, "all of it is in the database");
    site::run(async {
        let session = site::session(&*place.backend(), FOR_EVER).await;
        assert!(session.commit(take("after")).await.unwrap().is_committed());
        let listing = session.list(&site::collection(), ha_core::spi::Page::by_name(9)).await.unwrap();
        assert_eq!(listing.entries().len(), 2, "what was stored before");
    });
}

fn away() {
    let place = Place::new();
    let scene = place.scene();
    let start = |node: usize| {
        let recipe = if node == 0 { Recipe::Election } else { Recipe::Mutex };
        let turns =
            Work::take_turns(recipe, "shared", 1, Duration::from_millis(5), Duration::from_millis(20));
        scene.start(&format!("node-{node}"), 1, turns)
    };
    let mut holders: Vec<Holder> = (0..4).map(start).collect();
    for round in 0..3 {
        for holder in &mut holders {
            let so_far = site::grants(holder);
            holder.wait_for_grant(so_far + 5, LONG);
        }
        move_all(&place, "ha.db", &format!("old-{round}.db"));
    }
    site::finish(&scene, &mut holders);
}

/// The one that is put in its place was made before, so that its revisions are smaller.
fn replaced() {
    let place = Place::new();
    let backup = format!("local://{}/backup.db?timeout=500ms", place.folder().display());
    let said = start::visit(&backup, 1, "exec \"$@\"", false);
    assert!(said.contains("done"), "{said}");
    let scene = place.scene();
    let mut first = scene.start("a", 1, Work::hold(Recipe::Mutex, "m"));
    first.wait_for_grant(1, LONG);
    // It notices nothing, and believes in what it has until its time is up.
    first.freeze();
    move_all(&place, "ha.db", "old.db");
    move_all(&place, "backup.db", "ha.db");
    let mut second = scene.start("b", 1, Work::hold(Recipe::Mutex, "m"));
    second.wait_for_grant(1, LONG);
    first.thaw();
    first.wait_for("told", 1, LONG, |event| matches!(event, Event::LossNoticed { .. }));
    second.end();
    first.wait_for_grant(2, LONG);
    first.end();
    scene.judge(&site::bounds());
    site::run(async {
        let session = site::session(&*place.backend(), FOR_EVER).await;
        let txn =
            Txn::new().create(site::key("visit-0"), "").create_owned(site::key("x"), "", Naming::Reusable);
        let outcome = session.commit(txn).await.unwrap();
        assert!(!outcome.is_committed(), "what the visitor stored is there: {outcome:?}");
    });
}
