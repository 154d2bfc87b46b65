//! The process of one tracker: claims files, hashes them, and completes each claim with the hash.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ha_core::runtime::{Instant, TokioRuntime};
use ha_core::work_set::{Claim, InFlight, Settled};
use ha_core::{Coordinator, Effect, Error};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;

use super::wire::{Errand, FromTracker, ToTracker};
use super::{WORK, files, is_passing};
use crate::platform::clock::Clock;
use crate::platform::failure::Failure;
use crate::platform::member::{in_a_child, listen, report};
use crate::platform::outbox::say;
use crate::platform::records::{Execution, ExecutionRecord, Hashed, Outcome, Step};
use crate::platform::timeline::{Event, EventRecord};

/// How many files a tracker works on at once.
const IN_FLIGHT: usize = 8;
/// How long a tracker waits before it tries again to hand in a result that the store could not take.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a shutdown waits for the tracker's own work to end.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Lives as a tracker that an operator has started, until it is asked to shut down or the operator is gone.
///
/// # Errors
/// When it cannot begin. What it meets later is told to the operator.
pub fn track() -> Result<(), Failure> {
    in_a_child(async {
        let mut orders = listen();
        match orders.recv().await {
            Some(ToTracker::Track(errand)) => serve(*errand, orders).await,
            _ => Err(Failure::new("--tracker is for processes that the platform starts itself")),
        }
    })
}

async fn serve(errand: Errand, mut orders: mpsc::UnboundedReceiver<ToTracker>) -> Result<(), Failure> {
    let clock = Clock::started(Arc::new(TokioRuntime::current()?), Instant::from_start(errand.start));
    let builder = ha::builder().namespace(errand.namespace.as_str()).node(errand.tracker.as_str());
    let coordinator = match builder.ttl(errand.ttl).connect(&errand.url).await {
        Ok(coordinator) => coordinator,
        Err(error) => {
            let event = Event::Trouble { node: Some(errand.tracker), message: error.to_string() };
            say(&FromTracker::Event(EventRecord { at: clock.now(), event }));
            return Ok(());
        }
    };
    let (book, begin, end) = (Book::default(), Notify::new(), Notify::new());
    let tracker = Tracker(Arc::new(Inner { errand, clock, coordinator, book, begin, end }));
    let (node, teller) = (tracker.0.errand.tracker.clone(), tracker.clone());
    tokio::spawn(report(node, tracker.0.coordinator.events(), move |event| teller.tell(event)));
    say(&FromTracker::Ready);
    let mut work = std::pin::pin!(tracker.work());
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(ToTracker::Begin) => tracker.0.begin.notify_one(),
                Some(ToTracker::Written(number)) => tracker.0.book.written(number),
                Some(ToTracker::ShutDown) => tracker.0.end.notify_one(),
                Some(ToTracker::Track(_)) => {}
                None => break,
            },
            () = &mut work => break,
        }
    }
    if let Err(error) = tracker.0.coordinator.shutdown(SHUTDOWN).await {
        tracker.complain(&error);
    }
    Ok(())
}

#[derive(Clone, Debug)]
struct Tracker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    errand: Errand,
    clock: Clock,
    coordinator: Coordinator,
    book: Book,
    begin: Notify,
    end: Notify,
}

impl Tracker {
    /// Executes what it can claim, from the word to begin until that to end.
    async fn work(&self) {
        let ended = tokio::select! {
            biased;
            () = self.0.end.notified() => return,
            () = self.0.begin.notified() => self.claim_and_execute().await,
        };
        if let Err(error) = ended {
            self.complain(&error);
        }
    }

    async fn claim_and_execute(&self) -> Result<(), Error> {
        let mut claims = self.0.coordinator.work_set::<String>(WORK)?.stream(IN_FLIGHT);
        let mut executions = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = self.0.end.notified() => break,
                claim = claims.next() => drop(executions.spawn(self.clone().execute(claim?))),
                Some(_) = executions.join_next() => {}
            }
        }
        // What was begun is ended.
        drop(executions.join_all().await);
        Ok(())
    }

    async fn execute(self, claim: InFlight<String>) {
        let token = claim.token().as_u64();
        let execution = Execution { item: claim.id().into(), token, attempt: claim.attempt() };
        // What is not in the book is not begun: the verification sees every execution.
        self.write(&execution, Step::Begun).await;
        let outcome = self.hash(&claim).await;
        self.write(&execution, Step::Ended(outcome)).await;
    }

    /// Hashes the file, and hands in the result: the claim's token is what it is accepted by, or not.
    async fn hash(&self, claim: &Claim<String>) -> Outcome {
        let path = self.0.errand.files.join(claim.item());
        let hashing = tokio::task::spawn_blocking(move || files::hash(&path));
        let hashed = tokio::select! {
            biased;
            _ = claim.lost() => return Outcome::Lost,
            hashed = hashing => hashed.map_err(std::io::Error::other).flatten(),
        };
        match hashed {
            Ok((sha256, bytes)) => {
                let (tracker, token) = (self.0.errand.tracker.clone(), claim.token().as_u64());
                self.complete(claim, &Hashed { sha256, bytes, tracker, token }).await
            }
            // Dropped, the claim is given back.
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    async fn complete(&self, claim: &Claim<String>, hashed: &Hashed) -> Outcome {
        loop {
            match claim.complete(hashed).await {
                Ok(Settled::Applied) => return Outcome::Accepted,
                Ok(Settled::AlreadyDone(_)) => return Outcome::AlreadyDone,
                Ok(_) => return Outcome::Stale,
                Err(error) if error.effect() == Effect::Unknown => return Outcome::Unknown,
                // The claim is held for as long as the session is not lost.
                Err(error) if is_passing(&error) && claim.is_valid() => self.0.clock.sleep(AGAIN).await,
                Err(_) => return Outcome::Lost,
            }
        }
    }

    /// Has a step written down.
    async fn write(&self, execution: &Execution, step: Step) {
        let (at, tracker) = (self.0.clock.now(), self.0.errand.tracker.clone());
        let record = ExecutionRecord { at, tracker, execution: execution.clone(), step };
        self.0.book.write(record).await;
    }

    fn complain(&self, error: &Error) {
        let node = Some(self.0.errand.tracker.clone());
        self.tell(Event::Trouble { node, message: error.to_string() });
    }

    fn tell(&self, event: Event) {
        say(&FromTracker::Event(EventRecord { at: self.0.clock.now(), event }));
    }
}

/// The operator's book, as a tracker has it.
#[derive(Debug, Default)]
struct Book {
    last: AtomicU64,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
}

impl Book {
    /// Returns once the step is written. Without an operator it never is, and the process ends.
    async fn write(&self, record: ExecutionRecord) {
        let (sender, written) = oneshot::channel();
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, sender);
        say(&FromTracker::Step { number, record });
        if written.await.is_err() {
            std::future::pending().await
        }
    }

    fn written(&self, number: u64) {
        let sender = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        // Whoever waited may be gone.
        sender.into_iter().for_each(|sender| sender.send(()).unwrap_or_default());
    }
}
