//! The semaphore: never more permits than there are, in the order in which callers queued, and none is lost.

use std::sync::Arc;
use std::time::Duration;

use ha_core::lock::Semaphore;
use ha_core::{Coordinator, ErrorKind};

use crate::context::Context;
use crate::counting::Counting;
use crate::nodes::{Shares, places, queued};
use crate::verbs::refused;

crate::case::cases! {
    "semaphore";
    holders_never_have_more_permits_than_there_are { guarantee: "G146" }
    as_many_hold_at_once_as_there_are_permits { guarantee: "G146" }
    tasks_of_one_node_share_the_permits { guarantee: "G146" }
    every_grant_has_a_token_of_its_own { guarantee: "G146" }
    a_hundred_permits_are_counted { guarantee: "G146" }
    many_permits_are_not_starved_by_few { guarantee: "G147" }
    callers_are_served_in_the_order_in_which_they_queued { guarantee: "G147" }
    nobody_is_let_past_somebody_who_waits { guarantee: "G147" }
    numbers_that_make_no_sense_are_refused { guarantee: "G148" }
    permits_that_disagree_are_a_clear_error { guarantee: "G148" }
    the_number_of_permits_can_change_once_nobody_uses_them { guarantee: "G148" }
    two_numbers_of_permits_in_one_process_do_not_mix { guarantee: "G148" }
    a_try_takes_permits_that_are_free_and_no_others { guarantee: "G149" }
    tries_at_once_take_as_many_permits_as_there_are { guarantee: "G149" }
    a_timeout_for_permits_leaves_nothing_behind { guarantee: "G149" }
    permits_given_back_are_free_at_once { guarantee: "G150" }
    a_panic_gives_permits_back { guarantee: "G150" }
    many_waiters_of_one_node_take_few_places { guarantee: "G76" }
    permits_given_back_wake_whom_they_may_admit { guarantee: "G145" }
}

async fn semaphore(cx: &Context, node: &str, permits: u32) -> (Coordinator, Semaphore) {
    let node = cx.node(node).await;
    let semaphore = node.semaphore("runs", permits).unwrap();
    (node, semaphore)
}

/// Takes permits several times, and lets others run while they are held.
async fn use_permits(semaphore: Semaphore, shares: Arc<Shares>, weights: Vec<u32>) {
    for (round, weight) in weights.into_iter().enumerate() {
        let guard = semaphore.acquire_many(weight).await.unwrap();
        assert_eq!(guard.weight(), weight);
        shares.enter(&guard, weight.into());
        tokio::task::yield_now().await;
        assert!(guard.is_valid());
        shares.leave(&guard);
        match round % 2 {
            0 => guard.release().await.unwrap(),
            _ => drop(guard),
        }
    }
}

async fn holders_never_have_more_permits_than_there_are(cx: Context) {
    let shares = Arc::new(Shares::new(4));
    let (mut nodes, mut tasks) = (Vec::new(), tokio::task::JoinSet::new());
    for at in 0..12 {
        let (node, semaphore) = semaphore(&cx, &format!("node-{at}"), 4).await;
        let weights = (0..15).map(|round| 1 + (at + round) % 4).collect();
        tasks.spawn(use_permits(semaphore, Arc::clone(&shares), weights));
        nodes.push(node);
    }
    cx.within("everybody had some", 100, tasks.join_all()).await;
    assert_eq!((shares.uses(), shares.busiest()), (180, 4));
    queued(&cx, &*cx.session().await, "runs", 0).await;
}

async fn as_many_hold_at_once_as_there_are_permits(cx: Context) {
    let (_first, here) = semaphore(&cx, "first", 3).await;
    let (_second, there) = semaphore(&cx, "second", 3).await;
    let held = [here.acquire().await.unwrap(), there.acquire().await.unwrap(), here.acquire().await.unwrap()];
    assert!(held.iter().all(|guard| guard.is_valid()));
    cx.not_within("a fourth one", cx.ttl() / 4, there.acquire()).await;
    drop(held);
    drop(cx.within("all of them", 20, there.acquire_many(3)).await.unwrap());
}

async fn tasks_of_one_node_share_the_permits(cx: Context) {
    let (_node, semaphore) = semaphore(&cx, "node", 3).await;
    let shares = Arc::new(Shares::new(3));
    // All permits at once, however long it takes to get one.
    let mut held = Vec::new();
    for _ in 0..3 {
        let guard = semaphore.acquire().await.unwrap();
        shares.enter(&guard, 1);
        held.push(guard);
    }
    held.iter().for_each(|guard| shares.leave(guard));
    drop(held);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        tasks.spawn(use_permits(semaphore.clone(), Arc::clone(&shares), vec![1; 10]));
    }
    cx.within("everybody had one", 100, tasks.join_all()).await;
    assert_eq!((shares.uses(), shares.busiest()), (203, 3));
}

async fn every_grant_has_a_token_of_its_own(cx: Context) {
    let (_first, here) = semaphore(&cx, "first", 2).await;
    let (_second, there) = semaphore(&cx, "second", 2).await;
    let mut ended = None;
    for _ in 0..10 {
        let (one, other) = (here.acquire().await.unwrap(), there.acquire().await.unwrap());
        assert_ne!(one.token(), other.token());
        assert!(Some(one.token()) > ended && Some(other.token()) > ended, "larger than those before");
        ended = Some(one.token().max(other.token()));
        one.release().await.unwrap();
        other.release().await.unwrap();
    }
}

async fn a_hundred_permits_are_counted(cx: Context) {
    let (_first, here) = semaphore(&cx, "first", 101).await;
    let (_second, there) = semaphore(&cx, "second", 101).await;
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..100 {
        let semaphore = [&here, &there][at % 2].clone();
        tasks.spawn(async move { semaphore.acquire().await.unwrap() });
    }
    let mut held = cx.within("all of them", 50, tasks.join_all()).await;
    assert!(there.try_acquire_many(2).await.unwrap().is_none(), "one is left");
    held.push(there.try_acquire().await.unwrap().expect("one is left"));
    // Of a node that gives none back: only its watch tells it.
    let (_third, elsewhere) = semaphore(&cx, "third", 101).await;
    let mut waiting = tokio::spawn(async move { elsewhere.acquire_many(3).await.unwrap() });
    queued(&cx, &*cx.session().await, "runs", 102).await;
    // By then it watches: what vanishes later is news.
    cx.not_within("three permits", Duration::from_millis(200), &mut waiting).await;
    for left in [2, 1, 0] {
        assert!(!waiting.is_finished(), "three are asked for");
        held.swap_remove(left * 7).release().await.unwrap();
    }
    assert_eq!(cx.within("three are free", 20, waiting).await.unwrap().weight(), 3);
}

async fn many_permits_are_not_starved_by_few(cx: Context) {
    let shares = Arc::new(Shares::new(3));
    let (mut nodes, mut small) = (Vec::new(), tokio::task::JoinSet::new());
    for at in 0..6 {
        let (node, semaphore) = semaphore(&cx, &format!("node-{at}"), 3).await;
        nodes.push(node);
        let shares = Arc::clone(&shares);
        small.spawn(async move {
            loop {
                use_permits(semaphore.clone(), Arc::clone(&shares), vec![1; 5]).await;
            }
        });
    }
    let (_node, semaphore) = semaphore(&cx, "large", 3).await;
    for _ in 0..10 {
        let all = cx.within("all three", 20, semaphore.acquire_many(3)).await.unwrap();
        shares.enter(&all, 3);
        tokio::task::yield_now().await;
        shares.leave(&all);
        all.release().await.unwrap();
    }
    small.abort_all();
}

async fn callers_are_served_in_the_order_in_which_they_queued(cx: Context) {
    let (_node, holder) = semaphore(&cx, "holder", 3).await;
    let judge = cx.session().await;
    let held = holder.acquire_many(3).await.unwrap();
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (mut nodes, mut tasks) = (Vec::new(), tokio::task::JoinSet::new());
    // Of two that follow each other at most one can hold.
    let plan = [(0, 2), (1, 3), (2, 2), (3, 2), (4, 3)];
    for (at, weight) in plan {
        let (node, semaphore) = semaphore(&cx, &format!("node-{at}"), 3).await;
        nodes.push(node);
        let served = Arc::clone(&served);
        tasks.spawn(async move {
            let guard = semaphore.acquire_many(weight).await.unwrap();
            served.lock().unwrap().push((at, weight));
            guard.release().await.unwrap();
        });
        queued(&cx, &*judge, "runs", nodes.len() + 1).await;
    }
    held.release().await.unwrap();
    cx.within("everybody was served", 20, tasks.join_all()).await;
    assert_eq!(*served.lock().unwrap(), plan);
}

async fn nobody_is_let_past_somebody_who_waits(cx: Context) {
    let (_first, here) = semaphore(&cx, "first", 3).await;
    let (_second, there) = semaphore(&cx, "second", 3).await;
    let judge = cx.session().await;
    let held = [here.acquire().await.unwrap(), here.acquire().await.unwrap()];
    let large = tokio::spawn(async move { there.acquire_many(2).await.unwrap() });
    queued(&cx, &*judge, "runs", 3).await;
    assert!(here.try_acquire().await.unwrap().is_none(), "one is free, but somebody waits");
    cx.not_within("one that is free", cx.ttl() / 4, here.acquire()).await;
    let [one, _other] = held;
    one.release().await.unwrap();
    assert!(cx.within("two are free", 20, large).await.unwrap().is_valid());
}

async fn numbers_that_make_no_sense_are_refused(cx: Context) {
    let node = cx.node("node").await;
    for permits in [0, Semaphore::MAX_PERMITS + 1, u32::MAX] {
        let error = refused(node.semaphore("runs", permits), ErrorKind::InvalidInput);
        assert!(
            error.to_string().contains("runs") && error.to_string().contains(&permits.to_string()),
            "{error}"
        );
    }
    let semaphore = node.semaphore("runs", Semaphore::MAX_PERMITS).unwrap();
    assert_eq!((semaphore.name(), semaphore.permits()), ("runs", Semaphore::MAX_PERMITS));
    drop(cx.within("all of them", 20, semaphore.acquire_many(Semaphore::MAX_PERMITS)).await.unwrap());
    let three = node.semaphore("three", 3).unwrap();
    for weight in [0, 4, u32::MAX] {
        refused(three.acquire_many(weight).await, ErrorKind::InvalidInput);
        refused(three.try_acquire_many(weight).await, ErrorKind::InvalidInput);
        let late = three.acquire_many_timeout(weight, Duration::from_secs(60)).await;
        let text = refused(late, ErrorKind::InvalidInput).to_string();
        assert!(text.contains("three") && text.contains(&weight.to_string()), "{text}");
    }
    for name in ["", "_ha", &"x".repeat(201)] {
        refused(node.semaphore(name, 3), ErrorKind::InvalidInput);
        refused(node.rw_lock(name), ErrorKind::InvalidInput);
        refused(node.lock_all([name]), ErrorKind::InvalidInput);
    }
    let observer = cx.builder("observer").observer().connect().await.unwrap();
    refused(observer.semaphore("runs", 3), ErrorKind::Unsupported);
    refused(observer.rw_lock("config"), ErrorKind::Unsupported);
    refused(observer.lock_all(["config"]), ErrorKind::Unsupported);
}

async fn permits_that_disagree_are_a_clear_error(cx: Context) {
    let (_first, three) = semaphore(&cx, "first", 3).await;
    let (_second, four) = semaphore(&cx, "second", 4).await;
    let held = three.acquire().await.unwrap();
    let check = |answer| {
        let text = refused(answer, ErrorKind::TypeMismatch).to_string();
        assert!(
            text.contains("first") && text.contains("permits: 3") && text.contains("permits: 4"),
            "{text}"
        );
    };
    check(four.acquire().await);
    check(four.acquire_many(4).await);
    // What was refused is withdrawn in the background, and a try does not wait for that.
    let judge = cx.session().await;
    queued(&cx, &*judge, "runs", 1).await;
    check(four.try_acquire().await.map(Option::unwrap));
    assert!(held.is_valid());
    queued(&cx, &*judge, "runs", 1).await;
    drop(cx.within("those who agree go on", 20, three.acquire_many(2)).await.unwrap());
}

async fn the_number_of_permits_can_change_once_nobody_uses_them(cx: Context) {
    let (node, three) = semaphore(&cx, "node", 3).await;
    three.acquire_many(3).await.unwrap().release().await.unwrap();
    let five = node.semaphore("runs", 5).unwrap();
    let all = cx.within("five are free", 20, five.acquire_many(5)).await.unwrap();
    refused(three.acquire().await, ErrorKind::TypeMismatch);
    all.release().await.unwrap();
    drop(cx.within("or three again", 20, three.acquire_many(3)).await.unwrap());
}

async fn two_numbers_of_permits_in_one_process_do_not_mix(cx: Context) {
    let (node, three) = semaphore(&cx, "node", 3).await;
    let held = three.acquire().await.unwrap();
    refused(node.semaphore("runs", 2).unwrap().acquire().await, ErrorKind::TypeMismatch);
    refused(node.mutex("runs").unwrap().acquire().await, ErrorKind::TypeMismatch);
    assert!(held.is_valid());
    let judge = cx.session().await;
    queued(&cx, &*judge, "runs", 1).await;
}

async fn a_try_takes_permits_that_are_free_and_no_others(cx: Context) {
    let (_first, here) = semaphore(&cx, "first", 3).await;
    let (_second, there) = semaphore(&cx, "second", 3).await;
    let two = here.try_acquire_many(2).await.unwrap().expect("all are free");
    let one = there.try_acquire().await.unwrap().expect("one is free");
    for _ in 0..5 {
        assert!(cx.within("an answer at once", 5, there.try_acquire()).await.unwrap().is_none());
        assert!(here.try_acquire().await.unwrap().is_none());
    }
    two.release().await.unwrap();
    assert!(there.try_acquire_many(3).await.unwrap().is_none(), "one is held");
    let again = there.try_acquire_many(2).await.unwrap();
    assert!(again.is_some(), "two are free, and no try has left anything behind");
    drop(one);
}

async fn tries_at_once_take_as_many_permits_as_there_are(cx: Context) {
    let (_node, semaphore) = semaphore(&cx, "node", 3).await;
    for _ in 0..20 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let semaphore = semaphore.clone();
            tasks.spawn(async move { semaphore.try_acquire().await.unwrap() });
        }
        let guards: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(guards.len(), 3, "of one node all that are free are taken");
        for guard in guards {
            guard.release().await.unwrap();
        }
    }
}

async fn a_timeout_for_permits_leaves_nothing_behind(cx: Context) {
    let (_first, here) = semaphore(&cx, "first", 3).await;
    let (_second, there) = semaphore(&cx, "second", 3).await;
    let judge = cx.session().await;
    let held = here.acquire_many(2).await.unwrap();
    let late = cx.within("the timeout", 20, there.acquire_many_timeout(2, cx.ttl() / 4)).await;
    assert!(refused(late, ErrorKind::Timeout).to_string().contains("runs"));
    queued(&cx, &*judge, "runs", 1).await;
    refused(there.acquire_many_timeout(2, Duration::ZERO).await, ErrorKind::Timeout);
    let one = cx.within("one is free", 20, there.acquire_timeout(cx.ttl() * 10)).await.unwrap();
    one.release().await.unwrap();
    held.release().await.unwrap();
    queued(&cx, &*judge, "runs", 0).await;
}

async fn permits_given_back_are_free_at_once(cx: Context) {
    let (_first, here) = semaphore(&cx, "first", 3).await;
    let (_second, there) = semaphore(&cx, "second", 3).await;
    for round in 0..20 {
        let guard = [&here, &there][round % 2].try_acquire_many(3).await.unwrap().expect("all are free");
        let grant = guard.grant();
        guard.release().await.unwrap();
        assert!(!grant.is_valid());
    }
}

async fn a_panic_gives_permits_back(cx: Context) {
    let (_first, here) = semaphore(&cx, "first", 3).await;
    let (_second, there) = semaphore(&cx, "second", 3).await;
    let panicked = tokio::spawn(async move {
        let _guard = here.acquire_many(3).await.unwrap();
        panic!("the guarded work fails");
    });
    assert!(panicked.await.is_err());
    drop(cx.within("they are free", 20, there.acquire_many(3)).await.unwrap());
}

async fn many_waiters_of_one_node_take_few_places(cx: Context) {
    let (_first, here) = semaphore(&cx, "first", 3).await;
    let (_second, there) = semaphore(&cx, "second", 3).await;
    let (judge, shares) = (cx.session().await, Arc::new(Shares::new(3)));
    let held = there.acquire_many(3).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..300 {
        tasks.spawn(use_permits(here.clone(), Arc::clone(&shares), vec![1]));
    }
    cx.until("they queue", 20, async || places(&*judge, "runs").await.len() > 1).await;
    let places_of_waiters = cx.settled("they are quiet", || tasks.len()).await;
    assert_eq!(places_of_waiters, 300);
    assert!(places(&*judge, "runs").await.len() <= 4, "the holder, and no more than there are permits");
    held.release().await.unwrap();
    while !tasks.is_empty() {
        let count = places(&*judge, "runs").await.len();
        assert!(count <= 6, "{count} places in the queue for one node, of three permits");
        while tasks.try_join_next().is_some() {}
        tokio::task::yield_now().await;
    }
    assert_eq!(shares.uses(), 300);
}

async fn permits_given_back_wake_whom_they_may_admit(cx: Context) {
    let (_node, holder) = semaphore(&cx, "holder", 2).await;
    let judge = cx.session().await;
    let mut held = vec![holder.acquire().await.unwrap(), holder.acquire().await.unwrap()];
    let (mut nodes, mut waiting) = (Vec::new(), Vec::new());
    for at in 0..6 {
        let name = format!("node-{at}");
        let (backend, counts) = Counting::wrap(cx.connect_as(&name));
        let node = cx.builder_on(backend, &name).connect().await.unwrap();
        let semaphore = node.semaphore("runs", 2).unwrap();
        waiting.push((counts, tokio::spawn(async move { semaphore.acquire().await.unwrap() })));
        nodes.push(node);
        queued(&cx, &*judge, "runs", at + 3).await;
    }
    while !waiting.is_empty() {
        let asked = || waiting.iter().map(|(counts, _)| counts.others()).collect::<Vec<_>>();
        let before = cx.settled("they are quiet", asked).await;
        held.remove(0).release().await.unwrap();
        cx.until("the first one has it", 20, async || waiting[0].1.is_finished()).await;
        let after = cx.settled("they are quiet", asked).await;
        // The second one waits for two of those before it, one of which is gone.
        let idle = after.len().min(2);
        assert_eq!(after[idle..], before[idle..], "those behind are not concerned");
        held.push(waiting.remove(0).1.await.unwrap());
    }
}
