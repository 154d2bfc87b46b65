//! The mutex: one holder, larger tokens, first come first served, nothing left behind.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::{Collection, Naming, Txn};
use ha_core::{Coordinator, ErrorKind, Event};

use crate::case::Need;
use crate::context::{Context, name};
use crate::counting::Counting;
use crate::nodes::{Protected, holder_session, places, poll_once};
use crate::verbs::{Verbs, refused};

crate::case::cases! {
    "mutex";
    holders_never_overlap_and_their_tokens_grow { guarantee: "G70" }
    tasks_of_one_node_never_overlap_and_their_tokens_grow { guarantee: "G70" }
    locks_of_different_names_are_held_at_once { guarantee: "G70" }
    a_lock_and_its_twin_in_another_namespace_are_held_at_once { guarantee: "G70" }
    the_token_grows_when_a_node_takes_the_lock_again { guarantee: "G71" }
    waiters_are_served_in_the_order_in_which_they_queued { guarantee: "G72" }
    a_caller_that_has_not_seen_its_grant_when_the_session_ends_keeps_its_turn { guarantee: "G72", needs: [Need::EndsSessions] }
    a_try_takes_a_free_lock_and_no_other { guarantee: "G73" }
    a_try_does_not_overtake_a_waiter { guarantee: "G73" }
    a_timeout_is_an_error_and_leaves_nothing_behind { guarantee: "G73" }
    a_timeout_of_zero_takes_a_lock_or_says_timeout { guarantee: "G73" }
    a_released_lock_is_free_at_once { guarantee: "G74" }
    a_dropped_guard_frees_the_lock { guarantee: "G74" }
    a_guard_is_released_from_another_task { guarantee: "G74" }
    a_panic_frees_the_lock { guarantee: "G74" }
    a_handle_may_be_dropped_before_its_guard { guarantee: "G74" }
    nothing_is_stored_for_a_lock_that_nobody_uses { guarantee: "G74" }
    many_waiters_of_one_node_take_two_places_at_most { guarantee: "G76" }
    a_release_wakes_one_waiter { guarantee: "G81" }
    asking_twice_waits { guarantee: "G77" }
    a_lock_used_as_another_kind_is_a_clear_error { guarantee: "G78" }
    an_entry_that_is_no_place_is_a_clear_error { guarantee: "G78" }
}

async fn holders_never_overlap_and_their_tokens_grow(cx: Context) {
    let protected = Arc::new(Protected::default());
    let mut tasks = tokio::task::JoinSet::new();
    for node in 0..5 {
        let node = cx.node(&format!("node-{node}")).await;
        let protected = Arc::clone(&protected);
        tasks.spawn(async move { use_lock(&node, &protected, 20).await });
    }
    tasks.join_all().await;
    assert_eq!(protected.uses(), 100);
}

async fn tasks_of_one_node_never_overlap_and_their_tokens_grow(cx: Context) {
    let (node, protected) = (cx.node("node").await, Arc::new(Protected::default()));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (node, protected) = (node.clone(), Arc::clone(&protected));
        tasks.spawn(async move { use_lock(&node, &protected, 20).await });
    }
    tasks.join_all().await;
    assert_eq!(protected.uses(), 200);
}

/// Takes the lock several times, and lets others run while it is held.
async fn use_lock(node: &Coordinator, protected: &Protected, times: usize) {
    let mutex = node.mutex("deploy").unwrap();
    for round in 0..times {
        let guard = mutex.acquire().await.unwrap();
        protected.enter(&guard.grant());
        tokio::task::yield_now().await;
        assert!(guard.is_valid());
        protected.leave(&guard.grant());
        match round % 2 {
            0 => guard.release().await.unwrap(),
            _ => drop(guard),
        }
    }
}

async fn locks_of_different_names_are_held_at_once(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let mut guards = Vec::new();
    for lock in ["a", "A", "a/b", "a b", "ä", "\0"] {
        guards.push(cx.within("a free lock", 20, first.mutex(lock).unwrap().acquire()).await.unwrap());
        let twice = second.mutex(lock).unwrap().try_acquire().await.unwrap();
        assert!(twice.is_none(), "{lock:?} is held by the other node");
    }
}

async fn a_lock_and_its_twin_in_another_namespace_are_held_at_once(cx: Context) {
    let here = cx.node("node").await;
    let there = cx.builder("node").namespace(format!("{}-other", cx.namespace())).connect().await.unwrap();
    let _guard = here.mutex("deploy").unwrap().acquire().await.unwrap();
    drop(cx.within("its twin", 20, there.mutex("deploy").unwrap().acquire()).await.unwrap());
}

async fn the_token_grows_when_a_node_takes_the_lock_again(cx: Context) {
    let node = cx.node("node").await;
    let mutex = node.mutex("deploy").unwrap();
    let mut last = None;
    for round in 0..20 {
        let guard = cx.within("the lock", 20, mutex.acquire()).await.unwrap();
        assert!(Some(guard.token()) > last, "round {round}: {} after {last:?}", guard.token());
        last = Some(guard.token());
        drop(guard);
    }
}

async fn waiters_are_served_in_the_order_in_which_they_queued(cx: Context) {
    let (judge, first) = (cx.session().await, cx.node("first").await);
    let held = first.mutex("deploy").unwrap().acquire().await.unwrap();
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    let count = 6;
    for at in 0..count {
        let node = cx.node(&format!("node-{at}")).await;
        let served = Arc::clone(&served);
        tasks.spawn(async move {
            let guard = node.mutex("deploy").unwrap().acquire().await.unwrap();
            served.lock().unwrap().push(at);
            guard.release().await.unwrap();
        });
        cx.until("the waiter is queued", 20, async || places(&*judge, "deploy").await.len() == at + 2).await;
    }
    held.release().await.unwrap();
    cx.within("everybody was served", 20, tasks.join_all()).await;
    assert_eq!(*served.lock().unwrap(), (0..count).collect::<Vec<_>>());
}

/// Two callers of one process, neither of which is ever woken in time: the earlier one is granted the lock, and does not see it.
async fn a_caller_that_has_not_seen_its_grant_when_the_session_ends_keeps_its_turn(cx: Context) {
    let (node, judge) = (cx.mortal_node("node").await, cx.session().await);
    let (mutex, mut events) = (node.mutex("deploy").unwrap(), node.events());
    let held = mutex.acquire().await.unwrap();
    let (mut first, mut second) = (pin!(mutex.acquire()), pin!(mutex.acquire()));
    assert!(poll_once(first.as_mut()).await.is_none() && poll_once(second.as_mut()).await.is_none());
    held.release().await.unwrap();
    let mut granted = async |what: &str| {
        while !matches!(cx.within(what, 10, events.next()).await, Some(Event::Granted { .. })) {}
    };
    granted("the lock").await;
    granted("the lock once more, for the first").await;
    judge.end(&holder_session(&*judge, "deploy").await).await.unwrap();
    granted("the lock again, in a new session").await;
    assert!(poll_once(second.as_mut()).await.is_none(), "whoever asked first still waits");
    let again = cx.within("the lock, in its turn", 10, first).await.unwrap();
    assert!(again.is_valid());
    again.release().await.unwrap();
    assert!(cx.within("the lock after that", 10, second).await.unwrap().is_valid());
}

async fn a_try_takes_a_free_lock_and_no_other(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let mutex = second.mutex("deploy").unwrap();
    let held = first.mutex("deploy").unwrap().try_acquire().await.unwrap().expect("the lock is free");
    for _ in 0..5 {
        let refused = cx.within("an answer at once", 5, mutex.try_acquire()).await.unwrap();
        assert!(refused.is_none(), "it is held");
    }
    let twice = first.mutex("deploy").unwrap().try_acquire().await.unwrap();
    assert!(twice.is_none(), "it is held by this very node");
    held.release().await.unwrap();
    assert!(mutex.try_acquire().await.unwrap().is_some(), "it is free, and no try has left anything behind");
}

async fn a_try_does_not_overtake_a_waiter(cx: Context) {
    let (holder, waiter, third) = (cx.node("holder").await, cx.node("waiter").await, cx.node("third").await);
    let judge = cx.session().await;
    let held = holder.mutex("deploy").unwrap().acquire().await.unwrap();
    let waiting = tokio::spawn(async move { waiter.mutex("deploy").unwrap().acquire().await });
    cx.until("the waiter is queued", 20, async || places(&*judge, "deploy").await.len() == 2).await;
    let trying = third.mutex("deploy").unwrap();
    assert!(trying.try_acquire().await.unwrap().is_none());
    held.release().await.unwrap();
    assert!(trying.try_acquire().await.unwrap().is_none(), "the waiter has it now");
    drop(cx.within("the waiter has it", 20, waiting).await.unwrap().unwrap());
}

async fn a_timeout_is_an_error_and_leaves_nothing_behind(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let judge = cx.session().await;
    let held = first.mutex("deploy").unwrap().acquire().await.unwrap();
    let timeout = cx.ttl() / 4;
    let late = cx.within("the timeout", 20, second.mutex("deploy").unwrap().acquire_timeout(timeout)).await;
    let error = refused(late, ErrorKind::Timeout);
    assert!(error.to_string().contains("deploy"), "it says which lock: {error}");
    cx.until("its place is gone", 20, async || places(&*judge, "deploy").await.len() == 1).await;
    assert!(held.is_valid());
    held.release().await.unwrap();
    assert_eq!(places(&*judge, "deploy").await, [], "nobody is left in the queue");
}

async fn a_timeout_of_zero_takes_a_lock_or_says_timeout(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let held = first.mutex("deploy").unwrap().acquire().await.unwrap();
    let mutex = second.mutex("deploy").unwrap();
    refused(cx.within("an answer", 20, mutex.acquire_timeout(Duration::ZERO)).await, ErrorKind::Timeout);
    held.release().await.unwrap();
    drop(cx.within("a free lock", 20, mutex.acquire_timeout(Duration::from_secs(3600))).await.unwrap());
}

async fn a_released_lock_is_free_at_once(cx: Context) {
    let nodes = [cx.node("first").await, cx.node("second").await];
    for round in 0..20 {
        let mutex = nodes[round % 2].mutex("deploy").unwrap();
        let guard = mutex.try_acquire().await.unwrap().expect("the one before was released");
        let grant = guard.grant();
        guard.release().await.unwrap();
        assert!(!grant.is_valid(), "a released grant is over");
        grant.lost().await;
    }
}

async fn a_dropped_guard_frees_the_lock(cx: Context) {
    let nodes = [cx.node("first").await, cx.node("second").await];
    for round in 0..20 {
        let mutex = nodes[round % 2].mutex("deploy").unwrap();
        let guard = cx.within("the lock", 20, mutex.acquire()).await.unwrap();
        let grant = guard.grant();
        drop(guard);
        assert!(!grant.is_valid(), "a dropped guard is over before the next line");
    }
}

async fn a_guard_is_released_from_another_task(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let guard = first.mutex("deploy").unwrap().acquire().await.unwrap();
    // Also from a thread that no runtime runs on.
    std::thread::spawn(move || drop(guard)).join().unwrap();
    let guard = cx.within("the lock", 20, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    tokio::spawn(guard.release()).await.unwrap().unwrap();
    assert!(first.mutex("deploy").unwrap().try_acquire().await.unwrap().is_some());
}

async fn a_panic_frees_the_lock(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let panicked = tokio::spawn(async move {
        let _guard = first.mutex("deploy").unwrap().acquire().await.unwrap();
        panic!("the guarded work fails");
    });
    assert!(panicked.await.is_err());
    drop(cx.within("the lock", 20, second.mutex("deploy").unwrap().acquire()).await.unwrap());
}

async fn a_handle_may_be_dropped_before_its_guard(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let guard = first.mutex("deploy").unwrap().acquire().await.unwrap();
    assert!(first.mutex("deploy").unwrap().try_acquire().await.unwrap().is_none());
    assert!(second.mutex("deploy").unwrap().try_acquire().await.unwrap().is_none());
    drop(guard);
    let guard = cx.within("the lock", 20, second.mutex("deploy").unwrap().acquire()).await.unwrap();
    assert!(guard.is_valid());
}

async fn nothing_is_stored_for_a_lock_that_nobody_uses(cx: Context) {
    let (node, judge) = (cx.node("node").await, cx.session().await);
    for lock in 0..20 {
        let mutex = node.mutex(&format!("lock-{lock}")).unwrap();
        mutex.acquire().await.unwrap().release().await.unwrap();
        assert_eq!(places(&*judge, &format!("lock-{lock}")).await, []);
    }
}

async fn many_waiters_of_one_node_take_two_places_at_most(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let held = other.mutex("deploy").unwrap().acquire().await.unwrap();
    let protected = Arc::new(Protected::default());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..400 {
        let (mutex, protected) = (node.mutex("deploy").unwrap(), Arc::clone(&protected));
        tasks.spawn(async move {
            let guard = mutex.acquire().await.unwrap();
            protected.enter(&guard.grant());
            tokio::task::yield_now().await;
            protected.leave(&guard.grant());
            guard.release().await.unwrap();
        });
    }
    cx.until("they queue", 20, async || places(&*judge, "deploy").await.len() > 1).await;
    assert_eq!(places(&*judge, "deploy").await.len(), 2, "the holder, and one for all who wait");
    held.release().await.unwrap();
    while !tasks.is_empty() {
        let places = places(&*judge, "deploy").await.len();
        assert!(places <= 2, "{places} places in the queue for one node");
        while tasks.try_join_next().is_some() {}
        tokio::task::yield_now().await;
    }
    assert_eq!(protected.uses(), 400);
}

async fn a_release_wakes_one_waiter(cx: Context) {
    let (holder, judge) = (cx.node("holder").await, cx.session().await);
    let mut held = holder.mutex("deploy").unwrap().acquire().await.unwrap();
    let (mut nodes, mut waiting) = (Vec::new(), Vec::new());
    for at in 0..6 {
        let name = format!("node-{at}");
        let (backend, counts) = Counting::wrap(cx.connect_as(&name));
        let node = cx.builder_on(backend, &name).connect().await.unwrap();
        let mutex = node.mutex("deploy").unwrap();
        waiting.push((counts, tokio::spawn(async move { mutex.acquire().await.unwrap() })));
        nodes.push(node);
        cx.until("the waiter is queued", 20, async || places(&*judge, "deploy").await.len() == at + 2).await;
    }
    while !waiting.is_empty() {
        let asked = || waiting.iter().map(|(counts, _)| counts.others()).collect::<Vec<_>>();
        let before = cx.settled("they are quiet", asked).await;
        held.release().await.unwrap();
        cx.until("the first one has it", 20, async || waiting[0].1.is_finished()).await;
        let after = cx.settled("they are quiet", asked).await;
        assert_eq!(after[1..], before[1..], "those behind the first one are not concerned");
        assert!(after[0] - before[0] <= 2, "{} requests to take a free lock", after[0] - before[0]);
        held = waiting.remove(0).1.await.unwrap();
    }
}

async fn asking_twice_waits(cx: Context) {
    let node = cx.node("node").await;
    let mutex = node.mutex("deploy").unwrap();
    let held = mutex.acquire().await.unwrap();
    cx.not_within("a second guard of the same task", cx.ttl(), mutex.acquire()).await;
    held.release().await.unwrap();
    drop(cx.within("the lock is free again", 20, mutex.acquire()).await.unwrap());
}

/// Puts something into the queue of a lock that no mutex puts there.
async fn foreign_place(cx: &Context, value: &'static str) -> Coordinator {
    let session = cx.session().await;
    let queue = Collection::parse(&["lock", "deploy"]).unwrap();
    let place = queue.key(name(&format!("{}-1", session.id())));
    session.apply(Txn::new().create_owned(place, value, Naming::Unique)).await;
    cx.node("node").await
}

async fn a_lock_used_as_another_kind_is_a_clear_error(cx: Context) {
    let (node, other) = (cx.node("node").await, cx.node("other").await);
    let _held = other.semaphore("deploy", 3).unwrap().acquire().await.unwrap();
    let error = cx.within("an answer", 20, node.mutex("deploy").unwrap().acquire()).await;
    let error = refused(error, ErrorKind::TypeMismatch);
    let text = error.to_string();
    assert!(text.contains("deploy") && text.contains("other") && text.contains("semaphore"), "{text}");
    let judge = cx.session().await;
    cx.until("its own place is gone", 20, async || places(&*judge, "deploy").await.len() == 1).await;
}

async fn an_entry_that_is_no_place_is_a_clear_error(cx: Context) {
    let node = foreign_place(&cx, "by hand").await;
    let error = cx.within("an answer", 20, node.mutex("deploy").unwrap().acquire()).await;
    assert!(refused(error, ErrorKind::Corrupt).to_string().contains("deploy"));
}
