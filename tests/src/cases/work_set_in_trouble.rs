//! Work-sets when workers die, replies are lost and futures are dropped.

use std::time::Duration;

use ha_core::work_set::{Added, Item, Retry, Settled, Status};
use ha_core::{Coordinator, ErrorKind, LossReason};

use super::work_set::{add, part, take, work};
use crate::case::Need;
use crate::clock::Stopwatch;
use crate::context::{Context, name};
use crate::faults::{CommitFault, Fault, FaultKind};
use crate::nodes::abandon_after;

const CUT: Need = Need::Fault(FaultKind::Cut);
const COMMITS: Need = Need::Fault(FaultKind::Commits);
const YIELDS: Need = Need::Fault(FaultKind::YieldAlways);
const EXPIRE: Need = Need::Fault(FaultKind::Expire);
const DELETE: Need = Need::Fault(FaultKind::Delete);

crate::case::cases! {
    "work_set_in_trouble";
    claims_of_a_dead_worker_are_there_again_in_time { guarantee: "G196" }
    thousands_of_claims_of_a_dead_worker_are_taken_back { guarantee: "G196" }
    what_workers_die_of_is_a_dead_letter { guarantee: "G196" }
    a_worker_that_comes_first_takes_back_what_was_left { guarantee: "G196" }
    numbers_of_dead_workers_are_kept { guarantee: "G201" }
    a_worker_that_lost_its_session_is_stale { guarantee: "G194", needs: [EXPIRE] }
    a_worker_that_was_cut_off_is_stale { guarantee: "G194", needs: [CUT] }
    a_worker_whose_entry_is_deleted_learns_it { guarantee: "G193", needs: [DELETE] }
    lost_requests_and_replies_complete_nothing_twice { guarantee: "G190", needs: [COMMITS] }
    an_add_whose_reply_is_lost_adds_once { guarantee: "G191", needs: [COMMITS] }
    a_claim_whose_reply_is_lost_is_found_again { guarantee: "G199", needs: [COMMITS] }
    a_claim_dropped_at_any_point_leaves_none { guarantee: "G199", needs: [YIELDS] }
    a_completion_dropped_at_any_point_is_made_or_not { guarantee: "G199", needs: [YIELDS] }
    an_add_dropped_at_any_point_adds_all_or_nothing { guarantee: "G199", needs: [YIELDS] }
    a_dead_letter_that_was_left_behind_is_in_nobodys_way { guarantee: "G195" }
    a_release_that_meets_a_broken_connection_is_made_later { guarantee: "G199", needs: [CUT] }
}

fn assert_in_time(cx: &Context, node: &Coordinator, passed: Duration) {
    let latest =
        cx.ttl().max(node.granted_ttl().unwrap_or_default()) + node.capabilities().expiry_slack + cx.margin();
    assert!(passed <= latest, "it passed after {passed:?}, at the latest {latest:?} are right");
}

async fn claims_of_a_dead_worker_are_there_again_in_time(cx: Context) {
    let heir = cx.node("heir").await;
    let (dying, thread) = cx.doomed_node("dying").await;
    add(&work(&heir), 10).await;
    let held = work(&dying).claim(10).await.unwrap();
    assert_eq!(held.len(), 10);
    let dead = Stopwatch::start();
    thread.stop();
    let mut again = Vec::new();
    while again.len() < 10 {
        again.extend(cx.within("the heir has them", 10, work(&heir).next(10)).await.unwrap());
    }
    assert_in_time(&cx, &dying, dead.elapsed());
    let smallest = held.iter().map(|claim| claim.token()).max();
    assert!(again.iter().all(|claim| claim.abandonments() == 1 && claim.attempt() == 2));
    assert!(again.iter().all(|claim| Some(claim.token()) > smallest && claim.failures() == 0));
    let stats = work(&heir).stats().await.unwrap();
    assert_eq!((stats.ready, stats.claimed), (0, 10));
    std::mem::forget(held);
}

async fn thousands_of_claims_of_a_dead_worker_are_taken_back(cx: Context) {
    let heir = cx.node("heir").await;
    let (dying, thread) = cx.doomed_node("dying").await;
    add(&work(&heir), 2_000).await;
    let mut held = 0;
    while held < 2_000 {
        let claims = work(&dying).claim(500).await.unwrap();
        held += claims.len();
        std::mem::forget(claims);
    }
    thread.stop();
    let mut again = Vec::new();
    while again.len() < 2_000 {
        again.extend(cx.within("the heir has them", 30, work(&heir).next(500)).await.unwrap());
    }
    let done = work(&heir).complete_all(again.iter().map(|claim| (claim, ()))).await;
    assert!(done.into_iter().all(|settled| settled.unwrap().is_applied()));
    cx.until("no list is left", 20, async || part(&cx, "claim").await.is_empty()).await;
}

async fn what_workers_die_of_is_a_dead_letter(cx: Context) {
    let heir = cx.node("heir").await;
    let mut retry = Retry::default();
    retry.max_abandons = 2;
    add(&work(&heir), 1).await;
    for round in 0..2 {
        let (dying, thread) = cx.doomed_node(&format!("dying-{round}")).await;
        let claims = cx.within("it is there", 20, work(&dying).retry(retry).next(1)).await.unwrap();
        assert_eq!(claims[0].abandonments(), round);
        std::mem::forget(claims);
        thread.stop();
    }
    let waiting = work(&heir).retry(retry);
    let mut next = std::pin::pin!(waiting.next(1));
    let looking = work(&heir);
    cx.until("it is put aside", 20, async || {
        drop(abandon_after(3, next.as_mut()).await);
        looking.stats().await.unwrap().dead == 1
    })
    .await;
    let seen = looking.get("i-00000").await.unwrap().unwrap();
    assert!(seen.reason().contains("died") && seen.failures() == 0, "{seen:?}");
}

async fn a_worker_that_comes_first_takes_back_what_was_left(cx: Context) {
    let (dying, thread) = cx.doomed_node("dying").await;
    add(&work(&dying), 3).await;
    std::mem::forget(work(&dying).claim(2).await.unwrap());
    thread.stop();
    // Nobody is there while it dies.
    let judge = cx.session().await;
    cx.until("it is gone", 10, async || part(&cx, "worker").await.is_empty()).await;
    drop(judge);
    let first = cx.node("first").await;
    let mut claims = Vec::new();
    while claims.len() < 3 {
        claims.extend(cx.within("all are there", 10, work(&first).next(3)).await.unwrap());
    }
    assert_eq!(claims.iter().map(|claim| claim.abandonments()).sum::<u32>(), 2);
}

async fn numbers_of_dead_workers_are_kept(cx: Context) {
    let heir = cx.node("heir").await;
    for round in 0..5_u32 {
        let (dying, thread) = cx.doomed_node(&format!("dying-{round}")).await;
        assert!(work(&dying).add(&format!("done-{round}"), &round).await.unwrap().is_new());
        let claim = take(&work(&dying)).await;
        assert!(claim.complete(&()).await.unwrap().is_applied());
        thread.stop();
    }
    let waiting = work(&heir);
    let mut next = std::pin::pin!(waiting.next(1));
    cx.until("their numbers are in one place", 20, async || {
        drop(abandon_after(3, next.as_mut()).await);
        part(&cx, "tally").await.len() <= 1
    })
    .await;
    let stats = work(&heir).stats().await.unwrap();
    assert_eq!((stats.ready, stats.claimed, stats.done, stats.dead), (0, 0, 5, 0));
}

/// The session that owns the only worker's entry.
async fn expire_worker(cx: &Context) {
    let worker = part(cx, "worker").await.pop().unwrap();
    cx.inject(Fault::Expire(worker.owner().cloned().unwrap())).await;
}

async fn a_worker_that_lost_its_session_is_stale(cx: Context) {
    let node = cx.mortal_node("node").await;
    let work = work(&node);
    add(&work, 4).await;
    let claims = work.claim(4).await.unwrap();
    expire_worker(&cx).await;
    for claim in &claims {
        cx.within("it is lost", 10, claim.lost()).await;
    }
    // The same process has them again, in its next session, with larger tokens.
    let mut again = Vec::new();
    while again.len() < 4 {
        again.extend(cx.within("they come again", 20, work.next(4)).await.unwrap());
    }
    assert!(again.iter().all(|new| claims.iter().all(|old| new.token() > old.token())));
    assert_eq!(claims[0].complete(&0).await.unwrap(), Settled::Stale);
    assert_eq!(claims[1].extend(Duration::from_secs(1)).await.unwrap(), Settled::Stale);
    let mut claims = claims.into_iter().skip(2);
    assert_eq!(claims.next().unwrap().fail("late").await.unwrap(), Settled::Stale);
    assert_eq!(claims.next().unwrap().release().await.unwrap(), Settled::Stale);
    for settled in work.complete_all(again.iter().map(|claim| (claim, 1))).await {
        assert_eq!(settled.unwrap(), Settled::Applied);
    }
}

async fn a_worker_that_was_cut_off_is_stale(cx: Context) {
    let (cut, heir) = (cx.mortal_node("cut").await, cx.node("heir").await);
    add(&work(&heir), 2).await;
    let old = work(&cut).claim(2).await.unwrap();
    cx.inject(Fault::Cut(name("cut"))).await;
    let mut again = Vec::new();
    while again.len() < 2 {
        again.extend(cx.within("the heir has them", 20, work(&heir).next(2)).await.unwrap());
        assert!(old.iter().all(|claim| !claim.is_valid()), "the loser knows it first");
    }
    let (done, kept) = (&again[0], &again[1]);
    assert!(done.complete("heir").await.unwrap().is_applied());
    cx.inject(Fault::Heal(name("cut"))).await;
    // Until it has a session again it says `Stale` without asking anybody.
    let set = work(&cut);
    let later = set.add_all([Item::new("later", 9)]);
    assert!(cx.within("it is back", 20, later).await.unwrap().iter().all(Added::is_new));
    for claim in &old {
        let settled = cx.within("it is answered", 20, claim.complete("cut")).await.unwrap();
        match claim.id() == done.id() {
            true => assert!(matches!(settled, Settled::AlreadyDone(_)), "{settled:?}"),
            false => assert_eq!(settled, Settled::Stale),
        }
    }
    assert!(kept.is_valid());
}

async fn a_worker_whose_entry_is_deleted_learns_it(cx: Context) {
    let (node, heir) = (cx.node("node").await, cx.node("heir").await);
    add(&work(&node), 2).await;
    let held = take(&work(&node)).await;
    let entry = part(&cx, "worker").await.pop().unwrap();
    cx.inject(Fault::Delete(cx.namespace().clone(), entry.key().clone())).await;
    assert_eq!(cx.within("it learns it", 10, held.lost()).await, LossReason::Removed);
    let mut claims = Vec::new();
    while claims.len() < 2 {
        claims.extend(cx.within("both are there", 20, work(&heir).next(2)).await.unwrap());
    }
    drop(claims);
    // It goes on under another name.
    assert!(!cx.within("it claims again", 20, work(&node).next(1)).await.unwrap().is_empty());
}

async fn lost_requests_and_replies_complete_nothing_twice(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    add(&work(&other), 12).await;
    let faults =
        [CommitFault::LoseReply, CommitFault::Pass, CommitFault::LoseReply, CommitFault::LoseRequest];
    let (mut applied, mut rounds) = (0, 0);
    while applied < 12 {
        rounds += 1;
        assert!(rounds < 200, "it does not get on");
        cx.inject(Fault::Commits(name("node"), faults.repeat(2))).await;
        let claims = match work(&node).claim(3).await {
            Ok(claims) => claims,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                continue;
            }
        };
        for claim in &claims {
            // An error says that nothing was done: it is tried again.
            let settled = loop {
                match claim.complete(claim.id()).await {
                    Ok(settled) => break settled,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
                }
                assert!(claim.is_valid(), "it is still held");
            };
            assert_eq!(settled, Settled::Applied);
            applied += 1;
        }
    }
    let stats = work(&other).stats().await.unwrap();
    assert_eq!((stats.ready, stats.claimed, stats.done), (0, 0, 12));
}

async fn an_add_whose_reply_is_lost_adds_once(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    assert!(work(&node).add("first", &0).await.unwrap().is_new());
    for round in 0..6_u32 {
        cx.inject(Fault::Commits(name("node"), vec![CommitFault::LoseReply; 3])).await;
        let id = format!("e-{round}");
        assert!(work(&node).add(&id, &round).await.unwrap().is_new(), "it was added, by this very call");
        assert!(!work(&other).add(&id, &round).await.unwrap().is_new());
    }
    assert_eq!(work(&other).stats().await.unwrap().ready, 7);
}

async fn a_claim_whose_reply_is_lost_is_found_again(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    add(&work(&other), 5).await;
    cx.inject(Fault::Commits(name("node"), vec![CommitFault::LoseReply; 12])).await;
    let claims = cx.within("it has them", 20, work(&node).next(5)).await.unwrap();
    assert_eq!(claims.len(), 5);
    assert!(work(&other).claim(5).await.unwrap().is_empty());
    for claim in &claims {
        assert_eq!((claim.attempt(), claim.is_valid()), (1, true));
    }
}

async fn a_claim_dropped_at_any_point_leaves_none(cx: Context) {
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    let (slow, quick) = (cx.node("slow").await, cx.node("quick").await);
    add(&work(&quick), 3).await;
    let claiming = work(&slow);
    for polls in 0..24 {
        drop(abandon_after(polls, claiming.claim(3)).await);
        drop(abandon_after(polls, claiming.next(2)).await);
        let mut claims = Vec::new();
        while claims.len() < 3 {
            claims.extend(cx.within("all are there", 10, work(&quick).next(3)).await.unwrap());
        }
        for claim in claims {
            assert!(claim.release().await.unwrap().is_applied(), "after {polls} polls");
        }
    }
    let stats = work(&quick).stats().await.unwrap();
    assert_eq!((stats.ready, stats.claimed), (3, 0));
}

async fn a_completion_dropped_at_any_point_is_made_or_not(cx: Context) {
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    let (slow, quick) = (cx.node("slow").await, cx.node("quick").await);
    for polls in 0..12_u32 {
        let id = format!("e-{polls}");
        assert!(work(&quick).add(&id, &polls).await.unwrap().is_new());
        let claim = cx.within("it is there", 10, work(&slow).next(1)).await.unwrap().pop().unwrap();
        drop(abandon_after(polls as usize, claim.complete(&polls)).await);
        drop(claim);
        // Whichever came first counts; nothing is left in between.
        cx.until("it is decided", 10, async || work(&quick).stats().await.unwrap().claimed == 0).await;
        let status = work(&quick).get(&id).await.unwrap().unwrap().status();
        if status == Status::Ready {
            let again = cx.within("it is there", 10, work(&quick).next(1)).await.unwrap().pop().unwrap();
            assert!(again.complete(&()).await.unwrap().is_applied());
        } else {
            assert!(matches!(status, Status::Done(_)), "{status:?}");
        }
    }
}

async fn an_add_dropped_at_any_point_adds_all_or_nothing(cx: Context) {
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    let (slow, quick) = (cx.node("slow").await, cx.node("quick").await);
    for polls in 0..12_u32 {
        let items = || (0..3).map(|at| Item::new(format!("{polls}-{at}"), at));
        drop(abandon_after(polls as usize, work(&slow).add_all(items())).await);
        let added = work(&quick).add_all(items()).await.unwrap();
        let new = added.iter().filter(|added| added.is_new()).count();
        assert!(new == 0 || new == 3, "{added:?} after {polls} polls");
        let again = cx.within("it is decided", 10, work(&slow).add_all(items())).await.unwrap();
        assert!(again.iter().all(|added| !added.is_new()));
    }
    assert_eq!(work(&quick).stats().await.unwrap().ready, 36);
}

async fn a_release_that_meets_a_broken_connection_is_made_later(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    add(&work(&other), 2).await;
    let mut claims = work(&node).claim(2).await.unwrap();
    cx.inject(Fault::Cut(name("node"))).await;
    let (dropped, released) = (claims.pop().unwrap(), claims.pop().unwrap());
    drop(dropped);
    let mut releasing = std::pin::pin!(released.release());
    cx.not_within("nothing reaches the store", Duration::from_millis(50), releasing.as_mut()).await;
    cx.inject(Fault::Heal(name("node"))).await;
    assert!(cx.within("it is made", 20, releasing).await.unwrap().is_applied());
    let mut again = Vec::new();
    while again.len() < 2 {
        again.extend(cx.within("both are free", 20, work(&other).next(2)).await.unwrap());
    }
}

async fn a_dead_letter_that_was_left_behind_is_in_nobodys_way(cx: Context) {
    use crate::verbs::Verbs;
    let (node, hand) = (cx.node("node").await, cx.session().await);
    add(&work(&node), 1).await;
    let claim = take(&work(&node)).await;
    // As if somebody had deleted the dead item by hand, and not its letter.
    let letters = ha_core::spi::Collection::parse(&["work", super::work_set::NAME, "dead"]).unwrap();
    hand.put(&letters.key(ha_core::spi::Name::parse(claim.id()).unwrap()), "of another life").await;
    let id = claim.id().to_owned();
    let buried = cx.within("it is buried", 10, claim.bury("never")).await.unwrap();
    assert_eq!(buried, Settled::Applied);
    let letters = work(&node).dead_letters(None, 9).await.unwrap();
    assert_eq!(
        letters.iter().map(|letter| (letter.id(), letter.reason())).collect::<Vec<_>>(),
        [(&*id, "never")]
    );
    assert_eq!(work(&node).redrive([&*id]).await.unwrap(), [true]);
}
