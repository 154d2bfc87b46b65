//! Lets cases begin no faster than the machine and the store keep up.
//!
//! A case waits most of the time, so there are many at a time; but a machine that others slow down, or that stands still for a while, then cannot serve them within the ttl of their
//! sessions. So somebody reads from the store all the time, and while that takes long, fewer cases begin.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ha_core::runtime::TokioRuntime;
use ha_core::spi::{Collection, Name, Page, Session, SessionRequest};

use crate::clock::Stopwatch;
use crate::harness::Store;

/// How long there is between two reads.
const PAUSE: Duration = Duration::from_millis(25);

/// A read that takes longer, with the pause before it, says that there is enough to do.
const LATE: Duration = Duration::from_millis(150);

/// Nobody waits longer for an answer.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// How many cases run at first: more when it turns out that the store keeps up.
const AT_FIRST: usize = 2;

/// Who runs, and how many may.
pub(crate) struct Pace {
    store: Arc<dyn Store>,
    counts: Mutex<Counts>,
    changed: Condvar,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("counts", &*self.lock()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Counts {
    is_begun: bool,
    running: usize,
    /// How many may run.
    limit: usize,
    limit_max: usize,
    limit_min: usize,
    reads: usize,
    late: usize,
}

/// One case that runs, until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Pace>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.changed.notify_one();
    }
}

impl Pace {
    /// At most so many cases at a time on a store, and at least one.
    pub(crate) fn of(store: Arc<dyn Store>, limit_max: usize) -> Arc<Self> {
        let limit = AT_FIRST.min(limit_max).max(1);
        let counts =
            Counts { is_begun: false, running: 0, limit, limit_max, limit_min: limit, reads: 0, late: 0 };
        Arc::new(Self { store, counts: Mutex::new(counts), changed: Condvar::new() })
    }

    /// Waits until one more case may run.
    pub(crate) fn begin(self: &Arc<Self>) -> Turn {
        let mut counts = self.lock();
        if !counts.is_begun {
            counts.is_begun = true;
            self.look_all_the_time();
        }
        while counts.running >= counts.limit {
            counts = self.changed.wait(counts).unwrap_or_else(PoisonError::into_inner);
        }
        counts.running += 1;
        Turn(Arc::clone(self))
    }

    /// What to tell of it, if it was of any consequence.
    pub(crate) fn summary(&self) -> Option<String> {
        let Counts { late, reads, limit_min, limit_max, .. } = *self.lock();
        let text = || {
            format!(
                "the store was late at {late} of {reads} reads: as few as {limit_min} of {limit_max} cases ran at a time"
            )
        };
        (late > 0).then(text)
    }

    fn look_all_the_time(self: &Arc<Self>) {
        let pace = Arc::downgrade(self);
        let store = Arc::clone(&self.store);
        // Without a thread nobody says that the store is late, and no more than the first ones run at a time.
        drop(std::thread::Builder::new().name("pace".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(look_all_the_time(&*store, &pace));
            }
        }));
    }

    fn saw(&self, took: Duration) {
        let mut counts = self.lock();
        counts.reads += 1;
        if took > LATE {
            counts.late += 1;
            counts.limit = (counts.limit / 2).max(1);
            counts.limit_min = counts.limit_min.min(counts.limit);
        } else if counts.limit < counts.limit_max {
            counts.limit += 1;
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look_all_the_time(store: &dyn Store, pace: &Weak<Pace>) {
    let mut session = None;
    loop {
        let since = Stopwatch::start();
        tokio::time::sleep(PAUSE).await;
        // One that does not answer is late.
        let is_read = tokio::time::timeout(READ_WITHIN, read(store, &mut session)).await;
        let took = if matches!(is_read, Ok(Some(()))) { since.elapsed() } else { READ_WITHIN };
        let Some(pace) = pace.upgrade() else { return };
        pace.saw(took);
    }
}

/// Reads something that nobody writes.
async fn read(store: &dyn Store, session: &mut Option<Arc<dyn Session>>) -> Option<()> {
    if session.is_none() {
        let (namespace, node) = (Name::parse("pace").ok()?, Name::parse("pace").ok()?);
        let request =
            SessionRequest::observer(namespace, node.clone(), Arc::new(TokioRuntime::current().ok()?));
        *session = Some(store.connect(&node).open_session(request).await.ok()?);
    }
    let nothing = Collection::parse(&["nothing"]).ok()?;
    let listed = session.as_ref()?.list(&nothing, Page::by_name(1)).await;
    if listed.is_err() {
        // Another one may do better.
        *session = None;
    }
    listed.ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::{LATE, Pace};
    use crate::harness::Harness;
    use crate::memory::MemoryHarness;
    use std::time::Duration;

    fn limit(pace: &Pace) -> usize {
        pace.lock().limit
    }

    #[test]
    fn fewer_cases_begin_while_the_store_is_late() {
        let pace = Pace::of(MemoryHarness::new().store().unwrap(), 8);
        for _ in 0..10 {
            pace.saw(Duration::ZERO);
        }
        assert_eq!((limit(&pace), pace.summary()), (8, None));
        for expected in [4, 2, 1, 1] {
            pace.saw(LATE * 2);
            assert_eq!(limit(&pace), expected);
        }
        pace.saw(Duration::ZERO);
        assert_eq!(limit(&pace), 2);
        let summary = pace.summary().unwrap();
        assert!(summary.contains("4 of 15 reads: as few as 1 of 8"), "{summary}");
    }

    #[test]
    fn no_more_cases_run_than_may() {
        let pace = Pace::of(MemoryHarness::new().store().unwrap(), 1);
        let turn = pace.begin();
        std::thread::scope(|scope| {
            let next = scope.spawn(|| drop(pace.begin()));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!next.is_finished());
            drop(turn);
        });
        assert_eq!(pace.lock().running, 0);
    }
}
