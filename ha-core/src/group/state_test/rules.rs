//! The rules of a membership, one by one, and the mistakes that break them.

use std::time::Duration;

use super::{Request, State, join, update};
use crate::coordinator::Input;
use crate::coordinator::model_test::{Process, Scene};
use crate::error::ErrorKind;
use crate::group::profile::Profile;
use crate::group::records::MemberRecord;
use crate::spi::{Entry, Operation};

/// A process that has joined.
fn joined() -> Scene<State> {
    let mut scene = Scene::of(1);
    scene.call(0, 1, join(1));
    scene.settle();
    assert!(scene.holds(0));
    scene
}

fn members(scene: &Scene<State>) -> Vec<Entry> {
    let is_member = |entry: &&Entry| entry.key().collection().to_string() == "group/g/members";
    scene.store.entries().filter(is_member).cloned().collect()
}

fn weight(scene: &Scene<State>) -> u32 {
    let members = members(scene);
    assert_eq!(members.len(), 1);
    serde_json::from_slice::<MemberRecord>(members[0].value()).unwrap().weight
}

fn answer(scene: &Scene<State>, at: usize, caller: u64) -> Option<Option<ErrorKind>> {
    scene.processes[at].answers.get(&caller).copied()
}

#[test]
fn joining_takes_one_commit_of_two_entries() {
    let mut scene = Scene::<State>::of(1);
    scene.call(0, 1, join(1));
    assert_eq!(scene.in_flight(0), 1);
    assert_eq!(scene.txn(0, 0).operations().len(), 2);
    scene.execute(0, 0);
    scene.answer(0, 0);
    assert!(scene.holds(0) && scene.in_flight(0) == 0);
    assert_eq!(scene.owned(), 2);
}

#[test]
fn leaving_takes_one_commit_and_leaves_nothing() {
    let mut scene = joined();
    scene.let_go(0, 2);
    assert_eq!(scene.in_flight(0), 1);
    scene.execute(0, 0);
    scene.answer(0, 0);
    assert_eq!((scene.owned(), answer(&scene, 0, 2)), (0, Some(None)));
}

#[test]
fn a_join_given_up_while_it_is_under_way_is_undone_once_it_is_resolved() {
    let mut scene = Scene::<State>::of(1);
    scene.call(0, 1, join(1));
    scene.give_up(0, 1);
    assert_eq!(scene.in_flight(0), 1, "nothing is sent beside the join");
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn a_second_join_of_the_same_process_is_refused() {
    let mut scene = joined();
    scene.call(0, 2, join(2));
    assert_eq!(answer(&scene, 0, 2), Some(Some(ErrorKind::InvalidInput)));
}

#[test]
fn a_join_behind_a_leave_waits_for_it() {
    let mut scene = joined();
    scene.let_go(0, 2);
    scene.call(0, 3, join(3));
    scene.settle();
    assert_eq!((members(&scene).len(), answer(&scene, 0, 2)), (1, Some(None)));
    assert!(scene.holds(0));
}

#[test]
fn what_a_join_in_flight_created_is_not_taken_over_by_the_next_membership() {
    let mut scene = Scene::<State>::of(1);
    scene.call(0, 1, join(1));
    scene.give_up(0, 1);
    scene.call(0, 2, join(2));
    scene.settle();
    assert_eq!((members(&scene).len(), scene.owned()), (1, 2));
    assert_eq!(scene.grant(0), 2);
}

#[test]
fn a_second_process_of_the_node_waits_until_the_first_is_gone() {
    let mut scene = Scene::<State>::of(2);
    scene.call(0, 1, join(1));
    scene.settle();
    scene.call(1, 1, join(1));
    scene.settle();
    assert!(!scene.holds(1));
    scene.let_go(0, 2);
    scene.settle();
    scene.wait(Duration::from_secs(1));
    scene.settle();
    assert!(scene.holds(1));
}

#[test]
fn a_second_process_of_the_node_is_refused_once_a_dead_one_would_be_gone() {
    let mut scene = Scene::<State>::of(2);
    scene.call(0, 1, join(1));
    scene.settle();
    scene.call(1, 1, join(1));
    scene.settle();
    scene.wait(Duration::from_secs(11));
    assert_eq!(answer(&scene, 1, 1), None, "the ttl, its margin and the slack are not over");
    scene.wait(Duration::from_secs(1));
    assert_eq!(answer(&scene, 1, 1), Some(Some(ErrorKind::DuplicateNode)));
    assert!(scene.holds(0));
}

#[test]
fn a_new_session_joins_again_by_itself_with_the_latest_profile() {
    let mut scene = joined();
    let before = members(&scene)[0].created();
    scene.call(0, 2, update(1, 2, 5));
    let (session, _late) = scene.lose(0);
    scene.store.end(&session);
    scene.reopen(0);
    scene.settle();
    assert_eq!((weight(&scene), answer(&scene, 0, 2)), (5, Some(None)));
    assert!(members(&scene)[0].created() > before);
}

#[test]
fn a_new_session_waits_for_the_entries_of_the_old_one() {
    let mut scene = joined();
    let (session, _late) = scene.lose(0);
    scene.reopen(0);
    scene.settle();
    assert_eq!(members(&scene)[0].owner(), Some(&session));
    scene.store.end(&session);
    scene.settle();
    scene.wait(Duration::from_secs(1));
    scene.settle();
    assert_eq!(members(&scene)[0].owner(), scene.processes[0].session.as_ref());
}

#[test]
fn updates_in_a_row_are_written_by_few_commits_and_the_last_one_stays() {
    let mut scene = joined();
    for caller in 2..6 {
        scene.call(0, caller, update(1, caller, u32::try_from(caller).unwrap()));
    }
    assert_eq!(scene.in_flight(0), 1);
    scene.execute(0, 0);
    scene.answer(0, 0);
    assert_eq!((answer(&scene, 0, 2), answer(&scene, 0, 3)), (Some(None), None));
    assert_eq!(scene.in_flight(0), 1);
    scene.settle();
    assert_eq!((weight(&scene), answer(&scene, 0, 5)), (5, Some(None)));
}

#[test]
fn an_update_that_is_overtaken_by_a_later_one_takes_nothing_back() {
    let mut scene = joined();
    scene.call(0, 3, update(1, 3, 3));
    scene.call(0, 2, update(1, 2, 2));
    scene.settle();
    assert_eq!((weight(&scene), answer(&scene, 0, 2)), (3, Some(None)));
}

#[test]
fn what_somebody_wrote_by_hand_is_written_again() {
    let mut scene = joined();
    let entry = members(&scene)[0].clone();
    let other = scene.store.open(scene.now);
    let junk = crate::spi::Txn::new().update(entry.stamp().clone(), "junk");
    drop(scene.store.commit(&other, &junk, scene.now).unwrap());
    scene.call(0, 2, update(1, 2, 8));
    scene.settle();
    assert_eq!((weight(&scene), answer(&scene, 0, 2)), (8, Some(None)));
}

#[test]
fn an_entry_that_somebody_deletes_is_made_again() {
    let mut scene = joined();
    let before = members(&scene)[0].clone();
    let other = scene.store.open(scene.now);
    let deleted = crate::spi::Txn::new().delete(before.stamp().clone());
    drop(scene.store.commit(&other, &deleted, scene.now).unwrap());
    scene.settle();
    assert_eq!((members(&scene).len(), scene.owned()), (1, 2));
    assert!(members(&scene)[0].created() > before.created());
}

#[test]
fn an_old_view_without_the_entry_makes_nobody_join_again() {
    let mut scene = joined();
    scene.hear_all(0);
    assert_eq!((scene.in_flight(0), members(&scene).len()), (0, 1));
    scene.call(0, 2, update(1, 2, 2));
    scene.execute(0, 0);
    scene.answer(0, 0);
    scene.hear_all(0);
    assert_eq!(scene.in_flight(0), 0);
}

#[test]
fn a_health_check_that_fails_shows_the_member_as_not_ready() {
    let ready = |scene: &Scene<State>| {
        serde_json::from_slice::<MemberRecord>(members(scene)[0].value()).unwrap().ready
    };
    let mut scene = joined();
    assert!(ready(&scene));
    scene.say(0, Request::Health { membership: 1, healthy: false });
    scene.settle();
    assert!(!ready(&scene));
    scene.say(0, Request::Health { membership: 1, healthy: true });
    scene.settle();
    assert!(ready(&scene));
}

#[test]
fn a_refusal_that_lasts_is_told_to_whoever_joins_and_a_passing_one_is_not() {
    let mut scene = Scene::<State>::of(1);
    scene.call(0, 1, join(1));
    scene.refuse_as(0, 0, ErrorKind::Unavailable);
    assert_eq!(answer(&scene, 0, 1), None);
    scene.wait(Duration::from_secs(1));
    scene.refuse_as(0, 0, ErrorKind::Denied);
    assert_eq!(answer(&scene, 0, 1), Some(Some(ErrorKind::Denied)));
    assert_eq!(scene.in_flight(0), 0);
}

#[test]
fn an_update_that_the_store_forgot_is_written_again() {
    let mut scene = joined();
    scene.call(0, 2, update(1, 2, 4));
    scene.settle();
    scene.forget(1);
    assert_eq!(weight(&scene), 1);
    scene.renew(0);
    scene.settle();
    assert_eq!(weight(&scene), 4);
    assert!(scene.holds(0), "the incarnation was not forgotten");
}

#[test]
fn a_member_that_the_store_forgot_joins_again_after_the_hold() {
    let mut scene = joined();
    let before = members(&scene)[0].created();
    scene.forget(1);
    scene.renew(0);
    scene.settle();
    assert!(members(&scene).is_empty() && !scene.holds(0));
    scene.wait(Duration::from_secs(12));
    scene.settle();
    assert!(members(&scene)[0].created() > before);
}

#[test]
fn a_member_that_left_and_comes_back_with_a_forgotten_commit_is_deleted() {
    let mut scene = joined();
    scene.let_go(0, 2);
    scene.settle();
    scene.forget(1);
    assert_eq!(members(&scene).len(), 1);
    scene.renew(0);
    scene.settle();
    assert_eq!(scene.owned(), 0);
}

#[test]
fn an_old_answer_of_an_update_is_not_taken_for_that_of_a_later_incarnation() {
    let mut scene = joined();
    scene.call(0, 2, update(1, 2, 2));
    let other = scene.store.open(scene.now);
    let deleted = crate::spi::Txn::new().delete(members(&scene)[0].stamp().clone());
    drop(scene.store.commit(&other, &deleted, scene.now).unwrap());
    // The member hears of it, cleans up and joins again, all before its first update is answered.
    scene.settle_behind(0, 1);
    assert!(matches!(scene.txn(0, 0).operations()[0], Operation::Update { .. }));
    scene.execute(0, 0);
    scene.answer(0, 0);
    scene.settle();
    assert_eq!((weight(&scene), answer(&scene, 0, 2)), (2, Some(None)));
}

#[test]
fn everything_is_answered_when_the_coordinator_closes() {
    let mut scene = joined();
    scene.call(
        0,
        2,
        Request::Update {
            membership: 1,
            caller: 2,
            version: 2,
            profile: Box::new(Profile::new().ready(false)),
        },
    );
    scene.processes[0].feed(Input::Closing);
    scene.settle();
    assert_eq!(scene.owned(), 0);
    scene.call(0, 3, join(3));
    assert_eq!(answer(&scene, 0, 3), Some(Some(ErrorKind::Closed)));
    assert_eq!(answer(&scene, 0, 2), Some(Some(ErrorKind::Closed)));
}

/// A coordinator that shuts down before its next session waits for nobody else.
#[test]
fn without_a_session_there_is_nothing_to_look_at() {
    let mut process = Process::<State>::new(0);
    process.feed(Input::Discontinuity { hold_until: None });
    assert!(process.is_done());
}

#[test]
fn whoever_gave_up_as_it_joined_can_join_at_once() {
    let mut scene = joined();
    // The caller did not get the membership: it gave up when that was on its way.
    scene.say(0, Request::Cancel { membership: 1 });
    scene.call(0, 2, join(2));
    scene.settle();
    assert_eq!(scene.processes[0].answers.get(&2), None, "it is not refused");
    assert!(scene.processes[0].held.iter().any(|held| held.grant == 2), "the next one is a member");
    assert_eq!(members(&scene).len(), 1);
}
