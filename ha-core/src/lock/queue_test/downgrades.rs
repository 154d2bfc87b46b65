//! A writer that goes on as a reader: its rules one by one, and the mistakes that break them.

use super::{Patience, Request, Share, Shared};
use crate::coordinator::model_test::Scene;
use crate::error::ErrorKind;
use crate::spi::{Operation, Txn};

type Lock = Scene<Shared<0>>;

fn acquire(waiter: u64, share: Share) -> Request {
    Request::Acquire { waiter, share, patience: Patience::Forever }
}

/// The first process writes; the others wait with these shares.
fn written(others: &[Share]) -> Lock {
    let mut scene = Lock::of(1 + others.len());
    scene.call(0, 1, acquire(1, Share::Whole));
    scene.settle();
    for (at, share) in others.iter().enumerate() {
        scene.call(at + 1, 1, acquire(1, *share));
        scene.settle();
    }
    assert!(scene.holds(0));
    scene
}

/// The holder asks to go on as a reader, as caller 50.
fn downgrade(scene: &mut Lock) -> u64 {
    let place = scene.grant(0);
    scene.processes[0].held.clear();
    scene.call(0, 50, Request::Downgrade { place, caller: 50 });
    place
}

#[test]
fn the_place_is_changed_and_neither_left_nor_made_anew() {
    let mut scene = written(&[Share::Read, Share::Whole, Share::Read]);
    let token = scene.processes[0].held[0].token;
    downgrade(&mut scene);
    assert_eq!(scene.in_flight(0), 1);
    assert!(matches!(scene.txn(0, 0).operations(), [Operation::Update { .. }]));
    scene.settle();
    assert!(scene.holds(0) && scene.holds(1) && !scene.holds(2) && !scene.holds(3));
    assert_eq!((scene.processes[0].held[0].token, scene.processes[0].held[0].weight), (token, 1));
}

#[test]
fn a_reader_that_looked_before_the_change_and_watches_after_it_is_woken() {
    let mut scene = Lock::of(2);
    scene.call(0, 1, acquire(1, Share::Whole));
    scene.settle();
    scene.call(1, 1, acquire(1, Share::Read));
    scene.execute(1, 0);
    downgrade(&mut scene);
    scene.execute(0, 0);
    scene.answer(0, 0);
    scene.answer(1, 0);
    assert!(!scene.holds(1), "its view shows a writer, and its watch has yet to begin");
    scene.settle();
    assert!(scene.holds(1));
}

#[test]
fn readers_of_the_same_process_look_again() {
    let mut scene = written(&[]);
    for caller in 2..=4 {
        scene.call(0, caller, acquire(caller, Share::Read));
    }
    scene.settle();
    assert_eq!(scene.processes[0].believed().count(), 1);
    downgrade(&mut scene);
    scene.settle();
    assert_eq!(scene.processes[0].believed().count(), 4);
}

#[test]
fn a_change_that_is_refused_is_repeated_until_it_is_made() {
    let mut scene = written(&[Share::Read]);
    downgrade(&mut scene);
    for _ in 0..3 {
        scene.refuse_as(0, 0, ErrorKind::Unavailable);
        assert!(scene.in_flight(0) == 0 && !scene.holds(0) && !scene.holds(1), "nobody believes");
        scene.wait(std::time::Duration::from_millis(60));
    }
    scene.settle();
    assert!(scene.holds(0) && scene.holds(1));
}

#[test]
fn a_change_that_is_denied_leaves_the_place() {
    let mut scene = written(&[Share::Whole]);
    downgrade(&mut scene);
    scene.refuse_as(0, 0, ErrorKind::Denied);
    assert_eq!(scene.processes[0].answers.get(&50), Some(&Some(ErrorKind::Denied)));
    scene.settle();
    assert!(scene.holds(1) && scene.owned() == 1);
}

#[test]
fn a_caller_that_gives_up_leaves_the_place_before_and_after_the_change() {
    for executed in [false, true] {
        let mut scene = written(&[Share::Whole]);
        let place = downgrade(&mut scene);
        if executed {
            scene.execute(0, 0);
        }
        scene.processes[0].waiting.remove(&50);
        scene.say(0, Request::Release { place, caller: None });
        scene.settle();
        assert!(scene.holds(1) && scene.owned() == 1, "executed before: {executed}");
    }
}

#[test]
fn a_lost_session_answers_the_caller() {
    let mut scene = written(&[Share::Whole]);
    downgrade(&mut scene);
    let (old, _) = scene.lose(0);
    assert_eq!(scene.processes[0].answers.get(&50), Some(&Some(ErrorKind::SessionLost)));
    scene.store.end(&old);
    scene.settle();
    assert!(scene.holds(1));
    // So does one that was lost before.
    scene.reopen(0);
    scene.call(0, 51, Request::Downgrade { place: 1, caller: 51 });
    assert_eq!(scene.processes[0].answers.get(&51), Some(&Some(ErrorKind::SessionLost)));
}

#[test]
fn a_place_that_was_deleted_answers_the_caller() {
    let mut scene = written(&[]);
    let stamp = scene.store.entries().next().unwrap().stamp().clone();
    let session = scene.processes[0].session.clone().unwrap();
    let now = scene.now;
    assert!(scene.store.commit(&session, &Txn::new().delete(stamp), now).is_ok());
    downgrade(&mut scene);
    scene.settle();
    assert_eq!(scene.processes[0].answers.get(&50), Some(&Some(ErrorKind::SessionLost)));
    assert_eq!(scene.owned(), 0);
}

#[test]
fn an_answer_of_the_older_history_is_void_and_the_change_is_made_again() {
    for forgotten in [0, 1] {
        let mut scene = written(&[Share::Read]);
        downgrade(&mut scene);
        scene.execute(0, 0);
        scene.forget(forgotten);
        scene.renew(0);
        scene.settle();
        assert!(scene.holds(0), "{forgotten} commits were forgotten");
        scene.renew(1);
        scene.wait(std::time::Duration::from_secs(12));
        scene.settle();
        assert!(scene.holds(0) && scene.holds(1));
    }
}

#[test]
fn a_change_that_is_forgotten_later_is_made_again() {
    let mut scene = written(&[]);
    downgrade(&mut scene);
    scene.settle();
    let read = scene.store.entries().next().unwrap().value().clone();
    scene.forget(1);
    assert_ne!(scene.store.entries().next().unwrap().value(), &read);
    scene.renew(0);
    scene.settle();
    assert_eq!(
        scene.store.entries().next().unwrap().value(),
        &read,
        "or the fence of the writer would hold again"
    );
    assert!(scene.holds(0));
    scene.let_go(0, 3);
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn a_place_that_was_forgotten_answers_the_caller() {
    let mut scene = Lock::of(1);
    scene.call(0, 1, acquire(1, Share::Whole));
    scene.settle();
    scene.forget(1);
    downgrade(&mut scene);
    scene.renew(0);
    scene.settle();
    assert_eq!(scene.processes[0].answers.get(&50), Some(&Some(ErrorKind::SessionLost)));
}
