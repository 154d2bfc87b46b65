//! A runtime for unit tests: its clock stands still until a test, or a future that the test waits for, moves it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::memory::MemoryBackend;
use crate::runtime::{BoxFuture, Instant, Runtime};
use crate::spi::{Backend, Collection, Key, Name, Session, SessionRequest, WatchEvent, WatchStream};
use crate::sync::lock;

#[derive(Clone, Default)]
pub(super) struct TestRuntime(Arc<Inner>);

#[derive(Default)]
struct Inner {
    now: Mutex<Duration>,
    sleepers: Mutex<BTreeMap<(Instant, usize), Waker>>,
    sleeps: AtomicUsize,
    tasks: Mutex<Vec<Task>>,
    polls: AtomicUsize,
}

struct Task {
    future: BoxFuture<'static, ()>,
    woken: Arc<Flag>,
}

/// A waker that tells whether it was woken.
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn raised() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    /// Whether it was raised since the last call.
    pub(super) fn lower(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl TestRuntime {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// How many tasks have not ended, after running them.
    pub(super) fn tasks(&self) -> usize {
        self.run();
        lock(&self.0.tasks).len()
    }

    /// How often tasks were polled so far.
    pub(super) fn polls(&self) -> usize {
        self.0.polls.load(Ordering::SeqCst)
    }

    /// Polls the tasks that were woken, until all wait.
    pub(super) fn run(&self) {
        loop {
            let tasks = std::mem::take(&mut *lock(&self.0.tasks));
            let mut idle = true;
            for mut task in tasks {
                let woken = task.woken.lower();
                idle &= !woken;
                if !(woken && self.poll(&mut task).is_ready()) {
                    lock(&self.0.tasks).push(task);
                }
            }
            if idle {
                return;
            }
        }
    }

    fn poll(&self, task: &mut Task) -> Poll<()> {
        self.0.polls.fetch_add(1, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&task.woken));
        task.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Moves the clock, stopping at each deadline on the way.
    pub(super) fn advance(&self, by: Duration) {
        let target = self.now() + by;
        self.run();
        while self.advance_to_next(target) {}
        *lock(&self.0.now) = target.since_start();
        self.run();
    }

    fn advance_to_next(&self, target: Instant) -> bool {
        let Some(((deadline, _), waker)) = ({
            let mut sleepers = lock(&self.0.sleepers);
            match sleepers.first_key_value() {
                Some(((deadline, _), _)) if *deadline <= target => sleepers.pop_first(),
                _ => None,
            }
        }) else {
            return false;
        };
        if deadline > self.now() {
            *lock(&self.0.now) = deadline.since_start();
        }
        waker.wake();
        self.run();
        true
    }

    /// Runs `future` to its end, moving the clock when nothing else can happen.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let woken = Flag::raised();
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            self.run();
            if woken.lower() {
                if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return result;
                }
            } else {
                assert!(self.advance_to_next(Instant::from_nanos(u64::MAX)), "the future waits for nothing");
            }
        }
    }

    pub(super) fn open(&self, backend: &MemoryBackend, node: &str, ttl: Duration) -> Arc<dyn Session> {
        self.block_on(backend.open_session(self.request(node).with_ttl(ttl))).unwrap()
    }

    pub(super) fn observe(&self, backend: &MemoryBackend) -> Arc<dyn Session> {
        self.block_on(backend.open_session(self.request("observer"))).unwrap()
    }

    pub(super) fn request(&self, node: &str) -> SessionRequest {
        let name = |text| Name::parse(text).unwrap();
        SessionRequest::observer(name("test"), name(node), Arc::new(self.clone()))
    }
}

impl Runtime for TestRuntime {
    fn now(&self) -> Instant {
        Instant::from_start(*lock(&self.0.now))
    }

    fn wall_clock(&self) -> Duration {
        *lock(&self.0.now)
    }

    fn sleep_until(&self, deadline: Instant) -> BoxFuture<'static, ()> {
        let runtime = self.clone();
        let id = self.0.sleeps.fetch_add(1, Ordering::SeqCst);
        Box::pin(poll_fn(move |cx| {
            if runtime.now() >= deadline {
                return Poll::Ready(());
            }
            lock(&runtime.0.sleepers).insert((deadline, id), cx.waker().clone());
            Poll::Pending
        }))
    }

    fn spawn(&self, _: &'static str, future: BoxFuture<'static, ()>) {
        lock(&self.0.tasks).push(Task { future, woken: Flag::raised() });
    }

    fn random(&self) -> u64 {
        4
    }
}

impl fmt::Debug for TestRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TestRuntime")
    }
}

/// Polls `future` once.
pub(super) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The next item of `stream`, if there is one by now.
pub(super) fn next_now(stream: &mut WatchStream) -> Poll<Option<WatchEvent>> {
    poll_once(pin!(stream.next()))
}

pub(super) fn collection(name: &str) -> Collection {
    Collection::parse(&[name]).unwrap()
}

/// The key of `name` in the collection `c`.
pub(super) fn key(name: &str) -> Key {
    collection("c").key(Name::parse(name).unwrap())
}
