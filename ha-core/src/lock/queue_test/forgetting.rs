//! The queue in a store that forgets: a failover that lost writes, a restored backup.

use std::time::Duration;

use super::{Patience, Queue, Request, Share, acquire, scene};
use crate::coordinator::Input;
use crate::coordinator::model_test::{Process, Scene};
use crate::error::{Error, ErrorKind};
use crate::spi::{Guard, Operation};

const HOLD: Duration = Duration::from_secs(12);

/// One process holds the lock.
fn held() -> Scene<Queue> {
    let mut scene = scene(2);
    scene.call(0, 1, acquire(1));
    scene.settle();
    assert!(scene.holds(0));
    scene
}

#[test]
fn a_grant_that_the_store_forgot_is_given_up_at_once_when_a_renewal_tells() {
    let mut scene = held();
    scene.forget(1);
    scene.renew(0);
    scene.settle();
    assert!(!scene.holds(0));
    assert_eq!(scene.owned(), 0);
}

#[test]
fn a_grant_that_the_store_still_knows_stays() {
    let mut scene = held();
    scene.forget(0);
    scene.renew(0);
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn nobody_is_granted_anything_before_the_hold_is_over_even_if_the_store_lets_them_queue() {
    let mut scene = held();
    scene.store.trusts_clients = true;
    scene.call(1, 1, acquire(1));
    scene.forget(1);
    scene.settle();
    assert!(!scene.holds(1) && scene.owned() == 1);
    scene.renew(0);
    scene.settle();
    scene.wait(HOLD);
    scene.settle();
    assert!(scene.holds(1) && !scene.holds(0));
}

#[test]
fn a_place_that_the_store_brings_back_is_deleted() {
    let mut scene = held();
    scene.let_go(0, 2);
    scene.settle();
    scene.forget(1);
    assert_eq!(scene.owned(), 1);
    scene.renew(0);
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn an_answer_of_the_older_history_grants_nothing() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.execute(0, 0);
    scene.forget(0);
    scene.renew(0);
    let creation = scene.processes[0].requests.len() - 2;
    scene.answer(0, creation);
    assert!(!scene.holds(0));
    scene.settle();
    // It was created all the same: that place is deleted, and another one is granted when the hold is over.
    assert_eq!(scene.owned(), 0);
    scene.wait(HOLD);
    scene.settle();
    assert!(scene.holds(0) && scene.owned() == 1);
}

#[test]
fn a_release_that_the_older_history_acknowledged_is_made_again() {
    let mut scene = held();
    scene.let_go(0, 2);
    scene.execute(0, 0);
    scene.forget(1);
    scene.renew(0);
    scene.settle();
    assert!(scene.owned() == 0 && scene.processes[0].answers.contains_key(&2));
}

#[test]
fn a_refusal_that_says_until_when_does_not_put_off_looking_again() {
    let mut scene = held();
    scene.call(1, 1, acquire(1));
    scene.forget(1);
    scene.call(0, 2, acquire(2));
    // Both were refused before anybody told of the new history.
    for at in 0..2 {
        let until = scene.now + HOLD;
        scene.refuse(at, 0, Error::new(ErrorKind::Recovering, "commit").with_until(until));
        assert_eq!(scene.in_flight(at), 0);
    }
    scene.renew(0);
    assert_eq!(scene.in_flight(0), 1, "it looks at once");
    scene.settle();
    assert!(!scene.holds(0));
}

#[test]
fn a_pause_after_a_failure_does_not_put_off_looking_again() {
    let mut scene = held();
    scene.call(0, 2, acquire(2));
    scene.refuse_as(0, 0, ErrorKind::Unavailable);
    scene.forget(1);
    scene.renew(0);
    assert!(scene.in_flight(0) > 0);
}

#[test]
fn a_hold_does_not_hold_up_a_release() {
    let mut scene = held();
    for caller in 2..4 {
        scene.call(0, caller, acquire(caller));
    }
    scene.settle();
    scene.let_go(0, 4);
    let until = scene.now + HOLD;
    scene.refuse(0, 0, Error::new(ErrorKind::Recovering, "commit").with_until(until));
    assert!(matches!(scene.txn(0, 0).operations(), [Operation::Delete { .. }]));
}

#[test]
fn a_refusal_until_an_instant_that_has_come_is_not_answered_with_the_same_request_at_once() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    let until = scene.now;
    scene.refuse(0, 0, Error::new(ErrorKind::Recovering, "commit").with_until(until));
    assert_eq!(scene.in_flight(0), 0);
    scene.wait(Duration::from_millis(60));
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_try_is_refused_during_a_hold() {
    let mut scene = held();
    scene.forget(0);
    scene.renew(1);
    scene.settle();
    scene.call(1, 1, Request::Acquire { waiter: 1, share: Share::Whole, patience: Patience::None });
    assert_eq!(scene.processes[1].answers.get(&1), Some(&Some(ErrorKind::Recovering)));
}

#[test]
fn a_view_without_our_place_grants_nothing() {
    let mut scene = held();
    scene.call(1, 1, acquire(1));
    scene.settle();
    // The place in the queue is deleted by an administrator, and then the holder lets go.
    let (key, stamp) = {
        let place = scene.store.entries().find(|entry| entry.key().name().as_str().starts_with("s2-"));
        let place = place.unwrap();
        (place.key().clone(), place.stamp().clone())
    };
    let txn = crate::spi::Txn::new().guard(Guard::Present(key)).delete(stamp);
    let session = scene.processes[0].session.clone().unwrap();
    let now = scene.now;
    assert!(scene.store.commit(&session, &txn, now).is_ok());
    scene.let_go(0, 2);
    scene.execute(0, 0);
    scene.answer(0, 0);
    scene.processes[1].overhear(&scene.store, false);
    while !scene.processes[1].has_heard_all() {
        scene.processes[1].hear();
    }
    scene.execute(1, 0);
    scene.answer(1, 0);
    assert!(!scene.holds(1), "the view shows an empty queue, and not our place as the oldest");
    scene.settle();
    assert!(scene.holds(1) && scene.owned() == 1);
}

#[test]
fn whoever_has_no_session_has_nothing_to_look_at() {
    let mut scene = held();
    scene.lose(0);
    scene.processes[0].feed(Input::Discontinuity { hold_until: None });
    assert!(scene.processes[0].is_reconciled());
}

#[test]
fn looking_again_is_over_when_the_session_is() {
    let mut scene = held();
    scene.forget(1);
    scene.renew(0);
    assert!(!scene.processes[0].is_reconciled());
    scene.lose(0);
    assert!(scene.processes[0].is_reconciled());
}

/// A coordinator that shuts down before its next session waits for nobody else.
#[test]
fn without_a_session_there_is_nothing_to_look_at() {
    let mut process = Process::<Queue>::new(0);
    process.feed(Input::Discontinuity { hold_until: None });
    assert!(process.is_done());
}
