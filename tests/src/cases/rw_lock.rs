//! The read-write lock: a writer alone or readers together, in the order in which they queued.

use std::sync::Arc;

use ha_core::lock::{ReadGuard, RwLock};
use ha_core::{Coordinator, ErrorKind};

use crate::context::Context;
use crate::counting::Counting;
use crate::nodes::{Shares, places, queued};
use crate::verbs::refused;

crate::case::cases! {
    "rw_lock";
    a_writer_is_alone_and_readers_are_together { guarantee: "G140" }
    readers_of_one_node_and_of_others_hold_at_once { guarantee: "G140" }
    a_hundred_readers_of_one_node_hold_at_once { guarantee: "G140" }
    a_writer_has_a_larger_token_than_the_readers_before { guarantee: "G140" }
    a_reader_waits_behind_a_writer_that_waits { guarantee: "G141" }
    readers_and_writers_are_served_in_the_order_in_which_they_queued { guarantee: "G141" }
    a_stream_of_readers_starves_no_writer { guarantee: "G141" }
    a_try_to_read_succeeds_beside_readers_only { guarantee: "G142" }
    tries_to_read_at_once_all_succeed { guarantee: "G142" }
    a_try_to_write_takes_a_free_lock_and_no_other { guarantee: "G142" }
    a_try_to_read_does_not_overtake_a_writer_that_waits { guarantee: "G142" }
    a_timeout_of_reader_or_writer_leaves_nothing_behind { guarantee: "G142" }
    a_release_of_a_writer_wakes_the_readers_behind_it_and_nobody_else { guarantee: "G145" }
    an_uncontended_lock_costs_one_request_to_take_and_one_to_release { guarantee: "G151" }
    a_lock_used_as_a_mutex_is_a_clear_error { guarantee: "G78" }
}

/// More than all readers of a case.
const ALL: u64 = 1_000;

async fn a_writer_is_alone_and_readers_are_together(cx: Context) {
    let shares = Arc::new(Shares::new(ALL));
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..12 {
        let node = cx.node(&format!("node-{}", at % 4)).await;
        let shares = Arc::clone(&shares);
        tasks.spawn(async move {
            let lock = node.rw_lock("config").unwrap();
            for round in 0..15 {
                if (at + round) % 4 == 0 {
                    let guard = lock.write().await.unwrap();
                    shares.enter(&guard, ALL);
                    tokio::task::yield_now().await;
                    shares.leave(&guard);
                    guard.release().await.unwrap();
                } else {
                    let guard = lock.read().await.unwrap();
                    shares.enter(&guard, 1);
                    tokio::task::yield_now().await;
                    shares.leave(&guard);
                    drop(guard);
                }
            }
        });
    }
    cx.within("everybody had it", 100, tasks.join_all()).await;
    assert_eq!((shares.uses(), shares.busiest()), (180, ALL));
}

/// Reads as often as it says, all at once.
async fn read_all(cx: &Context, lock: &RwLock, count: usize) -> Vec<ReadGuard> {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let lock = lock.clone();
        tasks.spawn(async move { lock.read().await.unwrap() });
    }
    cx.within("all of them read", 20, tasks.join_all()).await
}

async fn readers_of_one_node_and_of_others_hold_at_once(cx: Context) {
    let (mut nodes, mut guards) = (Vec::new(), Vec::new());
    for at in 0..3 {
        nodes.push(cx.node(&format!("node-{at}")).await);
        guards.extend(read_all(&cx, &nodes[at].rw_lock("config").unwrap(), 3).await);
    }
    let shares = Shares::new(ALL);
    for guard in &guards {
        assert!(guard.is_valid());
        shares.enter(guard, 1);
    }
    assert_eq!(shares.busiest(), 9);
}

/// More than a first look at the queue shows.
async fn a_hundred_readers_of_one_node_hold_at_once(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let guards = read_all(&cx, &node.rw_lock("config").unwrap(), 100).await;
    let lock = other.rw_lock("config").unwrap();
    let another = cx.within("it reads as well", 20, lock.read()).await.unwrap();
    assert!(another.is_valid() && guards.iter().all(|guard| guard.is_valid()));
    assert!(lock.try_write().await.unwrap().is_none());
    drop(another);
    for guard in guards {
        guard.release().await.unwrap();
    }
    drop(cx.within("it is free", 20, lock.write()).await.unwrap());
    queued(&cx, &*judge, "config", 0).await;
}

async fn a_writer_has_a_larger_token_than_the_readers_before(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let mut last = None;
    for node in [&first, &second, &first] {
        let lock = node.rw_lock("config").unwrap();
        let readers = read_all(&cx, &lock, 3).await;
        assert!(readers.iter().all(|reader| Some(reader.token()) > last), "larger than the writer before");
        let largest = readers.iter().map(|reader| reader.token()).max();
        drop(readers);
        let writer = cx.within("it writes", 20, lock.write()).await.unwrap();
        assert!(Some(writer.token()) > largest);
        last = Some(writer.token());
        writer.release().await.unwrap();
    }
}

/// Waits for the lock in a task, and tells when that is queued as one of `count`.
async fn wait_to_write(cx: &Context, node: &Coordinator, count: usize) -> tokio::task::JoinHandle<()> {
    let lock = node.rw_lock("config").unwrap();
    let judge = cx.session().await;
    let waiting = tokio::spawn(async move { lock.write().await.unwrap().release().await.unwrap() });
    queued(cx, &*judge, "config", count).await;
    waiting
}

async fn a_reader_waits_behind_a_writer_that_waits(cx: Context) {
    let (reader, writer, late) = (cx.node("reader").await, cx.node("writer").await, cx.node("late").await);
    let reading = reader.rw_lock("config").unwrap().read().await.unwrap();
    let waiting = wait_to_write(&cx, &writer, 2).await;
    // Also one of the node that reads already.
    for node in [&late, &reader] {
        let lock = node.rw_lock("config").unwrap();
        cx.not_within("a reader behind a writer", cx.ttl() / 4, lock.read()).await;
    }
    reading.release().await.unwrap();
    cx.within("the writer had it", 20, waiting).await.unwrap();
    drop(cx.within("the late one reads", 20, late.rw_lock("config").unwrap().read()).await.unwrap());
}

async fn readers_and_writers_are_served_in_the_order_in_which_they_queued(cx: Context) {
    let (judge, holder) = (cx.session().await, cx.node("holder").await);
    let held = holder.rw_lock("config").unwrap().write().await.unwrap();
    let served = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    let (plan, mut nodes) = (["r1", "r2", "w3", "r4", "w5", "w6"], Vec::new());
    for (at, name) in plan.into_iter().enumerate() {
        nodes.push(cx.node(name).await);
        let lock = nodes[at].rw_lock("config").unwrap();
        let served = Arc::clone(&served);
        tasks.spawn(async move {
            if name.starts_with('r') {
                let guard = lock.read().await.unwrap();
                served.lock().unwrap().push(name);
                guard.release().await.unwrap();
            } else {
                let guard = lock.write().await.unwrap();
                served.lock().unwrap().push(name);
                guard.release().await.unwrap();
            }
        });
        queued(&cx, &*judge, "config", at + 2).await;
    }
    held.release().await.unwrap();
    cx.within("everybody was served", 20, tasks.join_all()).await;
    let mut order = served.lock().unwrap().clone();
    // The first two read at the same time.
    order[..2].sort_unstable();
    assert_eq!(order, plan);
}

async fn a_stream_of_readers_starves_no_writer(cx: Context) {
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (mut nodes, mut readers) = (Vec::new(), tokio::task::JoinSet::new());
    for at in 0..4 {
        nodes.push(cx.node(&format!("reader-{at}")).await);
        let lock = nodes[at].rw_lock("config").unwrap();
        let stop = Arc::clone(&stop);
        readers.spawn(async move {
            // There is always one that reads, because the next one begins before the last one ends.
            let mut last = lock.read().await.unwrap();
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let next = lock.read_timeout(std::time::Duration::from_millis(5)).await;
                last = match next {
                    Ok(next) => next,
                    // Behind the writer, who waits for this very task.
                    Err(_) => {
                        drop(last);
                        lock.read().await.unwrap()
                    }
                };
            }
            drop(last);
        });
    }
    let writer = cx.node("writer").await;
    let lock = writer.rw_lock("config").unwrap();
    for _ in 0..5 {
        cx.within("the writer has it", 20, lock.write()).await.unwrap().release().await.unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    cx.within("the readers end", 20, readers.join_all()).await;
}

async fn a_try_to_read_succeeds_beside_readers_only(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let (lock, other) = (first.rw_lock("config").unwrap(), second.rw_lock("config").unwrap());
    let reading = lock.try_read().await.unwrap().expect("the lock is free");
    let beside = other.try_read().await.unwrap().expect("others read");
    let third = lock.try_read().await.unwrap().expect("this very node reads");
    for guard in [reading, beside, third] {
        guard.release().await.unwrap();
    }
    let writing = lock.write().await.unwrap();
    for _ in 0..3 {
        assert!(cx.within("an answer", 5, other.try_read()).await.unwrap().is_none(), "it is written");
        assert!(lock.try_read().await.unwrap().is_none(), "it is written here");
    }
    writing.release().await.unwrap();
    assert!(other.try_read().await.unwrap().is_some(), "it is free again");
}

async fn tries_to_read_at_once_all_succeed(cx: Context) {
    let node = cx.node("node").await;
    let lock = node.rw_lock("config").unwrap();
    for _ in 0..10 {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let lock = lock.clone();
            tasks.spawn(async move { lock.try_read().await.unwrap() });
        }
        let guards = tasks.join_all().await;
        assert!(guards.iter().all(Option::is_some), "nobody writes");
    }
}

async fn a_try_to_write_takes_a_free_lock_and_no_other(cx: Context) {
    let (first, second) = (cx.node("first").await, cx.node("second").await);
    let (lock, other) = (first.rw_lock("config").unwrap(), second.rw_lock("config").unwrap());
    let reading = lock.read().await.unwrap();
    assert!(other.try_write().await.unwrap().is_none(), "it is read");
    assert!(lock.try_write().await.unwrap().is_none(), "it is read by this very node");
    reading.release().await.unwrap();
    let writing = other.try_write().await.unwrap().expect("it is free, and no try has left anything behind");
    assert!(lock.try_write().await.unwrap().is_none(), "it is written");
    writing.release().await.unwrap();
    assert!(lock.try_write().await.unwrap().is_some());
}

async fn a_try_to_read_does_not_overtake_a_writer_that_waits(cx: Context) {
    let (reader, writer) = (cx.node("reader").await, cx.node("writer").await);
    let reading = reader.rw_lock("config").unwrap().read().await.unwrap();
    let waiting = wait_to_write(&cx, &writer, 2).await;
    for node in [&reader, &writer] {
        let tried = node.rw_lock("config").unwrap().try_read().await.unwrap();
        assert!(tried.is_none(), "a writer waits before it");
    }
    reading.release().await.unwrap();
    cx.within("the writer had it", 20, waiting).await.unwrap();
}

async fn a_timeout_of_reader_or_writer_leaves_nothing_behind(cx: Context) {
    let (first, second, judge) = (cx.node("first").await, cx.node("second").await, cx.session().await);
    let lock = second.rw_lock("config").unwrap();
    let held = first.rw_lock("config").unwrap().write().await.unwrap();
    let late = cx.within("the timeout", 20, lock.read_timeout(cx.ttl() / 5)).await;
    assert!(refused(late, ErrorKind::Timeout).to_string().contains("config"));
    refused(cx.within("the timeout", 20, lock.write_timeout(cx.ttl() / 5)).await, ErrorKind::Timeout);
    queued(&cx, &*judge, "config", 1).await;
    held.release().await.unwrap();
    drop(cx.within("it is free", 20, lock.read_timeout(cx.ttl() * 5)).await.unwrap());
    drop(cx.within("it is free", 20, lock.write_timeout(cx.ttl() * 5)).await.unwrap());
    queued(&cx, &*judge, "config", 0).await;
}

async fn a_release_of_a_writer_wakes_the_readers_behind_it_and_nobody_else(cx: Context) {
    let (holder, judge) = (cx.node("holder").await, cx.session().await);
    let held = holder.rw_lock("config").unwrap().write().await.unwrap();
    let (mut nodes, mut counts, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for (at, name) in ["reader-1", "reader-2", "writer", "late-reader"].into_iter().enumerate() {
        let (backend, count) = Counting::wrap(cx.connect_as(name));
        let node = cx.builder_on(backend, name).connect().await.unwrap();
        let lock = node.rw_lock("config").unwrap();
        let writes = name == "writer";
        waiting.push(tokio::spawn(async move {
            if writes { (None, lock.write().await.ok()) } else { (lock.read().await.ok(), None) }
        }));
        nodes.push(node);
        counts.push(count);
        queued(&cx, &*judge, "config", at + 2).await;
    }
    let asked = || counts.iter().map(|count| count.others()).collect::<Vec<_>>();
    let before = cx.settled("they are quiet", asked).await;
    held.release().await.unwrap();
    cx.until("both read", 20, async || waiting[..2].iter().all(|task| task.is_finished())).await;
    let after = cx.settled("they are quiet", asked).await;
    assert_eq!(after[2..], before[2..], "the writer and who waits behind it are not concerned");
    for at in 0..2 {
        let asked = after[at] - before[at];
        assert!(asked <= 2, "reader {at} asked {asked} times to read what is free");
    }
    assert!(!waiting[2].is_finished() && !waiting[3].is_finished());
    waiting.into_iter().for_each(|task| task.abort());
}

async fn an_uncontended_lock_costs_one_request_to_take_and_one_to_release(cx: Context) {
    let (backend, counts) = Counting::wrap(cx.connect_as("node"));
    let node = cx.builder_on(backend, "node").connect().await.unwrap();
    let (lock, semaphore) = (node.rw_lock("config").unwrap(), node.semaphore("runs", 3).unwrap());
    let mut last = cx.settled("it is quiet", || counts.others()).await;
    let mut cost = |what: &str| {
        let now = counts.others();
        assert_eq!(now - last, 1, "{what}");
        last = now;
    };
    let guard = lock.read().await.unwrap();
    cost("to read");
    guard.release().await.unwrap();
    cost("to release a reader");
    let guard = lock.write().await.unwrap();
    cost("to write");
    let guard = guard.downgrade().await.unwrap();
    cost("to go on as a reader");
    guard.release().await.unwrap();
    cost("to release it");
    let guards = [semaphore.acquire().await.unwrap(), {
        cost("one permit");
        semaphore.acquire_many(2).await.unwrap()
    }];
    cost("two permits");
    for guard in guards {
        guard.release().await.unwrap();
        cost("to give permits back");
    }
}

async fn a_lock_used_as_a_mutex_is_a_clear_error(cx: Context) {
    let (node, other, judge) = (cx.node("node").await, cx.node("other").await, cx.session().await);
    let lock = node.rw_lock("config").unwrap();
    let held = other.mutex("config").unwrap().acquire().await.unwrap();
    for error in [lock.read().await.map(drop), lock.write().await.map(drop), lock.try_read().await.map(drop)]
    {
        let text = refused(error, ErrorKind::TypeMismatch).to_string();
        assert!(text.contains("config") && text.contains("other") && text.contains("mutex"), "{text}");
    }
    queued(&cx, &*judge, "config", 1).await;
    // Once nobody uses it the name can be another kind, also in a process that used it before.
    held.release().await.unwrap();
    let reading = cx.within("it is free", 20, lock.read()).await.unwrap();
    // A guard that is dropped is released soon, but perhaps behind what its node asks for next.
    reading.release().await.unwrap();
    drop(cx.within("it is free", 20, node.mutex("config").unwrap().acquire()).await.unwrap());
    cx.until("it is free", 20, async || places(&*judge, "config").await.is_empty()).await;
}
