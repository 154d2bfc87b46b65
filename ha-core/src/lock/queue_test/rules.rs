//! The rules of the queue, one by one, and the mistakes that break them.

use std::time::Duration;

use super::{Patience, Queue, Request, Share, acquire, scene};
use crate::coordinator::model_test::Scene;
use crate::error::ErrorKind;
use crate::spi::WatchTarget;

const NOW: Duration = Duration::from_millis(60);

fn token(scene: &Scene<Queue>, at: usize) -> u64 {
    scene.processes[at].held[0].token
}

#[test]
fn an_uncontended_lock_costs_one_commit_to_take_and_one_to_release() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    assert_eq!(scene.in_flight(0), 1);
    scene.execute(0, 0);
    scene.answer(0, 0);
    assert!(scene.holds(0) && scene.in_flight(0) == 0);
    scene.let_go(0, 2);
    assert_eq!(scene.in_flight(0), 1);
    scene.execute(0, 0);
    scene.answer(0, 0);
    assert!(scene.processes[0].answers.contains_key(&2) && scene.in_flight(0) == 0);
    assert_eq!(scene.owned(), 0);
}

#[test]
fn a_place_whose_creation_is_unresolved_is_not_deleted_before() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.give_up(0, 1);
    assert_eq!(scene.in_flight(0), 1, "nothing is sent beside the creation");
    assert_eq!(scene.txn(0, 0).operations().len(), 1);
}

#[test]
fn a_dropped_future_leaves_no_place_behind() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.execute(0, 0);
    scene.give_up(0, 1);
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn a_predecessor_that_vanished_in_mid_queue_makes_nobody_a_holder() {
    let mut scene = scene(3);
    for at in 0..3 {
        scene.call(at, 1, acquire(1));
        scene.settle();
    }
    let (dead, _) = scene.lose(1);
    scene.store.end(&dead);
    scene.settle();
    assert!(scene.holds(0) && !scene.holds(2));
    scene.let_go(0, 2);
    scene.settle();
    assert!(scene.holds(2));
}

#[test]
fn a_local_hand_over_is_another_place_with_a_larger_token() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.call(0, 2, acquire(2));
    scene.settle();
    let first = token(&scene, 0);
    scene.let_go(0, 3);
    scene.settle();
    assert!(token(&scene, 0) > first);
    assert_eq!(scene.owned(), 1);
}

#[test]
fn an_entry_of_the_session_before_is_waited_for_and_never_adopted() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.execute(0, 0);
    let (old, _) = scene.lose(0);
    scene.reopen(0);
    scene.settle();
    assert!(!scene.holds(0));
    scene.store.end(&old);
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_late_creation_of_the_session_before_grants_nothing() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    let (old, mut late) = scene.lose(0);
    scene.reopen(0);
    let now = scene.now;
    late[0].execute(&old, &mut scene.store, now);
    scene.settle();
    assert!(!scene.holds(0));
    scene.store.end(&old);
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_place_is_let_go_by_its_holder_and_not_for_those_who_wait() {
    let mut scene = scene(2);
    scene.call(0, 1, acquire(1));
    scene.settle();
    scene.call(0, 2, acquire(2));
    scene.call(1, 1, acquire(1));
    scene.settle();
    assert_eq!(scene.owned(), 3);
    assert!(scene.holds(0) && !scene.holds(1));
}

#[test]
fn a_grant_whose_session_has_run_out_is_not_delivered_and_its_waiter_goes_on() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.execute(0, 0);
    scene.processes[0].now = scene.now + Duration::from_secs(60);
    scene.answer(0, 0);
    assert!(scene.processes[0].held.is_empty() && scene.processes[0].waiting.contains(&1));
    let (old, _) = scene.lose(0);
    scene.store.end(&old);
    scene.reopen(0);
    scene.settle();
    assert_eq!(scene.processes[0].held.len(), 1);
}

#[test]
fn the_next_place_made_by_a_hand_over_waits_its_turn() {
    let mut scene = scene(2);
    scene.call(0, 1, acquire(1));
    scene.settle();
    scene.call(0, 2, acquire(2));
    scene.settle();
    scene.call(1, 1, acquire(1));
    scene.call(0, 3, acquire(3));
    scene.settle();
    // Deletes the place of the first and creates one for the third, behind the other process.
    scene.let_go(0, 4);
    assert_eq!(scene.txn(0, 0).operations().len(), 2);
    scene.settle();
    scene.let_go(0, 5);
    scene.settle();
    assert!(scene.holds(1) && !scene.holds(0));
    scene.let_go(1, 2);
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn the_entry_ahead_of_our_oldest_place_is_watched_in_whatever_order_our_places_were_created() {
    let mut scene = scene(2);
    scene.call(0, 1, acquire(1));
    scene.settle();
    scene.call(1, 1, acquire(1));
    scene.settle();
    // A place is created for the second, and with the release another one for the third; the later one arrives first.
    scene.call(0, 2, acquire(2));
    scene.call(0, 3, acquire(3));
    scene.let_go(0, 4);
    assert_eq!(scene.in_flight(0), 2);
    scene.execute(0, 1);
    scene.execute(0, 0);
    scene.answer(0, 0);
    scene.answer(0, 0);
    scene.settle();
    assert!(matches!(scene.processes[0].watched()[..], [WatchTarget::Entry(_)]));
    scene.let_go(1, 2);
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_release_that_is_refused_is_repeated_until_it_is_done() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.settle();
    scene.let_go(0, 2);
    for _ in 0..3 {
        scene.refuse_as(0, 0, ErrorKind::Unavailable);
        assert_eq!(scene.in_flight(0), 0, "not at once");
        scene.wait(NOW);
    }
    scene.settle();
    assert!(scene.owned() == 0 && scene.processes[0].answers.contains_key(&2));
}

#[test]
fn a_try_that_waits_for_our_own_release_is_told_when_the_store_cannot_be_reached() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.settle();
    scene.let_go(0, 2);
    scene.call(0, 3, Request::Acquire { waiter: 3, share: Share::Whole, patience: Patience::None });
    scene.refuse_as(0, 0, ErrorKind::Unavailable);
    scene.wait(NOW);
    scene.refuse_as(0, 0, ErrorKind::Unavailable);
    assert_eq!(scene.processes[0].answers.get(&3), Some(&Some(ErrorKind::Unavailable)));
}

#[test]
fn a_creation_that_is_denied_does_not_keep_the_place_that_was_to_be_left() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.settle();
    for caller in 2..4 {
        scene.call(0, caller, acquire(caller));
    }
    scene.settle();
    scene.let_go(0, 4);
    assert_eq!(scene.txn(0, 0).operations().len(), 2);
    scene.refuse_as(0, 0, ErrorKind::Denied);
    assert_eq!(scene.processes[0].answers.get(&3), Some(&Some(ErrorKind::Denied)));
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn a_try_is_answered_at_once_when_others_hold_the_lock() {
    let mut scene = scene(2);
    scene.call(0, 1, acquire(1));
    scene.settle();
    scene.call(1, 1, Request::Acquire { waiter: 1, share: Share::Whole, patience: Patience::None });
    scene.settle();
    assert_eq!(scene.processes[1].answers.get(&1), Some(&None));
    assert_eq!(scene.owned(), 1);
}

#[test]
fn a_view_from_before_our_own_place_was_deleted_keeps_no_try_out() {
    let mut scene = scene(2);
    scene.call(0, 1, acquire(1));
    scene.settle();
    let try_for = |waiter| Request::Acquire { waiter, share: Share::Whole, patience: Patience::None };
    scene.call(1, 1, try_for(1));
    scene.execute(1, 0);
    scene.answer(1, 0);
    scene.let_go(0, 2);
    scene.settle_but(1);
    scene.call(1, 2, try_for(2));
    // The creation comes first, but the answer to the deletion is faster.
    scene.execute(1, 1);
    scene.execute(1, 0);
    scene.answer(1, 0);
    scene.settle();
    assert!(scene.holds(1), "nobody else has it");
}

#[test]
fn a_waiter_whose_time_is_over_is_told_and_leaves_no_place() {
    let mut scene = scene(2);
    scene.call(0, 1, acquire(1));
    scene.settle();
    let patience = Patience::Until(scene.now + Duration::from_millis(500));
    scene.call(1, 1, Request::Acquire { waiter: 1, share: Share::Whole, patience });
    scene.settle();
    scene.wait(Duration::from_millis(600));
    assert_eq!(scene.processes[1].answers.get(&1), Some(&Some(ErrorKind::Timeout)));
    scene.settle();
    assert_eq!(scene.owned(), 1);
}

#[test]
fn nothing_is_watched_once_the_entry_ahead_has_vanished() {
    let mut scene = scene(2);
    for at in 0..2 {
        scene.call(at, 1, acquire(1));
        scene.settle();
    }
    assert_eq!(scene.processes[1].watched().len(), 1);
    scene.let_go(0, 2);
    scene.settle();
    assert!(scene.holds(1));
    assert_eq!(scene.processes[1].watched().len(), 0);
}

#[test]
fn a_waiter_whose_grant_was_not_delivered_is_told_when_the_coordinator_shuts_down() {
    use crate::coordinator::Input;
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.settle();
    let place = scene.grant(0);
    scene.processes[0].feed(Input::Closing);
    let undelivered =
        Request::Undelivered { place, waiter: 7, share: Share::Whole, patience: Patience::Forever };
    scene.call(0, 7, undelivered);
    assert_eq!(scene.processes[0].answers.get(&7), Some(&Some(ErrorKind::Closed)));
}

#[test]
fn a_grant_of_the_session_before_that_was_not_delivered_does_not_hold_up_the_new_one() {
    let mut scene = scene(1);
    scene.call(0, 1, acquire(1));
    scene.settle();
    let place = scene.grant(0);
    scene.processes[0].held.clear();
    let (old, _) = scene.lose(0);
    scene.store.end(&old);
    scene.reopen(0);
    scene.call(
        0,
        7,
        Request::Undelivered { place, waiter: 7, share: Share::Whole, patience: Patience::Forever },
    );
    scene.settle();
    assert!(scene.holds(0));
}
