//! Several mutexes at once: all or none, and nobody waits in a circle.

use std::sync::Arc;

use ha_core::lock::LockAll;
use ha_core::spi::{Naming, Txn};
use ha_core::{Coordinator, ErrorKind, LossReason};

use crate::case::Need;
use crate::context::{Context, name};
use crate::faults::{Fault, FaultKind};
use crate::nodes::{Protected, abandon_after, holder_session, places, polls_of, queued};
use crate::verbs::{Verbs, refused};

const FORGET: Need = Need::Reconciliation;
const YIELDS: Need = Need::Fault(FaultKind::YieldAlways);

crate::case::cases! {
    "lock_all";
    callers_with_overlapping_names_never_wait_in_a_circle { guarantee: "G152" }
    one_that_is_held_keeps_all_of_them { guarantee: "G152" }
    all_of_them_keep_others_out { guarantee: "G152" }
    a_timeout_for_one_releases_the_others { guarantee: "G152" }
    a_try_takes_all_or_none { guarantee: "G152" }
    a_call_for_several_dropped_at_any_point_leaves_no_ghost { guarantee: "G152", needs: [YIELDS] }
    names_that_make_no_sense_are_refused_and_twice_counts_once { guarantee: "G152" }
    one_that_is_lost_loses_all { guarantee: "G153", needs: [FORGET] }
    a_session_that_is_lost_on_the_way_begins_anew { guarantee: "G153", needs: [Need::EndsSessions] }
    the_fence_of_several_asks_for_all_of_them { guarantee: "G153" }
}

async fn callers_with_overlapping_names_never_wait_in_a_circle(cx: Context) {
    let protected: Vec<_> = (0..3).map(|_| Arc::new(Protected::default())).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (at, names) in
        [["a", "b"], ["b", "a"], ["b", "c"], ["c", "a"], ["a", "c"], ["c", "b"]].into_iter().enumerate()
    {
        let node = cx.node(&format!("node-{}", at % 3)).await;
        let protected = protected.clone();
        tasks.spawn(async move {
            let lock = node.lock_all(names).unwrap();
            for _ in 0..15 {
                let guard = lock.acquire().await.unwrap();
                let used = |name: &str| Arc::clone(&protected[usize::from(name.as_bytes()[0] - b'a')]);
                for grant in guard.grants() {
                    used(grant.name()).enter(grant);
                }
                tokio::task::yield_now().await;
                assert!(guard.is_valid());
                for grant in guard.grants() {
                    used(grant.name()).leave(grant);
                }
                guard.release().await.unwrap();
            }
        });
    }
    cx.within("everybody had them", 100, tasks.join_all()).await;
    assert!(protected.iter().all(|used| used.uses() == 60));
}

async fn one_that_is_held_keeps_all_of_them(cx: Context) {
    let (first, second, judge) = (cx.node("first").await, cx.node("second").await, cx.session().await);
    let held = first.mutex("b").unwrap().acquire().await.unwrap();
    let lock = second.lock_all(["c", "a", "b"]).unwrap();
    assert_eq!(lock.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    let waiting = tokio::spawn(async move { lock.acquire().await.unwrap() });
    queued(&cx, &*judge, "b", 2).await;
    assert!(!waiting.is_finished());
    // It takes them by name, so the ones behind are left to others.
    assert!(first.mutex("c").unwrap().try_acquire().await.unwrap().is_some());
    held.release().await.unwrap();
    let all = cx.within("all of them", 20, waiting).await.unwrap();
    assert_eq!(all.grants().map(ha_core::Grant::name).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(
        all.is_valid() && all.grant("b").is_some_and(ha_core::Grant::is_valid) && all.grant("d").is_none()
    );
}

async fn all_of_them_keep_others_out(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let all = first.lock_all(["a", "b"]).unwrap().acquire().await.unwrap();
    for name in ["a", "b"] {
        assert!(second.mutex(name).unwrap().try_acquire().await.unwrap().is_none(), "{name} is held");
    }
    all.release().await.unwrap();
    for name in ["a", "b"] {
        assert!(second.mutex(name).unwrap().try_acquire().await.unwrap().is_some(), "{name} is free");
    }
    let again = cx.within("again", 20, first.lock_all(["b", "a"]).unwrap().acquire()).await.unwrap();
    drop(again);
    drop(cx.within("dropped, they are free soon", 20, second.mutex("b").unwrap().acquire()).await.unwrap());
}

async fn a_timeout_for_one_releases_the_others(cx: Context) {
    let (first, second, judge) = (cx.node("first").await, cx.node("second").await, cx.session().await);
    let held = first.mutex("b").unwrap().acquire().await.unwrap();
    let lock = second.lock_all(["a", "b", "c"]).unwrap();
    let late = cx.within("the timeout", 20, lock.acquire_timeout(cx.ttl() / 4)).await;
    let error = refused(late, ErrorKind::Timeout);
    assert!(error.to_string().contains("lock/b"), "it says which one it waited for: {error}");
    queued(&cx, &*judge, "a", 0).await;
    queued(&cx, &*judge, "b", 1).await;
    held.release().await.unwrap();
    drop(cx.within("all are free", 20, lock.acquire_timeout(cx.ttl() * 10)).await.unwrap());
}

async fn a_try_takes_all_or_none(cx: Context) {
    let (first, second, judge) = (cx.node("first").await, cx.node("second").await, cx.session().await);
    let lock = second.lock_all(["a", "b"]).unwrap();
    let held = first.mutex("b").unwrap().acquire().await.unwrap();
    assert!(cx.within("an answer at once", 5, lock.try_acquire()).await.unwrap().is_none());
    queued(&cx, &*judge, "a", 0).await;
    held.release().await.unwrap();
    let all = lock.try_acquire().await.unwrap().expect("all are free");
    assert!(all.is_valid());
    assert!(first.lock_all(["a", "z"]).unwrap().try_acquire().await.unwrap().is_none());
}

async fn assert_free(cx: &Context, nodes: [&Coordinator; 2], polls: usize) {
    for node in nodes {
        let lock = node.lock_all(["a", "b"]).unwrap();
        let all = cx.within("all are free", 10, lock.acquire()).await.unwrap();
        assert!(all.is_valid(), "after {polls} polls");
        all.release().await.unwrap();
    }
}

async fn a_call_for_several_dropped_at_any_point_leaves_no_ghost(cx: Context) {
    const POLLS: usize = 40;
    cx.inject(Fault::YieldAlways(name("slow"))).await;
    let (slow, quick, judge) = (cx.node("slow").await, cx.node("quick").await, cx.session().await);
    let lock = slow.lock_all(["a", "b"]).unwrap();
    let mut acquired = 0;
    for polls in 0..POLLS {
        let all = abandon_after(polls_of(polls, POLLS), lock.acquire()).await;
        acquired += usize::from(all.is_some());
        drop(all.map(Result::unwrap));
        assert_free(&cx, [&quick, &slow], polls).await;
        for name in ["a", "b"] {
            cx.until("nobody is left", 10, async || places(&*judge, name).await.is_empty()).await;
        }
    }
    assert!((1..POLLS).contains(&acquired), "{acquired} of {POLLS} acquired before they were dropped");
}

async fn names_that_make_no_sense_are_refused_and_twice_counts_once(cx: Context) {
    let node = cx.node("node").await;
    refused(node.lock_all([]), ErrorKind::InvalidInput);
    refused(node.lock_all(["a", "", "b"]), ErrorKind::InvalidInput);
    let many: Vec<String> = (0..=LockAll::MAX_NAMES).map(|at| format!("lock-{at:03}")).collect();
    refused(node.lock_all(many.iter().map(String::as_str)), ErrorKind::InvalidInput);
    let most = node.lock_all(many.iter().skip(1).map(String::as_str)).unwrap();
    let all = cx.within("as many as there may be", 20, most.acquire()).await.unwrap();
    assert_eq!(all.grants().count(), LockAll::MAX_NAMES);
    let twice = node.lock_all(["a", "b", "a"]).unwrap();
    let all = cx.within("it does not wait for itself", 20, twice.acquire()).await.unwrap();
    assert_eq!(all.grants().count(), 2);
}

/// The store forgets the last of three.
async fn one_that_is_lost_loses_all(cx: Context) {
    // The other one learns as soon that its place is there again.
    let (node, other, judge) =
        (cx.mortal_node("node").await, cx.mortal_node("other").await, cx.session().await);
    let held = other.mutex("b").unwrap().acquire().await.unwrap();
    let lock = node.lock_all(["a", "b", "c"]).unwrap();
    let waiting = tokio::spawn({
        let lock = lock.clone();
        async move { lock.acquire().await.unwrap() }
    });
    queued(&cx, &*judge, "b", 2).await;
    cx.inject(Fault::Record).await;
    held.release().await.unwrap();
    let all = cx.within("all of them", 20, waiting).await.unwrap();
    let grants: Vec<_> = all.grants().cloned().collect();
    cx.inject(Fault::Forget(cx.ttl())).await;
    assert_eq!(cx.within("it is lost", 10, all.lost()).await, LossReason::Forgotten);
    cx.until("all of them are", 5, async || grants.iter().all(|grant| !grant.is_valid())).await;
    assert!(!all.is_valid());
    drop(all);
    assert!(cx.within("all of them again", 20, lock.acquire()).await.unwrap().is_valid());
}

async fn a_session_that_is_lost_on_the_way_begins_anew(cx: Context) {
    let (node, other, judge) = (cx.mortal_node("node").await, cx.node("other").await, cx.session().await);
    let held = other.mutex("b").unwrap().acquire().await.unwrap();
    let lock = node.lock_all(["a", "b"]).unwrap();
    let waiting = tokio::spawn(async move { lock.acquire().await.unwrap() });
    queued(&cx, &*judge, "b", 2).await;
    let old = places(&*judge, "a").await.remove(0).created();
    judge.end(&holder_session(&*judge, "a").await).await.unwrap();
    let again = async || places(&*judge, "a").await.first().is_some_and(|place| place.created() > old);
    cx.until("it has the first one again", 20, again).await;
    queued(&cx, &*judge, "b", 2).await;
    held.release().await.unwrap();
    let all = cx.within("both", 20, waiting).await.unwrap();
    assert!(all.is_valid());
    assert!(all.grant("a").is_some_and(|grant| grant.token().as_u64() > old.as_u64()));
}

async fn the_fence_of_several_asks_for_all_of_them(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    let all = node.lock_all(["a", "b"]).unwrap().acquire().await.unwrap();
    let write = |entry: &str| Txn::new().create_persistent(cx.key("c", entry), "", Naming::Reusable);
    assert!(judge.commit(all.fence(write("in time"))).await.unwrap().committed().is_some());
    // An administrator deletes one of them.
    let place = places(&*judge, "b").await.remove(0);
    judge.apply(Txn::new().delete(place.stamp().clone())).await;
    assert!(judge.commit(all.fence(write("late"))).await.unwrap().committed().is_none());
}
