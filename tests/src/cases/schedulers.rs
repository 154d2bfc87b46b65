//! A threshold of concurrent executions, kept by schedulers that are killed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ha_core::Coordinator;
use ha_core::lock::Semaphore;
use ha_core::runtime::IoThread;

use crate::context::Context;
use crate::nodes::{Shares, places};

crate::case::cases! {
    "schedulers";
    a_threshold_holds_and_no_permit_is_lost_while_schedulers_are_killed { guarantee: "G146" }
}

const THRESHOLD: u32 = 3;
const SCHEDULERS: usize = 5;
const REQUESTS: u32 = 500;
/// How many requests are executed between two kills.
const KILL_EVERY: usize = 80;

/// The requests, and who works on which.
#[derive(Debug, Default)]
struct Desk {
    waiting: BTreeSet<u32>,
    running: BTreeMap<u32, usize>,
    done: BTreeSet<u32>,
    dead: BTreeSet<usize>,
}

#[derive(Debug)]
struct Site {
    desk: Mutex<Desk>,
    shares: Shares,
}

impl Site {
    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, scheduler: usize) -> Option<u32> {
        let mut desk = self.desk();
        if desk.dead.contains(&scheduler) {
            return None;
        }
        let request = desk.waiting.pop_first()?;
        desk.running.insert(request, scheduler);
        Some(request)
    }

    /// Others go on with what the dead one had.
    fn bury(&self, scheduler: usize) {
        let mut desk = self.desk();
        desk.dead.insert(scheduler);
        let (dead, alive) =
            std::mem::take(&mut desk.running).into_iter().partition(|(_, other)| *other == scheduler);
        desk.running = alive;
        let dead: BTreeMap<u32, usize> = dead;
        desk.waiting.extend(dead.into_keys());
    }

    /// A request whose permit was lost on the way is executed again.
    fn executed(&self, scheduler: usize, request: u32, valid: bool) {
        let mut desk = self.desk();
        if desk.dead.contains(&scheduler) {
            // Others have gone on with it.
            return;
        }
        desk.running.remove(&request);
        if valid {
            desk.done.insert(request);
        } else {
            desk.waiting.insert(request);
        }
    }

    fn is_over(&self) -> bool {
        self.desk().done.len() == REQUESTS as usize
    }
}

/// A scheduler; of a dead one nothing runs any more, but what it held is still in its memory.
struct Scheduler {
    id: usize,
    dead: Arc<AtomicBool>,
    thread: Option<IoThread>,
    tasks: tokio::task::JoinSet<()>,
    _node: Coordinator,
}

impl Scheduler {
    async fn start(cx: &Context, id: usize, site: &Arc<Site>) -> Self {
        let (node, thread) = cx.doomed_node(&format!("scheduler-{id}")).await;
        let dead = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let semaphore = node.semaphore("policy", THRESHOLD).unwrap();
            tasks.spawn(work(id, semaphore, Arc::clone(site), Arc::clone(&dead)));
        }
        Self { id, dead, thread: Some(thread), tasks, _node: node }
    }

    fn kill(&mut self, site: &Site) {
        self.dead.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.stop();
        }
        site.bury(self.id);
    }
}

async fn work(id: usize, semaphore: Semaphore, site: Arc<Site>, dead: Arc<AtomicBool>) {
    let gone = || dead.load(Ordering::SeqCst);
    loop {
        let Some(request) = site.next(id) else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        let guard = match semaphore.acquire().await {
            Ok(guard) => guard,
            Err(error) => {
                assert!(gone(), "{error}");
                return;
            }
        };
        if !gone() {
            site.shares.enter(&guard, 1);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if gone() {
            // Nobody tells the store, and nobody ends the grant but its own clock.
            std::future::pending::<()>().await;
        }
        let valid = guard.is_valid();
        site.shares.leave(&guard);
        let released = guard.release().await;
        assert!(released.is_ok() || gone(), "{released:?}");
        site.executed(id, request, valid);
    }
}

async fn a_threshold_holds_and_no_permit_is_lost_while_schedulers_are_killed(cx: Context) {
    let desk = Desk { waiting: (0..REQUESTS).collect(), ..Desk::default() };
    let site = Arc::new(Site { desk: Mutex::new(desk), shares: Shares::new(THRESHOLD.into()) });
    let mut schedulers = Vec::new();
    for id in 0..SCHEDULERS {
        schedulers.push(Scheduler::start(&cx, id, &site).await);
    }
    let mut kills = 0;
    while !site.is_over() {
        let until = KILL_EVERY * (kills + 1);
        cx.until("they go on", 50, async || site.desk().done.len() >= until || site.is_over()).await;
        if site.is_over() {
            break;
        }
        let next = SCHEDULERS + kills;
        schedulers[kills].kill(&site);
        schedulers.push(Scheduler::start(&cx, next, &site).await);
        kills += 1;
    }
    assert!(kills >= 5, "{kills} kills show little");
    assert_eq!(site.shares.busiest(), u64::from(THRESHOLD));
    // Every permit is free again, soon: nobody who was killed took one along.
    let (node, judge) = (cx.node("auditor").await, cx.session().await);
    let semaphore = node.semaphore("policy", THRESHOLD).unwrap();
    let all = cx.within("all permits", 20, semaphore.acquire_many(THRESHOLD)).await.unwrap();
    assert!(all.is_valid());
    all.release().await.unwrap();
    cx.until("nobody is left", 20, async || places(&*judge, "policy").await.is_empty()).await;
    for mut scheduler in schedulers {
        scheduler.tasks.abort_all();
        while let Some(ended) = scheduler.tasks.join_next().await {
            assert!(ended.as_ref().err().is_none_or(|error| !error.is_panic()), "{ended:?}");
        }
    }
}
