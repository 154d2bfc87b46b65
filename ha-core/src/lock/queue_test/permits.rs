//! The rules of permits, one by one, and the mistakes that break them.

use super::{Patience, Request, Share, Shared};
use crate::coordinator::model_test::Scene;
use crate::spi::WatchTarget;

type Three = Scene<Shared<3>>;

fn want(waiter: u64, weight: u32) -> Request {
    Request::Acquire { waiter, share: Share::Permits(weight), patience: Patience::Forever }
}

fn try_for(waiter: u64, weight: u32) -> Request {
    Request::Acquire { waiter, share: Share::Permits(weight), patience: Patience::None }
}

fn held<const N: u32, const REUSES: bool>(scene: &Scene<Shared<N, REUSES>>, at: usize) -> u64 {
    scene.processes[at].believed().map(|held| held.weight).sum()
}

#[test]
fn permits_of_one_process_are_asked_for_at_once_up_to_their_number() {
    let mut scene = Three::of(1);
    for caller in 1..=9 {
        scene.call(0, caller, want(caller, 1));
    }
    assert_eq!(scene.in_flight(0), 3);
    scene.settle();
    assert_eq!((held(&scene, 0), scene.owned()), (3, 4), "and one place in the queue for all who wait");
}

#[test]
fn a_waiter_watches_as_many_as_are_too_much_together() {
    let mut scene = Three::of(5);
    for (at, weight) in [1, 1, 1].into_iter().enumerate() {
        scene.call(at, 1, want(1, weight));
        scene.settle();
    }
    scene.call(3, 1, want(1, 2));
    scene.settle();
    assert_eq!(scene.processes[3].watched().len(), 2, "two of the three are too much beside it");
    scene.call(4, 1, want(1, 1));
    scene.settle();
    assert_eq!(scene.processes[4].watched().len(), 2, "the one who waits, and the youngest that holds");
}

#[test]
fn a_waiter_is_woken_by_any_of_those_that_keep_it_out() {
    for first in 0..3 {
        let mut scene = Three::of(4);
        for at in 0..4 {
            scene.call(at, 1, want(1, 1));
            scene.settle();
        }
        assert_eq!(held(&scene, 3), 0);
        scene.let_go(first, 2);
        scene.settle();
        assert_eq!(held(&scene, 3), 1, "after {first} let go");
    }
}

#[test]
fn many_that_keep_a_waiter_out_are_watched_together() {
    let mut scene: Scene<Shared<9>> = Scene::of(10);
    for at in 0..10 {
        scene.call(at, 1, want(1, 1));
        scene.settle();
    }
    assert!(matches!(scene.processes[9].watched()[..], [WatchTarget::Collection(_)]));
    let asked = scene.in_flight(9);
    // Whoever comes behind it is told by the same watch, and is nothing to it.
    let late = scene.store.open(scene.now);
    scene.store.end(&late);
    scene.hear_all(9);
    assert_eq!(scene.in_flight(9), asked);
    scene.let_go(4, 2);
    scene.settle();
    assert_eq!(held(&scene, 9), 1);
    assert_eq!(scene.processes[9].watched().len(), 0);
}

#[test]
fn nobody_is_let_past_a_large_weight() {
    let mut scene = Three::of(3);
    scene.call(0, 1, want(1, 2));
    scene.settle();
    scene.call(1, 1, want(1, 3));
    scene.settle();
    scene.call(2, 1, want(1, 1));
    scene.settle();
    assert_eq!(held(&scene, 2), 0, "one is free, but somebody waits");
    scene.let_go(0, 2);
    scene.settle();
    assert_eq!((held(&scene, 1), held(&scene, 2)), (3, 0));
    scene.let_go(1, 2);
    scene.settle();
    assert_eq!(held(&scene, 2), 1);
}

#[test]
fn different_weights_of_one_process_are_not_under_way_at_once() {
    let mut scene = Three::of(1);
    scene.call(0, 1, want(1, 2));
    scene.call(0, 2, want(2, 1));
    assert_eq!(scene.in_flight(0), 1, "the second one could arrive first");
    scene.settle();
    assert_eq!(held(&scene, 0), 3);
}

#[test]
fn tries_of_one_process_take_exactly_what_is_free_in_whatever_order_answers_come() {
    for last in 0..3 {
        let mut scene = Three::of(2);
        scene.call(0, 1, want(1, 1));
        scene.settle();
        for caller in 1..=3 {
            scene.call(1, caller, try_for(caller, 1));
        }
        assert_eq!(scene.in_flight(1), 3);
        (0..3).for_each(|nth| scene.execute(1, nth));
        // The one that is kept out may be the first to hear.
        scene.answer(1, last);
        scene.settle();
        assert_eq!(held(&scene, 1), 2, "two of three were free");
        assert_eq!(scene.processes[1].answers.len(), 1);
    }
}

#[test]
fn a_try_is_not_kept_out_by_the_place_that_a_try_before_it_leaves() {
    for first in 0..2 {
        let mut scene = Three::of(2);
        scene.call(0, 1, want(1, 2));
        scene.settle();
        scene.call(1, 1, try_for(1, 2));
        scene.execute(1, 0);
        scene.answer(1, 0);
        assert_eq!(scene.processes[1].answers.get(&1), Some(&None), "one is left");
        scene.call(1, 2, try_for(2, 1));
        // The place of the first try is still there when that of the second one is made, whichever answer comes first.
        scene.execute(1, 1);
        scene.execute(1, 0);
        scene.answer(1, first);
        scene.settle();
        assert_eq!((held(&scene, 1), scene.owned()), (1, 2));
    }
}

#[test]
fn a_try_behind_one_that_is_kept_out_is_answered_though_a_place_before_it_leaves() {
    let mut scene = Three::of(2);
    scene.call(0, 1, want(1, 2));
    scene.settle();
    // The first try is kept out, and so are those that are made before its place is gone.
    scene.call(1, 1, try_for(1, 2));
    scene.execute(1, 0);
    scene.answer(1, 0);
    for caller in 2..=3 {
        scene.call(1, caller, try_for(caller, 2));
    }
    scene.settle();
    assert_eq!(scene.processes[1].answers.len(), 3);
    assert_eq!((held(&scene, 1), scene.owned()), (0, 1));
}

#[test]
fn the_name_of_a_place_is_used_again_once_nothing_can_show_the_place_before() {
    let mut scene: Scene<Shared<1, true>> = Scene::of(2);
    let name = |scene: &Scene<Shared<1, true>>, nth| scene.txn(0, nth).operations()[0].key().clone();
    scene.call(0, 1, want(1, 1));
    let first = name(&scene, 0);
    scene.settle();
    scene.let_go(0, 2);
    scene.settle();
    scene.call(0, 3, want(3, 1));
    assert_eq!(name(&scene, 0), first, "nothing else is under way");
    scene.settle();
    // Its deletion is answered while a creation is under way whose view shows it.
    scene.let_go(0, 4);
    scene.call(0, 5, want(5, 1));
    assert_ne!(name(&scene, 1), first, "it is not gone yet");
    scene.execute(0, 1);
    scene.execute(0, 0);
    scene.answer(0, 0);
    scene.call(0, 6, try_for(6, 1));
    scene.settle();
    assert_eq!((held(&scene, 0), scene.owned()), (1, 1));
}

#[test]
fn a_try_that_finds_its_own_process_full_is_answered_without_asking() {
    let mut scene = Three::of(1);
    scene.call(0, 1, want(1, 2));
    scene.settle();
    scene.call(0, 2, try_for(2, 2));
    assert_eq!(scene.processes[0].answers.get(&2), Some(&None));
    assert_eq!(scene.in_flight(0), 0);
}

#[test]
fn waiters_whose_grants_were_not_delivered_keep_their_order() {
    let mut scene = Three::of(1);
    for caller in 1..=2 {
        scene.call(0, caller, want(caller, 1));
    }
    (0..2).for_each(|nth| scene.execute(0, nth));
    scene.processes[0].now = scene.now + std::time::Duration::from_secs(60);
    scene.answer(0, 0);
    scene.answer(0, 0);
    assert!(scene.processes[0].held.is_empty() && scene.processes[0].waiting.len() == 2);
    let (old, _) = scene.lose(0);
    scene.store.end(&old);
    scene.reopen(0);
    scene.call(0, 3, want(3, 3));
    scene.settle();
    assert_eq!(held(&scene, 0), 2, "the first two, and the third one waits for them");
}

#[test]
fn more_own_places_than_a_page_shows_survive_a_discontinuity() {
    let mut scene: Scene<Shared<40>> = Scene::of(1);
    for caller in 1..=36 {
        scene.call(0, caller, want(caller, 1));
        scene.settle();
    }
    scene.forget(1);
    scene.renew(0);
    scene.settle();
    assert_eq!(held(&scene, 0), 35, "the store forgot the last one");
    assert!(scene.processes[0].is_reconciled() && scene.owned() == 35);
}
