//! Members that another recipe stands on: their entries do not go before nobody acts as them, or another entry says so.

use std::time::Duration;

use super::{Request, State, join};
use crate::coordinator::model_test::Scene;
use crate::group::records::Keys;
use crate::names::{Collection, Name};
use crate::spi::{Entry, Naming, Stamp, Txn};

fn acts() -> Collection {
    Collection::of("group", &[&Name::parse("g").unwrap(), &Name::parse("acts").unwrap()])
}

/// A process that has joined, and its member.
fn joined() -> (Scene<State>, Stamp) {
    let mut scene = Scene::<State>::of(1);
    let name = |text| Name::parse(text).unwrap();
    let keys = Keys::of("group", &name("g"), &name("n")).with_acts(Some(acts()));
    let session = scene.processes[0].session.take().unwrap();
    scene.processes[0].machine = State::new(keys, name("n"), Duration::from_secs(1));
    drop(session);
    scene.reopen(0);
    scene.call(0, 1, join(1));
    scene.settle();
    let stamp = member(&scene).unwrap();
    (scene, stamp)
}

fn member(scene: &Scene<State>) -> Option<Stamp> {
    let is_member = |entry: &&Entry| entry.key().collection().to_string() == "group/g/members";
    scene.store.entries().find(is_member).map(|entry| entry.stamp().clone())
}

/// The process says that it acts as the member.
fn act(scene: &mut Scene<State>, member: &Stamp) {
    let session = scene.processes[0].session.clone().unwrap();
    let key = acts().key(member.key().name().clone());
    let txn = Txn::new().held(member.clone()).create_owned(key, "", Naming::Reusable);
    assert!(scene.store.commit(&session, &txn, scene.now).unwrap().is_committed());
}

fn is_left(scene: &Scene<State>) -> bool {
    scene.processes[0].answers.contains_key(&2)
}

#[test]
fn a_member_that_acts_and_says_so_leaves_at_once() {
    let (mut scene, stamp) = joined();
    act(&mut scene, &stamp);
    scene.let_go(0, 2);
    scene.settle();
    assert!(is_left(&scene) && member(&scene).is_none());
}

#[test]
fn a_member_that_acts_and_does_not_say_so_leaves_once_it_does() {
    let (mut scene, stamp) = joined();
    scene.let_go(0, 2);
    scene.settle();
    assert!(!is_left(&scene) && member(&scene).is_some(), "somebody deleted what says that it acts");
    act(&mut scene, &stamp);
    scene.wait(Duration::from_secs(1));
    scene.settle();
    assert!(is_left(&scene) && member(&scene).is_none());
}

#[test]
fn a_member_that_has_ceased_to_act_leaves_at_once() {
    let (mut scene, stamp) = joined();
    scene.let_go(0, 2);
    scene.settle();
    assert!(!is_left(&scene));
    scene.say(0, Request::Ceased(stamp));
    scene.settle();
    assert!(is_left(&scene) && member(&scene).is_none());
}

#[test]
fn a_member_that_ceases_to_act_while_it_leaves_does_not_wait() {
    let (mut scene, stamp) = joined();
    scene.let_go(0, 2);
    scene.execute(0, 0);
    scene.say(0, Request::Ceased(stamp));
    scene.answer(0, 0);
    assert_eq!(scene.in_flight(0), 1, "it is asked for again without a pause");
    scene.settle();
    assert!(is_left(&scene) && member(&scene).is_none());
}

#[test]
fn what_has_ceased_is_not_taken_for_a_later_member() {
    let (mut scene, earlier) = joined();
    act(&mut scene, &earlier);
    scene.let_go(0, 2);
    scene.settle();
    scene.call(0, 3, join(3));
    scene.settle();
    assert!(scene.holds(0));
    scene.say(0, Request::Ceased(earlier));
    scene.let_go(0, 4);
    scene.settle();
    assert!(member(&scene).is_some(), "nobody said that the later one acts, or has ceased to");
}

#[test]
fn a_member_whose_name_somebody_deleted_goes_no_sooner() {
    let (mut scene, stamp) = joined();
    let session = scene.processes[0].session.clone().unwrap();
    let id = scene.store.entries().find(|entry| entry.key().name().as_str() == "member").cloned().unwrap();
    let deleted = Txn::new().delete(id.stamp().clone());
    assert!(scene.store.commit(&session, &deleted, scene.now).unwrap().is_committed());
    scene.let_go(0, 2);
    scene.settle();
    assert!(!is_left(&scene) && member(&scene).is_some());
    scene.say(0, Request::Ceased(stamp));
    scene.settle();
    assert!(is_left(&scene) && member(&scene).is_none());
}
