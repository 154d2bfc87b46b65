//! Processes that are stopped.

use std::fs::OpenOptions;
use std::time::Duration;

use ha_conformance::history::{Event, Recipe};
use ha_conformance::servers::holder::{Holder, Work};
use ha_core::{Effect, ErrorKind};
use rustix::process::{Flock, FlockOffsetType, FlockType, Pid, fcntl_getlk};

use super::Test;
use super::site::{self, LONG, Place, TTL};

pub(crate) const TESTS: &[Test] = &[
    ("stopped::a_stopped_holder_is_followed_after_its_ttl", stopped),
    ("stopped::one_that_is_stopped_in_a_transaction_is_named_and_ends_nobodys_session", in_transaction),
];

fn has_ended(event: &Event) -> bool {
    matches!(event, Event::Ended { .. })
}

fn stopped() {
    let place = Place::new();
    let scene = place.scene();
    let mut first = scene.start("a", 1, Work::hold(Recipe::Mutex, "m"));
    first.wait_for_grant(1, LONG);
    let mut second = scene.start("b", 1, Work::hold(Recipe::Mutex, "m"));
    first.freeze();
    second.wait_for_grant(1, LONG);
    first.thaw();
    first.wait_for("told", 1, LONG, |event| matches!(event, Event::LossNoticed { .. }));
    second.end();
    first.wait_for_grant(2, LONG);
    first.end();
    scene.judge(&site::bounds());
}

/// The process inside the gate of the store.
fn inside(place: &Place) -> Option<u32> {
    let gate =
        OpenOptions::new().read(true).write(true).open(place.folder().join("ha.db-live/gate")).unwrap();
    let wanted = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let found = fcntl_getlk(&gate, &wanted).unwrap()?;
    u32::try_from(found.pid.map(Pid::as_raw_pid)?).ok()
}

/// Stops a process that does little else than commit, until that meets it inside.
fn stop_inside(place: &Place, busy: &mut Holder) {
    for _ in 0..10_000 {
        busy.freeze();
        if inside(place) == Some(busy.id()) {
            return;
        }
        busy.thaw();
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it was never stopped in the middle of a transaction");
}

fn in_transaction() {
    let place = Place::new();
    let scene = place.scene();
    let mut keeper = scene.start("keeper", 1, Work::hold(Recipe::Mutex, "kept"));
    keeper.wait_for_grant(1, LONG);
    let mut busy =
        scene.start("busy", 1, Work::take_turns(Recipe::Mutex, "busy", 8, Duration::ZERO, Duration::ZERO));
    busy.wait_for_grant(10, LONG);
    let pid = busy.id().to_string();
    stop_inside(&place, &mut busy);
    // The gate is looked at from a process of its own: closing the file here would open the gate for us.
    let refused = super::start::visit(&place.url(), 1, "exec \"$@\"", false);
    assert!(refused.contains("open Unavailable") && refused.contains(&pid), "{refused}");
    std::thread::sleep(TTL * 3);
    assert_eq!(keeper.count(has_ended), 0, "its renewals need no transaction");
    busy.thaw();
    site::run(async {
        let session = site::session(&*place.backend(), LONG).await;
        site::store(&*session, "after", "it goes on").await;
        session.close().await.unwrap();
    });
    // And killed instead of continued.
    let so_far = site::grants(&busy);
    busy.wait_for_grant(so_far + 10, LONG);
    stop_inside(&place, &mut busy);
    site::run(async {
        let backend = place.backend();
        let error = site::try_session(&*backend, LONG).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotApplied), "{error}");
        assert!(error.to_string().contains(&pid), "{error}");
        busy.kill();
        site::session(&*backend, LONG).await.close().await.unwrap();
    });
    assert_eq!(keeper.count(has_ended), 0);
    keeper.end();
    scene.judge(&site::bounds());
}
