//! Nodes of a platform, for the cases of recipes.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ha_core::runtime::IoThread;
use ha_core::spi::{Backend, Collection, Entry, Session, SessionId};
use ha_core::{Coordinator, CoordinatorBuilder, Grant};

use crate::context::Context;
use crate::verbs::Verbs;

impl Context {
    /// A coordinator of `node` whose session does not run out within the case.
    pub async fn node(&self, node: &str) -> Coordinator {
        self.builder(node).connect().await.unwrap()
    }

    /// A coordinator of `node` with the short ttl.
    pub async fn mortal_node(&self, node: &str) -> Coordinator {
        self.builder(node).ttl(self.ttl()).connect().await.unwrap()
    }

    /// A coordinator of `node` with the short ttl, on a thread that can be stopped: the process then is as good as dead.
    pub async fn doomed_node(&self, node: &str) -> (Coordinator, IoThread) {
        let thread = IoThread::start().unwrap();
        let builder = self.builder(node).ttl(self.ttl()).runtime(Arc::new(thread.runtime()));
        (builder.connect().await.unwrap(), thread)
    }

    /// What [`node`](Self::node) connects.
    pub fn builder(&self, node: &str) -> CoordinatorBuilder {
        self.builder_on(self.connect_as(node), node)
    }

    /// The same on a backend that wraps that of the store.
    pub fn builder_on(&self, backend: Arc<dyn Backend>, node: &str) -> CoordinatorBuilder {
        let ttl = self.calm_ttl(&*backend);
        Coordinator::builder(backend).namespace(self.namespace().as_str()).node(node).ttl(ttl)
    }
}

/// The places in the queue of a lock, oldest first.
pub(crate) async fn places(session: &dyn Session, lock: &str) -> Vec<Entry> {
    let mut places = session.all(&Collection::parse(&["lock", lock]).unwrap()).await;
    places.sort_by_key(Entry::created);
    places
}

/// The leader's entry of an election.
pub(crate) async fn leader_entry(session: &dyn Session, election: &str) -> Option<Entry> {
    let record = Collection::parse(&["election", election, "record"]).unwrap();
    session.all(&record).await.into_iter().find(|entry| entry.key().name().as_str() == "leader")
}

/// The candidates of an election, oldest first.
pub(crate) async fn candidates(session: &dyn Session, election: &str) -> Vec<Entry> {
    let collection = Collection::parse(&["election", election, "candidates"]).unwrap();
    let mut candidates = session.all(&collection).await;
    candidates.sort_by_key(Entry::created);
    candidates
}

/// The session of the node that holds a lock.
pub(crate) async fn holder_session(session: &dyn Session, lock: &str) -> SessionId {
    places(session, lock).await.first().and_then(|place| place.owner().cloned()).unwrap()
}

/// Sees to it that what a lock protects is used by one holder at a time, with ever larger tokens.
#[derive(Debug, Default)]
pub(crate) struct Protected {
    holder: Mutex<Option<Grant>>,
    largest: AtomicU64,
    uses: AtomicU64,
}

impl Protected {
    /// Begins to use it as the holder of `grant`.
    pub(crate) fn enter(&self, grant: &Grant) {
        let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = holder.as_ref() {
            assert!(!other.is_valid(), "{grant:?} was granted while {other:?} is valid");
        }
        let token = grant.token().as_u64();
        let largest = self.largest.swap(token, Ordering::SeqCst);
        assert!(token > largest, "token {token} after token {largest}");
        self.uses.fetch_add(1, Ordering::SeqCst);
        *holder = Some(grant.clone());
    }

    /// Ends the use, before the release.
    pub(crate) fn leave(&self, grant: &Grant) {
        let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        holder.take_if(|other| other.token() == grant.token());
    }

    /// How often it was used.
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Ordering::SeqCst)
    }
}

/// Sees to it that what a lock protects is used by no more holders at once than it has permits for. A writer takes all of them.
#[derive(Debug)]
pub(crate) struct Shares {
    permits: u64,
    holders: Mutex<Vec<(Grant, u64)>>,
    /// The most that were held at once, and how often.
    busiest: AtomicU64,
    uses: AtomicU64,
}

impl Shares {
    pub(crate) fn new(permits: u64) -> Self {
        Self { permits, holders: Mutex::default(), busiest: AtomicU64::new(0), uses: AtomicU64::new(0) }
    }

    /// Begins to use so many permits as the holder of `grant`.
    pub(crate) fn enter(&self, grant: &Grant, weight: u64) {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders.retain(|(holder, _)| holder.is_valid());
        let mut others = holders.iter();
        assert!(
            others.all(|(other, _)| other.token() != grant.token()),
            "{grant:?} has the token of another"
        );
        let used = holders.iter().map(|(_, weight)| weight).sum::<u64>() + weight;
        assert!(used <= self.permits, "{used} of {} are used, by {grant:?} and {holders:?}", self.permits);
        self.busiest.fetch_max(used, Ordering::SeqCst);
        self.uses.fetch_add(1, Ordering::SeqCst);
        holders.push((grant.clone(), weight));
    }

    /// Ends the use, before the release.
    pub(crate) fn leave(&self, grant: &Grant) {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        holders.retain(|(holder, _)| holder.token() != grant.token());
    }

    /// The most that were used at once.
    pub(crate) fn busiest(&self) -> u64 {
        self.busiest.load(Ordering::SeqCst)
    }

    /// How often it was used.
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Ordering::SeqCst)
    }
}

/// Waits until the queue of a lock has so many places.
pub(crate) async fn queued(cx: &Context, judge: &dyn Session, lock: &str, count: usize) {
    cx.until("the queue is as long", 20, async || places(judge, lock).await.len() == count).await;
}

/// How often to poll in a round of `rounds`, each of which polls once more than the one before: in the last one until the end, however slow the store is. So
/// something is dropped at its end in any case.
pub(crate) fn polls_of(round: usize, rounds: usize) -> usize {
    if round + 1 == rounds { usize::MAX } else { round }
}

/// Polls `future` at most `polls` times, letting others run in between, and drops it unless it has ended.
pub(crate) async fn abandon_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        if let Some(value) = poll_once(future.as_mut()).await {
            return Some(value);
        }
        // Long enough for the other side to take a step, so that each number of polls ends in another one.
        tokio::time::sleep(Duration::from_micros(50)).await;
    }
    None
}

/// The result of `future`, if it is there at this poll.
pub(crate) async fn poll_once<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
