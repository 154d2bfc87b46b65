//! The rules of readers and writers, one by one, and the mistakes that break them.

use super::{Patience, Request, Share, Shared};
use crate::coordinator::model_test::Scene;
use crate::error::ErrorKind;
use crate::spi::WatchTarget;

type Lock = Scene<Shared<0>>;

fn read(waiter: u64) -> Request {
    Request::Acquire { waiter, share: Share::Read, patience: Patience::Forever }
}

fn write(waiter: u64) -> Request {
    Request::Acquire { waiter, share: Share::Whole, patience: Patience::Forever }
}

fn held(scene: &Lock, at: usize) -> usize {
    scene.processes[at].believed().count()
}

#[test]
fn readers_of_one_process_are_granted_in_one_round_trip_each_all_at_once() {
    let mut scene = Lock::of(1);
    for caller in 1..=5 {
        scene.call(0, caller, read(caller));
    }
    assert_eq!(scene.in_flight(0), 5, "nobody is known to keep them out");
    for _ in 0..5 {
        scene.execute(0, 0);
        scene.answer(0, 0);
    }
    assert!(held(&scene, 0) == 5 && scene.in_flight(0) == 0);
}

#[test]
fn a_process_has_one_place_in_the_queue_behind_a_writer_however_many_read() {
    let mut scene = Lock::of(2);
    scene.call(0, 1, write(1));
    scene.settle();
    scene.call(1, 1, read(1));
    scene.settle();
    for caller in 2..=9 {
        scene.call(1, caller, read(caller));
        scene.settle();
    }
    assert_eq!(scene.owned(), 2);
    scene.let_go(0, 2);
    scene.settle();
    assert_eq!(held(&scene, 1), 9, "all of them read once the first one does");
}

#[test]
fn a_reader_does_not_go_past_a_writer_that_waits() {
    let mut scene = Lock::of(3);
    scene.call(0, 1, read(1));
    scene.settle();
    scene.call(1, 1, write(1));
    scene.settle();
    scene.call(2, 1, read(1));
    scene.call(0, 2, read(2));
    scene.settle();
    assert_eq!((held(&scene, 0), held(&scene, 1), held(&scene, 2)), (1, 0, 0));
    scene.let_go(0, 3);
    scene.settle();
    assert_eq!((held(&scene, 0), held(&scene, 1), held(&scene, 2)), (0, 1, 0));
    scene.let_go(1, 2);
    scene.settle();
    assert_eq!((held(&scene, 0), held(&scene, 1), held(&scene, 2)), (1, 0, 1));
}

#[test]
fn a_reader_watches_the_nearest_writer_and_not_the_readers_between() {
    let mut scene = Lock::of(4);
    for (at, request) in [write(1), read(1), read(1), read(1)].into_iter().enumerate() {
        scene.call(at, 1, request);
        scene.settle();
    }
    let writer = scene.store.entries().find(|entry| entry.key().name().as_str().starts_with("s1-")).unwrap();
    let writer = WatchTarget::Entry(writer.key().clone());
    for at in 1..4 {
        assert_eq!(scene.processes[at].watched(), [&writer]);
    }
    scene.let_go(0, 2);
    scene.settle();
    assert!((1..4).all(|at| held(&scene, at) == 1));
}

#[test]
fn a_reader_between_that_gives_up_wakes_nobody() {
    let mut scene = Lock::of(3);
    for (at, request) in [write(1), read(1), read(1)].into_iter().enumerate() {
        scene.call(at, 1, request);
        scene.settle();
    }
    scene.give_up(1, 1);
    scene.execute(1, 0);
    scene.answer(1, 0);
    scene.hear_all(2);
    assert_eq!(scene.in_flight(2), 0);
}

#[test]
fn a_writer_behind_readers_waits_for_all_of_them() {
    let mut scene = Lock::of(3);
    for at in 0..2 {
        scene.call(at, 1, read(1));
        scene.settle();
    }
    scene.call(2, 1, write(1));
    scene.settle();
    // The one right ahead of it lets go first.
    scene.let_go(1, 2);
    scene.settle();
    assert_eq!(held(&scene, 2), 0);
    scene.let_go(0, 2);
    scene.settle();
    assert_eq!(held(&scene, 2), 1);
}

#[test]
fn calls_of_one_process_are_served_in_their_order() {
    let mut scene = Lock::of(1);
    scene.call(0, 1, read(1));
    scene.call(0, 2, write(2));
    scene.call(0, 3, read(3));
    scene.settle();
    let waiting: Vec<u64> = scene.processes[0].waiting.iter().copied().collect();
    assert_eq!(waiting, [2, 3], "the second reader came after the writer");
    scene.let_go(0, 4);
    scene.settle();
    assert!(scene.processes[0].waiting.contains(&3) && held(&scene, 0) == 1);
    scene.let_go(0, 5);
    scene.settle();
    assert!(scene.processes[0].waiting.is_empty() && held(&scene, 0) == 1);
}

#[test]
fn a_place_that_serves_nobody_any_more_is_left_also_when_others_wait_here() {
    let mut scene = Lock::of(2);
    scene.call(0, 1, write(1));
    scene.settle();
    scene.call(1, 1, write(1));
    scene.call(1, 2, read(2));
    scene.settle();
    scene.give_up(1, 1);
    // The place of the writer is deleted and one for the reader made, in one step.
    assert_eq!(scene.txn(1, 0).operations().len(), 2);
    scene.settle();
    scene.let_go(0, 2);
    scene.settle();
    assert!(held(&scene, 1) == 1 && scene.owned() == 1);
}

#[test]
fn a_try_to_read_is_answered_by_who_writes_and_not_by_who_reads() {
    let try_read = |waiter| Request::Acquire { waiter, share: Share::Read, patience: Patience::None };
    let mut scene = Lock::of(2);
    scene.call(0, 1, read(1));
    scene.settle();
    for caller in 2..=4 {
        scene.call(0, caller, try_read(caller));
        scene.call(1, caller, try_read(caller));
    }
    scene.settle();
    assert_eq!((held(&scene, 0), held(&scene, 1)), (4, 3));
    scene.call(1, 9, write(9));
    scene.call(1, 10, try_read(10));
    assert_eq!(scene.processes[1].answers.get(&10), Some(&None), "a writer waits before it");
    scene.settle();
    scene.call(0, 11, try_read(11));
    scene.settle();
    assert_eq!(scene.processes[0].answers.get(&11), Some(&None));
}

#[test]
fn whoever_finds_another_kind_ahead_is_refused_and_leaves() {
    let mut scene = Lock::of(1);
    let session = scene.store.open(scene.now);
    let key = crate::lock::record::queue(&crate::names::Name::parse("l").unwrap())
        .key(crate::names::Name::parse(&format!("{session}-1")).unwrap());
    let txn = crate::spi::Txn::new().create_owned(
        key,
        r#"{"kind":{"semaphore":{"permits":2}},"node":"x","share":{"permits":1}}"#,
        crate::spi::Naming::Unique,
    );
    let now = scene.now;
    assert!(scene.store.commit(&session, &txn, now).is_ok());
    scene.call(0, 1, read(1));
    scene.settle();
    assert_eq!(scene.processes[0].answers.get(&1), Some(&Some(ErrorKind::TypeMismatch)));
    assert_eq!(scene.owned(), 1);
}
