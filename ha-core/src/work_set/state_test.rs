//! Random histories of several processes that claim one item, and rules one by one.

#[path = "state_test/rules.rs"]
mod rules;

use std::time::Duration;

use bytes::Bytes;

use super::{Answer, Delivery, Edit, Outcomes, Request, State, Verdict};
use crate::coordinator::model_test::{Faults, News, Play, Random, Scene, World};
use crate::error::Error;
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Capabilities, Entry, Scope, Stamp, Txn};
use crate::work_set::options::Policy;
use crate::work_set::records::Record;

/// A caller that nobody is.
const NOBODY: u64 = u64::MAX;

fn item() -> Name {
    Name::parse("i").unwrap()
}

/// Another one, where one is not enough.
fn other() -> Name {
    Name::parse("j").unwrap()
}

fn add(caller: u64) -> Request {
    let items = vec![(item(), Record::ready(0, 0, Bytes::from_static(b"1")))];
    Request::Add { caller, items, policy: policy() }
}

/// Whoever dies does so for other reasons than the item.
fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.retry.max_abandons = u32::MAX;
    policy
}

fn settle(claim: u64, caller: Option<u64>, verdict: Verdict) -> Request {
    Request::Settle { caller, policy: policy(), list: vec![(claim, item(), verdict)] }
}

/// One item, claimed and given back: a claim is then as exclusive as a lock.
impl Play for State {
    fn create(_: usize) -> Self {
        let name = Name::parse("w").unwrap();
        Self::new(name, &Capabilities::new("model", Scope::Threads))
    }

    fn want(caller: u64, _: &mut Random, _: Instant) -> Request {
        Request::Claim { caller, limit: 1, waits: true, policy: policy() }
    }

    fn give_up(caller: u64) -> Request {
        Request::Cancel { caller }
    }

    fn let_go(claim: u64, caller: Option<u64>) -> Request {
        settle(claim, caller, Verdict::Release)
    }

    fn stays(entry: &Entry) -> bool {
        entry.key().collection().segments().last().is_some_and(|part| part.as_str() == "worker")
    }

    fn meddle(caller: u64, random: &mut Random) -> Option<(Request, bool)> {
        Some(match random.below(8) {
            0 => (Request::Edit { caller, ids: vec![item()], edit: Edit::Redrive }, true),
            1 => (settle(NOBODY - caller, Some(caller), Verdict::Complete(Bytes::new())), true),
            2 => (Request::Claim { caller, limit: 1, waits: false, policy: policy() }, false),
            _ => (add(caller), true),
        })
    }

    fn soothe() -> Option<Request> {
        Some(add(NOBODY))
    }

    fn news(delivery: Delivery) -> News<Request> {
        match delivery {
            Delivery::Claimed { caller, limit, waits, mut claims } => match claims.pop() {
                Some(taken) => {
                    let claims = vec![(taken.claim, taken.id.clone())];
                    let undelivered = Request::Undelivered { caller, limit, waits, claims };
                    // The token is the revision of the claim.
                    let (key, modified) = (taken.stamp.key().clone(), taken.stamp.modified());
                    let stamp = Stamp::new(key, modified, modified, Bytes::new());
                    News::Granted { caller, grant: taken.claim, weight: 1, stamp, undelivered }
                }
                None => News::Answered { caller, error: None },
            },
            Delivery::Answered { caller, answer } => {
                if let Ok(Answer::Settled(settled)) = &answer {
                    let is_done = |outcome: &Outcomes| matches!(outcome, Outcomes::AlreadyDone(_));
                    assert!(!settled.iter().flatten().any(is_done), "nobody could complete it");
                }
                let error = match &answer {
                    Ok(Answer::Settled(settled)) => settled.iter().find_map(|outcome| outcome.as_ref().err()),
                    answer => answer.as_ref().err(),
                };
                News::Answered { caller, error: error.map(Error::kind) }
            }
            Delivery::Lost { claim, .. } => News::Ended { grant: claim },
        }
    }
}

fn run(seeds: u64, faults: Faults) {
    let mut grants = 0;
    for seed in 0..seeds {
        let mut world: World<State> = World::new(seed, 2 + (seed % 2) as usize, faults);
        world.run(200, 1 + (seed % 3) as usize);
        grants += world.grants;
    }
    assert!(grants > usize::try_from(seeds).unwrap() / 2, "{grants} grants show nothing");
}

const CALM: Faults = Faults { losses: false, forgetting: false };
const LOSSES: Faults = Faults { losses: true, forgetting: false };
const FORGETTING: Faults = Faults { losses: true, forgetting: true };

#[test]
fn one_claim_at_a_time_and_everybody_is_served_whatever_the_order_of_answers() {
    run(1_500, CALM);
}

#[test]
fn one_claim_at_a_time_and_nothing_stuck_through_refusals_and_lost_sessions() {
    run(3_000, LOSSES);
}

#[test]
fn one_claim_at_a_time_and_nothing_stuck_in_a_store_that_forgets() {
    run(3_000, FORGETTING);
}

fn claim(caller: u64) -> Request {
    Request::Claim { caller, limit: 1, waits: true, policy: policy() }
}

#[test]
fn what_was_asked_before_the_store_went_back_does_not_end_the_search_for_own_claims() {
    let mut scene: Scene<State> = Scene::of(2);
    scene.call(1, 1, add(1));
    scene.settle();
    scene.call(0, 1, claim(1));
    scene.settle();
    let (gone, _) = scene.lose(1);
    scene.store.end(&gone);
    scene.hear_all(0);
    assert!(scene.txn(0, 0).operations().is_empty(), "it looks for the claims of who is gone");

    // It is passed over in that listing, as its own, and completed before the next page is asked for.
    let grant = scene.grant(0);
    scene.processes[0].held.clear();
    scene.call(0, 2, settle(grant, Some(2), Verdict::Complete(Bytes::new())));
    for _ in 0..2 {
        scene.execute(0, 0);
        scene.answer(0, 0);
    }
    assert_eq!(scene.processes[0].answers.get(&2), Some(&None), "completed");

    // The completion is forgotten while that page, which begins behind the own lists, is on its way.
    scene.forget(1);
    scene.renew(0);
    scene.execute(0, 0);
    scene.answer(0, 0);
    scene.settle();
    scene.wait(Duration::from_secs(12));
    scene.call(0, 3, claim(3));
    scene.settle();
    assert!(scene.holds(0), "the claim that came back was given back");
}

/// Claims both items at once, in one list. Returns the two claims.
fn claim_both(scene: &mut Scene<State>) -> (u64, u64) {
    let items = [item(), other()].map(|id| (id, Record::ready(0, 0, Bytes::from_static(b"1"))));
    scene.call(0, 11, Request::Add { caller: 11, items: items.into(), policy: policy() });
    scene.settle();
    scene.call(0, 12, Request::Claim { caller: 12, limit: 2, waits: true, policy: policy() });
    scene.settle();
    let second = scene.grant(0);
    scene.processes[0].held.clear();
    (second - 1, second)
}

fn complete(caller: u64, claim: u64, id: Name) -> Request {
    let verdict = Verdict::Complete(Bytes::new());
    Request::Settle { caller: Some(caller), policy: policy(), list: vec![(claim, id, verdict)] }
}

fn lists_of_claims(scene: &Scene<State>) -> usize {
    let is_list = |entry: &&Entry| {
        entry.key().collection().segments().last().is_some_and(|part| part.as_str() == "claim")
    };
    scene.store.entries().filter(is_list).count()
}

#[test]
fn lists_of_claims_end_with_them_also_when_the_store_went_back() {
    let mut scene: Scene<State> = Scene::of(1);
    let (first, second) = claim_both(&mut scene);
    scene.call(0, 1, complete(1, first, item()));
    scene.execute(0, 0);
    scene.answer(0, 0);
    scene.forget(1);
    scene.renew(0);
    scene.settle();
    assert_eq!(lists_of_claims(&scene), 1, "the second one is held");
    scene.call(0, 2, complete(2, second, other()));
    scene.settle();
    assert_eq!(lists_of_claims(&scene), 0, "with the last one the list is gone");
    scene.wait(Duration::from_secs(12));
    scene.call(0, 3, claim(3));
    scene.settle();
    assert!(scene.holds(0), "the completion that was forgotten can be made again");
}

#[test]
fn lists_of_claims_that_others_ended_are_not_left_behind() {
    let mut scene: Scene<State> = Scene::of(2);
    let (first, second) = claim_both(&mut scene);
    for id in [item(), other()] {
        scene.call(1, 1, Request::Edit { caller: 1, ids: vec![id], edit: Edit::Remove });
        scene.settle();
    }
    scene.call(0, 2, complete(2, first, item()));
    scene.call(0, 3, complete(3, second, other()));
    scene.settle();
    assert_eq!(lists_of_claims(&scene), 0);
}

#[test]
fn a_claim_that_others_ended_is_found_when_the_store_forgets_that() {
    let mut scene: Scene<State> = Scene::of(2);
    let (first, second) = claim_both(&mut scene);
    scene.call(1, 1, Request::Edit { caller: 1, ids: vec![item()], edit: Edit::Remove });
    scene.settle();
    // It learns that the first one was removed, and completes the second one.
    scene.call(0, 2, complete(2, first, item()));
    scene.call(0, 3, complete(3, second, other()));
    let completes = |txn: &Txn| txn.operations().iter().any(|operation| *operation.key().name() == other());
    let mut since = 0;
    while !completes(scene.txn(0, 0)) || since == 0 {
        scene.execute(0, 0);
        scene.answer(0, 0);
        since += 1;
    }
    // Before that arrives, the store forgets the removal, and what was read since.
    scene.forget(since);
    scene.execute(0, 0);
    scene.answer(0, 0);
    scene.renew(1);
    scene.settle();
    scene.wait(Duration::from_secs(12));
    scene.call(1, 4, claim(4));
    scene.settle();
    assert!(scene.holds(1), "the claim that came back was given back");
}
