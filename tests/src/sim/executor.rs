//! An event-driven executor with virtual time: many nodes in one thread, every run decided by its seed.
//!
//! Tasks that are ready are polled in an order that the seed draws; when none is, time jumps to the next timer. Each task belongs to a node, and a
//! node has a clock of its own (offset and rate) and can be frozen (its tasks are not polled, its clock runs on, as in a suspend or a SIGSTOP) or
//! crashed (its tasks are dropped, and nothing that their destructors start runs).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ha_core::runtime::BoxFuture;

use super::node::{Clock, SimRuntime, Standstill};
use super::random::Random;

/// Which node a task belongs to. Each incarnation of a node is one of its own.
pub type NodeId = usize;

#[derive(Debug)]
struct Node {
    clock: Clock,
    crashed: bool,
    frozen: bool,
    standstill: Arc<Standstill>,
    /// Tasks that became ready while the node was frozen.
    backlog: Vec<usize>,
}

struct Task {
    node: NodeId,
    /// `None` while it is polled, and after a crash.
    future: Option<BoxFuture<'static, ()>>,
    handle: Arc<TaskWaker>,
}

#[derive(Default)]
struct Tasks {
    nodes: Vec<Node>,
    slots: Vec<Option<Task>>,
    free: Vec<usize>,
}

type Timer = Reverse<(u64, u64, usize)>;

struct Timers {
    heap: BinaryHeap<Timer>,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    next: u64,
}

/// Tasks that may make progress. Shared with their wakers.
type Ready = Arc<Mutex<Vec<usize>>>;

/// The simulated world: time, tasks, randomness.
pub struct World {
    now: AtomicU64,
    ready: Ready,
    tasks: Mutex<Tasks>,
    timers: Mutex<Timers>,
    random: Mutex<Random>,
    polls: AtomicU64,
    trace: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct TaskWaker {
    id: usize,
    queued: AtomicBool,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push(self.id);
        }
    }
}

impl World {
    /// A world whose course `seed` decides.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            // Not zero: an instant of zero would be a special case that no machine has.
            now: AtomicU64::new(1_000_000_000),
            ready: Ready::default(),
            tasks: Mutex::default(),
            timers: Mutex::new(Timers {
                heap: BinaryHeap::new(),
                wakers: Vec::new(),
                free: Vec::new(),
                next: 0,
            }),
            random: Mutex::new(Random::new(seed)),
            polls: AtomicU64::new(0),
            trace: AtomicU64::new(seed),
        })
    }

    /// The true time, in nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// How many times a task was polled.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// A digest of everything that happened: equal for equal runs.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.trace.load(Ordering::Relaxed)
    }

    /// Adds something that happened to the digest.
    pub fn note(&self, what: u64) {
        let trace = self.trace() ^ what.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.now();
        self.trace.store(trace.rotate_left(17).wrapping_mul(0xBF58_476D_1CE4_E5B9), Ordering::Relaxed);
    }

    /// Draws from the world's own sequence.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut lock(&self.random))
    }

    /// Adds a node with this clock.
    pub fn add_node(&self, clock: Clock) -> NodeId {
        let mut tasks = lock(&self.tasks);
        tasks.nodes.push(Node {
            clock,
            crashed: false,
            frozen: false,
            standstill: Arc::default(),
            backlog: Vec::new(),
        });
        tasks.nodes.len() - 1
    }

    /// The runtime of a node.
    #[must_use]
    pub fn runtime(self: &Arc<Self>, node: NodeId) -> Arc<SimRuntime> {
        let (clock, standstill) = {
            let nodes = &lock(&self.tasks).nodes;
            (nodes[node].clock, Arc::clone(&nodes[node].standstill))
        };
        Arc::new(SimRuntime::new(Arc::clone(self), node, clock, standstill))
    }

    /// Whether the node crashed.
    #[must_use]
    pub fn is_crashed(&self, node: NodeId) -> bool {
        lock(&self.tasks).nodes[node].crashed
    }

    /// Stops polling the tasks of a node; its clock goes on.
    pub fn freeze(&self, node: NodeId) {
        lock(&self.tasks).nodes[node].frozen = true;
    }

    /// Stops polling the tasks of a node; with a defect its clock stands still as well.
    pub fn suspend(&self, node: NodeId, clock_stops: bool) {
        self.freeze(node);
        if clock_stops {
            lock(&self.tasks).nodes[node].standstill.begin(self.now());
        }
    }

    /// Goes on with the tasks of a frozen node.
    pub fn thaw(&self, node: NodeId) {
        let mut tasks = lock(&self.tasks);
        tasks.nodes[node].frozen = false;
        tasks.nodes[node].standstill.end(self.now());
        let backlog = std::mem::take(&mut tasks.nodes[node].backlog);
        lock(&self.ready).extend(backlog);
    }

    /// Drops all tasks of a node, for ever. What their destructors start does not run.
    pub fn crash(&self, node: NodeId) {
        let dropped: Vec<_> = {
            let mut tasks = lock(&self.tasks);
            tasks.nodes[node].crashed = true;
            let of_node = |slot: &&mut Option<Task>| slot.as_ref().is_some_and(|task| task.node == node);
            tasks.slots.iter_mut().filter(of_node).filter_map(|slot| slot.as_mut()?.future.take()).collect()
        };
        drop(dropped);
    }

    /// Starts a task on a node.
    pub fn spawn(&self, node: NodeId, future: BoxFuture<'static, ()>) {
        let mut tasks = lock(&self.tasks);
        if tasks.nodes[node].crashed {
            drop(tasks);
            drop(future);
            return;
        }
        let id = tasks.free.pop().unwrap_or(tasks.slots.len());
        let handle =
            Arc::new(TaskWaker { id, queued: AtomicBool::new(true), ready: Arc::clone(&self.ready) });
        let task = Some(Task { node, future: Some(future), handle });
        if id == tasks.slots.len() {
            tasks.slots.push(task);
        } else {
            tasks.slots[id] = task;
        }
        lock(&self.ready).push(id);
    }

    /// Runs until true time `end`, or until nothing can happen any more.
    pub fn run_until(self: &Arc<Self>, end: u64) {
        loop {
            while let Some(id) = self.pick() {
                self.poll(id);
            }
            if !self.advance(end) {
                return;
            }
        }
    }

    fn pick(&self) -> Option<usize> {
        let mut ready = lock(&self.ready);
        let count = ready.len();
        match count {
            0 => None,
            1 => ready.pop(),
            _ => {
                let at = self.draw(|random| random.below(count as u64));
                Some(ready.swap_remove(usize::try_from(at).unwrap_or(0)))
            }
        }
    }

    fn poll(&self, id: usize) {
        let (mut future, handle) = {
            let mut tasks = lock(&self.tasks);
            let Tasks { nodes, slots, .. } = &mut *tasks;
            let Some(task) = slots[id].as_mut() else { return };
            if nodes[task.node].frozen {
                nodes[task.node].backlog.push(id);
                return;
            }
            let Some(future) = task.future.take() else {
                // Dropped in a crash, or woken while it ran and ended.
                slots[id] = None;
                tasks.free.push(id);
                return;
            };
            (future, Arc::clone(&task.handle))
        };
        handle.queued.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&handle));
        self.polls.fetch_add(1, Ordering::Relaxed);
        let done = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let leftover = {
            let mut tasks = lock(&self.tasks);
            let crashed = tasks.slots[id].as_ref().is_none_or(|task| tasks.nodes[task.node].crashed);
            if done || crashed {
                // Its late wake-ups must not reach whoever gets the slot next.
                handle.queued.store(true, Ordering::Relaxed);
                tasks.slots[id] = None;
                tasks.free.push(id);
                Some(future)
            } else {
                if let Some(task) = tasks.slots[id].as_mut() {
                    task.future = Some(future);
                }
                None
            }
        };
        drop(leftover);
    }

    /// Moves time to the next timer and wakes whoever waits for it. False if there is none before `end`.
    fn advance(&self, end: u64) -> bool {
        let mut timers = lock(&self.timers);
        let Some(Reverse((at, _, _))) = timers.heap.peek().copied() else {
            self.now.fetch_max(end, Ordering::Relaxed);
            return false;
        };
        if at > end {
            self.now.fetch_max(end, Ordering::Relaxed);
            return false;
        }
        self.now.fetch_max(at, Ordering::Relaxed);
        while let Some(Reverse((when, _, slot))) = timers.heap.peek().copied() {
            if when > at {
                break;
            }
            timers.heap.pop();
            let waker = timers.wakers[slot].take();
            timers.free.push(slot);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        true
    }

    fn add_timer(&self, at: u64, waker: Waker) {
        let mut timers = lock(&self.timers);
        timers.next += 1;
        let order = timers.next;
        let slot = timers.free.pop().unwrap_or(timers.wakers.len());
        if slot == timers.wakers.len() {
            timers.wakers.push(Some(waker));
        } else {
            timers.wakers[slot] = Some(waker);
        }
        timers.heap.push(Reverse((at, order, slot)));
    }

    /// Waits for a span of true time.
    pub fn sleep(self: &Arc<Self>, span: Duration) -> Sleep {
        self.sleep_until(self.now() + u64::try_from(span.as_nanos()).unwrap_or(u64::MAX / 4))
    }

    /// Waits until a true time.
    pub fn sleep_until(self: &Arc<Self>, at: u64) -> Sleep {
        Sleep { world: Arc::clone(self), at, waker: None }
    }

    /// Drops every task, so that nothing keeps the world alive.
    pub fn end(&self) {
        let nodes = lock(&self.tasks).nodes.len();
        for node in 0..nodes {
            self.crash(node);
        }
        lock(&self.timers).wakers.clear();
        lock(&self.timers).heap.clear();
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// A sleep in true time.
#[derive(Debug)]
pub struct Sleep {
    world: Arc<World>,
    at: u64,
    waker: Option<Waker>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.world.now() >= self.at {
            return Poll::Ready(());
        }
        if self.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
            self.world.add_timer(self.at, cx.waker().clone());
        }
        Poll::Pending
    }
}
