//! Rules of claims, one by one.

use std::time::Duration;

use bytes::Bytes;

use super::{Edit, Request, State, Verdict, add, item, other, policy, settle};
use crate::coordinator::model_test::Scene;
use crate::error::ErrorKind;
use crate::names::Name;
use crate::spi::Entry;
use crate::work_set::records::{Record, Stage};

/// Two processes, of which the first has claimed the item.
fn claimed() -> Scene<State> {
    let mut scene = Scene::<State>::of(2);
    scene.call(1, 1, add(1));
    scene.settle();
    claim(&mut scene, 2);
    scene
}

fn claim(scene: &mut Scene<State>, caller: u64) {
    scene.call(0, caller, Request::Claim { caller, limit: 1, waits: true, policy: policy() });
    scene.settle();
}

/// The second process removes the item and adds it again.
fn begin_anew(scene: &mut Scene<State>) {
    scene.call(1, 20, Request::Edit { caller: 20, ids: vec![item()], edit: Edit::Remove });
    scene.settle_but(0);
    scene.call(1, 21, add(21));
    scene.settle_but(0);
}

fn complete(claim: u64, caller: u64) -> Request {
    settle(claim, Some(caller), Verdict::Complete(Bytes::from_static(b"1")))
}

fn answer(scene: &Scene<State>, caller: u64) -> Option<ErrorKind> {
    scene.processes[0].answers.get(&caller).copied().flatten()
}

fn held(scene: &Scene<State>) -> Vec<u64> {
    scene.processes[0].held.iter().map(|held| held.grant).collect()
}

fn is_done(scene: &Scene<State>) -> bool {
    let is_item = |entry: &&Entry| entry.key().name() == &item();
    let entry = scene.store.entries().find(is_item).unwrap();
    matches!(Record::decode(entry.value()).unwrap().stage, Stage::Done { .. })
}

#[test]
fn whoever_claims_an_item_again_that_was_begun_anew_has_lost_its_older_claim() {
    let mut scene = claimed();
    let older = scene.grant(0);
    begin_anew(&mut scene);
    claim(&mut scene, 3);
    let newer = held(&scene).into_iter().find(|grant| *grant != older).unwrap();
    let believed: Vec<u64> = scene.processes[0].believed().map(|held| held.grant).collect();
    assert_eq!(believed, [newer], "the older one is lost");
    // Both are settled at once, as by a process that was busy: neither is in the way of the other.
    scene.call(0, 4, complete(older, 4));
    scene.call(0, 5, complete(newer, 5));
    scene.settle();
    assert!(scene.processes[0].answers.contains_key(&4) && scene.processes[0].answers.contains_key(&5));
    assert_eq!((answer(&scene, 4), answer(&scene, 5)), (None, None), "both are answered without an error");
    assert!(is_done(&scene), "the newer one is not held up");
}

#[test]
fn nobody_knows_of_a_completion_whose_answer_is_void_once_the_item_was_begun_anew() {
    let mut scene = claimed();
    let grant = scene.grant(0);
    scene.call(0, 4, complete(grant, 4));
    scene.execute(0, 0);
    // The store fails over and has everything: only its history is another one.
    scene.forget(0);
    scene.renew(1);
    begin_anew(&mut scene);
    scene.renew(0);
    scene.answer(0, 0);
    scene.settle();
    assert_eq!(
        answer(&scene, 4),
        Some(ErrorKind::Recovering),
        "it was applied, and cannot be told from stale"
    );
}

#[test]
fn a_completion_whose_answer_is_void_is_looked_for_until_it_is_known() {
    let mut scene = claimed();
    let grant = scene.grant(0);
    scene.call(0, 4, complete(grant, 4));
    scene.execute(0, 0);
    scene.forget(0);
    scene.renew(0);
    scene.answer(0, 0);
    // Which of its worker and its claims are there, and what became of the item: that cannot be asked now.
    for _ in 0..2 {
        scene.execute(0, 0);
        scene.answer(0, 0);
    }
    scene.refuse_as(0, 0, ErrorKind::Unavailable);
    assert_eq!(scene.processes[0].answers.get(&4), None, "it may have been applied");
    scene.wait(Duration::from_secs(1));
    scene.settle();
    assert_eq!(scene.processes[0].answers.get(&4), Some(&None), "it was");
}

#[test]
fn a_completion_whose_answer_is_void_is_found_where_the_item_is_still_there() {
    let mut scene = claimed();
    let grant = scene.grant(0);
    scene.call(0, 4, complete(grant, 4));
    scene.execute(0, 0);
    scene.forget(0);
    scene.renew(0);
    scene.answer(0, 0);
    scene.settle();
    assert_eq!(scene.processes[0].answers.get(&4), Some(&None), "it is answered without an error");
}

fn put_off(due: u64, id: Name, caller: u64) -> Request {
    let items = vec![(id, Record::ready(0, due, Bytes::from_static(b"1")))];
    Request::Add { caller, items, policy: policy() }
}

/// The first process waits and has nothing. The second one has put the other item off for long, and now this one as well, for two seconds, which the first one does not hear.
fn put_off_unheard() -> Scene<State> {
    let mut scene = Scene::<State>::of(2);
    claim(&mut scene, 1);
    scene.call(1, 2, put_off(3_600_000, other(), 2));
    scene.settle();
    scene.call(1, 3, put_off(2_000, item(), 3));
    scene.settle_but(0);
    assert!(scene.processes[1].answers.contains_key(&3), "it is added");
    scene
}

#[test]
fn an_item_that_is_due_before_anybody_hears_of_it_is_claimed() {
    let mut scene = put_off_unheard();
    scene.wait(Duration::from_secs(3));
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn an_item_that_is_due_before_the_next_one_is_put_off_is_claimed() {
    let mut scene = put_off_unheard();
    scene.wait(Duration::from_secs(3));
    let third = Name::parse("k").unwrap();
    scene.call(1, 4, put_off(1_800_000, third, 4));
    scene.settle_but(0);
    assert!(scene.processes[1].answers.contains_key(&4), "it is added");
    scene.settle();
    assert!(scene.holds(0));
}

#[test]
fn an_item_that_somebody_put_off_who_left_is_claimed() {
    let mut scene = put_off_unheard();
    let (gone, _) = scene.lose(1);
    scene.store.end(&gone);
    scene.settle();
    assert!(!scene.holds(0), "it is not due");
    scene.wait(Duration::from_secs(3));
    scene.settle();
    assert!(scene.holds(0));
}
