//! An election in a store that forgets: a failover that lost writes, a restored backup.

use std::time::Duration;

use super::{State, campaign, scene, standing};
use crate::coordinator::Input;
use crate::coordinator::model_test::Process;
use crate::election::records::Keys;
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::spi::Txn;

const HOLD: Duration = Duration::from_secs(12);

#[test]
fn leadership_that_the_store_forgot_is_given_up_at_once_when_a_renewal_tells() {
    let mut scene = standing(1);
    scene.forget(1);
    scene.renew(0);
    scene.settle();
    assert!(!scene.holds(0) && scene.processes[0].is_reconciled());
    assert_eq!(scene.owned(), 0);
}

#[test]
fn leadership_that_the_store_still_knows_stays() {
    let mut scene = standing(1);
    scene.forget(0);
    scene.renew(0);
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_grant_that_was_under_way_when_the_store_forgot_promotes_nobody() {
    let mut scene = scene(2);
    scene.store.trusts_clients = true;
    scene.call(1, 1, campaign(1));
    scene.hear_all(1);
    scene.call(0, 1, campaign(1));
    scene.settle_but(1);
    assert!(scene.holds(0));
    // The store forgets that one leads, so the other one's grant, asked for before that, is made.
    scene.forget(1);
    scene.execute(1, 0);
    scene.answer(1, 0);
    assert!(scene.holds(0) && !scene.holds(1));
    scene.settle();
    scene.wait(HOLD);
    scene.settle();
    assert!(scene.holds(1) && !scene.holds(0));
}

#[test]
fn a_record_that_the_store_brings_back_is_deleted() {
    let mut scene = standing(1);
    scene.let_go(0, 2);
    scene.settle();
    scene.forget(1);
    assert_eq!(scene.owned(), 2);
    scene.renew(0);
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn a_candidate_that_is_brought_back_is_not_taken_for_gone_because_an_older_view_says_so() {
    let mut scene = standing(2);
    scene.let_go(0, 2);
    scene.settle();
    assert!(scene.holds(1));
    let collection = Keys::new("election", &Name::parse("e").unwrap()).candidates;
    let candidate = scene.store.entries().find(|entry| *entry.key().collection() == collection).unwrap();
    let deletion = Txn::new().delete(candidate.stamp().clone());
    let administrator = scene.store.open(scene.now);
    assert!(scene.store.commit(&administrator, &deletion, scene.now).unwrap().committed().is_some());
    scene.hear_all(1);
    assert!(scene.holds(1), "who leads needs no candidate");
    // The grant and the deletion. The candidates are listed first, and the watches say nothing yet.
    scene.forget(2);
    scene.renew(1);
    for nth in [1, 0] {
        scene.execute(1, nth);
        scene.answer(1, nth);
    }
    assert!(!scene.holds(1));
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn a_record_that_is_brought_back_while_a_grant_is_under_way_is_deleted() {
    let mut scene = standing(1);
    scene.call(0, 2, campaign(2));
    scene.let_go(0, 3);
    // Resigns, joins again, and asks to lead.
    for _ in 0..2 {
        scene.execute(0, 0);
        scene.answer(0, 0);
    }
    scene.hear_all(0);
    assert_eq!(scene.in_flight(0), 1);
    // The record of the term before is back; whether it is the one that the grant makes is not known yet.
    scene.forget(2);
    scene.renew(0);
    scene.settle_behind(0, 1);
    assert_eq!(scene.in_flight(0), 1);
    scene.settle();
    assert_eq!(scene.owned(), 0);
    scene.wait(HOLD);
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_listing_that_is_older_than_our_grant_does_not_end_it() {
    let mut scene = standing(1);
    scene.let_go(0, 2);
    scene.execute(0, 0);
    scene.call(0, 3, campaign(3));
    scene.forget(0);
    scene.renew(0);
    scene.settle_behind(0, 1);
    scene.wait(HOLD);
    // The resignation was answered by the older history, so it looks again, resigns again, and then leads again.
    scene.answer(0, 0);
    assert_eq!(scene.in_flight(0), 3);
    scene.execute(0, 0);
    scene.execute(0, 1);
    scene.settle_behind(0, 2);
    assert!(scene.holds(0));
    scene.answer(0, 0);
    scene.answer(0, 0);
    assert!(scene.holds(0), "its record was created after the listing was made");
    scene.let_go(0, 4);
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn an_answer_of_the_older_history_makes_nobody_a_leader() {
    let mut scene = scene(1);
    scene.call(0, 1, campaign(1));
    scene.hear_all(0);
    scene.execute(0, 0);
    scene.forget(0);
    scene.renew(0);
    scene.answer(0, 0);
    assert!(!scene.holds(0));
    scene.settle();
    assert_eq!(scene.owned(), 0, "what was created all the same is deleted");
    scene.wait(HOLD);
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_refusal_that_says_until_when_does_not_put_off_looking_again() {
    let mut scene = standing(2);
    scene.let_go(0, 2);
    scene.settle_but(1);
    scene.hear_all(1);
    scene.forget(0);
    let until = scene.now + HOLD;
    scene.refuse(1, 0, Error::new(ErrorKind::Recovering, "commit").with_until(until));
    assert_eq!(scene.in_flight(1), 0);
    scene.renew(1);
    assert!(scene.in_flight(1) > 0, "it looks at once");
}

#[test]
fn a_hold_does_not_hold_up_a_withdrawal() {
    let mut scene = standing(2);
    scene.let_go(0, 2);
    scene.settle_but(1);
    scene.hear_all(1);
    let until = scene.now + HOLD;
    scene.refuse(1, 0, Error::new(ErrorKind::Recovering, "commit").with_until(until));
    scene.give_up(1, 1);
    assert_eq!(scene.in_flight(1), 1);
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn looking_again_goes_on_after_a_listing_that_failed() {
    let mut scene = standing(1);
    scene.forget(1);
    scene.renew(0);
    scene.refuse_as(0, 0, ErrorKind::Unavailable);
    scene.settle();
    assert!(!scene.processes[0].is_reconciled());
    scene.wait(Duration::from_millis(60));
    scene.settle();
    assert!(scene.processes[0].is_reconciled() && !scene.holds(0));
}

/// A coordinator that shuts down before its next session waits for nobody else.
#[test]
fn without_a_session_there_is_nothing_to_look_at() {
    let mut process = Process::<State>::new(0);
    process.feed(Input::Discontinuity { hold_until: None });
    assert!(process.is_done());
}
