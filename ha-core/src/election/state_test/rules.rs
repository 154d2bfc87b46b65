//! The rules of an election, one by one, and the mistakes that break them.

use std::time::Duration;

use super::super::{CANDIDATES, RECORD};
use super::{Candidacy, Request, State, campaign, node, scene, standing};
use crate::coordinator::Input;
use crate::coordinator::model_test::Scene;
use crate::error::ErrorKind;
use crate::spi::Operation;

fn transfer(scene: &mut Scene<State>, at: usize, caller: u64, to: usize) {
    scene.call(at, caller, Request::Transfer { target: node(to), caller });
}

fn leader(scene: &Scene<State>) -> Option<String> {
    let leader = scene.store.entries().find(|entry| entry.key().name().as_str() == "leader");
    leader.map(|entry| String::from_utf8_lossy(entry.value()).into_owned())
}

#[test]
fn whoever_stands_alone_leads_by_one_commit() {
    let mut scene = scene(1);
    scene.call(0, 1, campaign(1));
    scene.hear_all(0);
    assert_eq!(scene.in_flight(0), 1);
    scene.execute(0, 0);
    scene.answer(0, 0);
    assert!(scene.holds(0) && scene.in_flight(0) == 0);
}

#[test]
fn a_campaign_dropped_while_the_grant_is_unresolved_withdraws_nothing_before() {
    let mut scene = standing(2);
    scene.let_go(0, 2);
    scene.settle_but(1);
    // The successor asks for the grant, and its caller goes.
    scene.hear_all(1);
    assert_eq!(scene.in_flight(1), 1);
    scene.give_up(1, 1);
    assert_eq!(scene.in_flight(1), 1, "nothing is sent beside the grant");
    scene.execute(1, 0);
    scene.answer(1, 0);
    assert!(!scene.holds(1));
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn a_leader_record_of_our_own_session_makes_nobody_a_leader() {
    let mut scene = standing(1);
    scene.call(0, 2, campaign(2));
    scene.hear_all(0);
    scene.let_go(0, 3);
    // The view still shows our own record, which the resignation is about to delete.
    scene.execute(0, 0);
    scene.answer(0, 0);
    assert!(leader(&scene).is_none() && !scene.holds(0));
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_newcomer_does_not_take_what_was_handed_to_another() {
    let mut scene = scene(3);
    // The newcomer's view of the candidates is from the beginning, that of the record from the end.
    scene.call(2, 1, campaign(1));
    scene.processes[2].overhear_in(CANDIDATES, &scene.store);
    for at in 0..2 {
        scene.call(at, 1, campaign(1));
        scene.settle_but(2);
    }
    transfer(&mut scene, 0, 2, 1);
    scene.settle_but(2);
    scene.let_go(0, 3);
    scene.execute(0, 0);
    scene.processes[2].overhear_in(RECORD, &scene.store);
    while !scene.processes[2].has_heard_all() {
        scene.processes[2].hear();
    }
    assert_eq!(scene.in_flight(2), 1);
    assert_eq!(scene.txn(2, 0).operations().len(), 1, "it joins, and leaves leadership to the heir");
    scene.settle();
    assert!(scene.holds(1));
}

#[test]
fn the_record_of_the_session_before_is_waited_for_and_never_adopted() {
    let mut scene = standing(1);
    let (old, _) = scene.lose(0);
    scene.processes[0].held.clear();
    scene.reopen(0);
    scene.call(0, 2, campaign(2));
    scene.settle();
    assert!(!scene.holds(0) && leader(&scene).is_some());
    scene.store.end(&old);
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_late_resignation_deletes_its_own_term_and_no_other() {
    let mut scene = standing(2);
    scene.let_go(0, 2);
    let (old, mut late) = scene.lose(0);
    scene.store.end(&old);
    scene.settle();
    assert!(scene.holds(1));
    let now = scene.now;
    late[0].execute(&old, &mut scene.store, now);
    assert!(leader(&scene).is_some_and(|leader| leader.contains("n1")));
}

#[test]
fn a_hint_to_a_candidate_that_is_gone_is_ignored() {
    let mut scene = standing(3);
    transfer(&mut scene, 0, 2, 1);
    scene.settle();
    scene.let_go(0, 3);
    scene.execute(0, 0);
    scene.answer(0, 0);
    let (heir, _) = scene.lose(1);
    scene.store.end(&heir);
    scene.settle();
    assert!(scene.holds(2));
}

#[test]
fn a_transfer_ends_the_grant_and_is_answered_once_it_is_made() {
    let mut scene = standing(3);
    transfer(&mut scene, 0, 2, 2);
    scene.settle();
    assert!(!scene.holds(0) && scene.processes[0].waiting.contains(&2), "its holder has to let go first");
    scene.let_go(0, 3);
    scene.settle();
    assert!(scene.holds(2));
    assert_eq!(scene.processes[0].answers.get(&2), Some(&None));
}

#[test]
fn a_transfer_to_nobody_changes_nothing() {
    let mut scene = standing(1);
    transfer(&mut scene, 0, 2, 7);
    scene.settle();
    assert!(scene.holds(0));
    assert_eq!(scene.processes[0].answers.get(&2), Some(&Some(ErrorKind::InvalidInput)));
}

#[test]
fn a_transfer_whose_session_is_lost_is_answered() {
    let mut scene = standing(2);
    transfer(&mut scene, 0, 2, 1);
    scene.lose(0);
    assert_eq!(scene.processes[0].answers.get(&2), Some(&Some(ErrorKind::SessionLost)));
    let mut scene = standing(2);
    transfer(&mut scene, 0, 2, 1);
    scene.settle();
    scene.lose(0);
    assert_eq!(scene.processes[0].answers.get(&2), Some(&Some(ErrorKind::SessionLost)));
}

#[test]
fn a_grant_goes_to_nobody_whose_terms_it_was_not_asked_on() {
    let mut scene = scene(1);
    scene.call(0, 1, campaign(1));
    let candidacy = Candidacy { priority: 0, address: Some("there".into()), preempt: true };
    scene.call(0, 2, Request::Campaign { caller: 2, candidacy });
    scene.hear_all(0);
    assert_eq!(scene.in_flight(0), 1);
    scene.give_up(0, 1);
    scene.execute(0, 0);
    scene.answer(0, 0);
    assert!(!scene.holds(0), "observers would be told the wrong address");
    scene.settle();
    assert!(scene.holds(0) && leader(&scene).is_some_and(|leader| leader.contains("there")));
}

#[test]
fn a_service_that_is_not_healthy_loses_leadership_and_its_holder_can_wait_for_that() {
    let mut scene = standing(2);
    scene.say(0, Request::Health(false));
    assert!(!scene.holds(0));
    scene.let_go(0, 2);
    assert!(scene.processes[0].waiting.contains(&2), "it is not resigned yet");
    scene.settle();
    assert!(scene.holds(1) && scene.processes[0].answers.contains_key(&2));
}

#[test]
fn the_older_of_two_candidates_follows_and_a_dead_one_is_passed_over() {
    let mut scene = standing(3);
    let (dead, _) = scene.lose(1);
    scene.let_go(0, 2);
    scene.settle();
    assert!(!scene.holds(2), "the older one is to have the first try");
    scene.wait(Duration::from_millis(110));
    scene.settle();
    assert!(scene.holds(2));
    scene.store.end(&dead);
}

#[test]
fn a_better_candidate_takes_over_after_a_while() {
    let mut scene = standing(1);
    scene.processes.push(crate::coordinator::model_test::Process::new(1));
    scene.reopen(1);
    let candidacy = Candidacy { priority: 5, address: None, preempt: true };
    scene.call(1, 1, Request::Campaign { caller: 1, candidacy });
    scene.settle();
    assert!(scene.holds(0));
    scene.wait(Duration::from_millis(510));
    assert!(!scene.holds(0));
    scene.let_go(0, 2);
    scene.settle();
    assert!(scene.holds(1));
}

#[test]
fn a_caller_whose_grant_was_not_delivered_is_told_when_the_coordinator_shuts_down() {
    let mut scene = standing(1);
    let leadership = scene.grant(0);
    scene.processes[0].feed(Input::Closing);
    let candidacy = Candidacy { priority: 0, address: None, preempt: true };
    scene.call(0, 7, Request::Undelivered { leadership, caller: 7, candidacy });
    assert_eq!(scene.processes[0].answers.get(&7), Some(&Some(ErrorKind::Closed)));
}

#[test]
fn leadership_of_the_session_before_that_was_not_delivered_does_not_hold_up_the_new_one() {
    let mut scene = standing(1);
    let leadership = scene.grant(0);
    scene.processes[0].held.clear();
    let (old, _) = scene.lose(0);
    scene.store.end(&old);
    scene.reopen(0);
    let candidacy = Candidacy { priority: 0, address: None, preempt: true };
    scene.call(0, 7, Request::Undelivered { leadership, caller: 7, candidacy });
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn a_resignation_is_one_commit_that_says_that_the_work_was_ended() {
    let mut scene = standing(2);
    scene.let_go(0, 2);
    let operations = scene.txn(0, 0).operations();
    let deletions = operations.iter().filter(|op| matches!(op, Operation::Delete { .. })).count();
    assert_eq!((operations.len(), deletions), (3, 2));
    scene.settle();
    assert!(scene.holds(1) && scene.owned() == 2);
}
