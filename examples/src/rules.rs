//! The timer service of a rules engine: every node can do it, the leader does, and each tick is emitted exactly once.
//!
//! What was emitted, and how far, is in the store of the toolkit: a tick and the progress are one transaction, guarded by the grant of the leader. So
//! a leader that dies between any two steps leaves both or neither, and one that was frozen and replaced changes nothing when it goes on. Its
//! successor emits what was missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ha::runtime::Runtime;
use ha::spi::Txn;
use ha::store::{Document, Documents};
use ha::{Coordinator, Error, ErrorKind, Grant};
use serde::{Deserialize, Serialize};

/// The name of the election, of the collection of ticks, and of the record of the progress.
pub const TIMERS: &str = "rules-timers";
const PROGRESS: &str = "progress";
/// How many missed ticks one transaction makes up for.
const BATCH: usize = 20;
/// How long to wait after the store could not be reached, or somebody was faster.
const RETRY: Duration = Duration::from_millis(20);

/// A rule that fires again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// How often it fires.
    pub every: Duration,
}

impl Rule {
    /// A rule that fires so often, at most once a millisecond.
    #[must_use]
    pub fn new(name: &str, every: Duration) -> Self {
        Self { name: name.into(), every: every.max(Duration::from_millis(1)) }
    }
}

/// One tick of one rule, as the rules engine finds it in the collection [`TIMERS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tick {
    /// The rule.
    pub rule: String,
    /// The first one has number 1, and none is missing.
    pub number: u64,
    /// The term of the leader that emitted it.
    pub term: u64,
}

impl Tick {
    /// The name of its entry: there can be one only.
    fn name(&self) -> String {
        format!("{:012}-{}", self.number, self.rule)
    }
}

/// Since when there are ticks, and the last one of each rule that was emitted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Progress {
    since_ms: u64,
    emitted: BTreeMap<String, u64>,
}

/// Emits ticks whenever this node leads, until it is shut down.
///
/// # Errors
/// What the toolkit cannot ride out: `Denied`, `Corrupt`. `Closed` is the end after a shutdown, and no error here.
pub async fn serve(node: Coordinator, rules: Vec<Rule>, clock: Arc<dyn Runtime>) -> Result<(), Error> {
    let service = Arc::new(Service {
        ticks: node.store().documents(TIMERS)?,
        progress: node.store().documents("rules")?,
        node: node.clone(),
        rules,
        clock,
    });
    let work = |grant| Arc::clone(&service).emit(grant);
    match node.election(TIMERS)?.run(work).await {
        Ok(error) => Err(error),
        Err(error) if error.kind() == ErrorKind::Closed => Ok(()),
        Err(error) => Err(error),
    }
}

struct Service {
    node: Coordinator,
    ticks: Documents<Tick>,
    progress: Documents<Progress>,
    rules: Vec<Rule>,
    clock: Arc<dyn Runtime>,
}

impl Service {
    /// Emits what is due until leadership is lost, which drops this. Ends only with an error that does not pass.
    async fn emit(self: Arc<Self>, grant: Grant) -> Error {
        loop {
            let pause = match self.step(&grant).await {
                Ok(pause) => pause,
                // Nobody need know whether it was applied: the next step reads the progress again.
                Err(error) if error.is_transient() || error.kind() == ErrorKind::SessionLost => RETRY,
                Err(error) => return error,
            };
            self.clock.sleep_until(self.clock.now() + pause).await;
        }
    }

    /// Emits what is due, at most a batch of it; returns how long there is nothing to do.
    async fn step(&self, grant: &Grant) -> Result<Duration, Error> {
        let progress = self.progress().await?;
        let now = self.now_ms().saturating_sub(progress.value().since_ms);
        let due = self.due(progress.value(), now);
        if due.is_empty() {
            return Ok(self.until_next(progress.value(), now));
        }
        let mut after = progress.value().clone();
        let mut txn = Txn::new();
        for (rule, number) in due {
            let tick = Tick { rule: rule.name.clone(), number, term: grant.token().as_u64() };
            txn = txn.create(self.ticks.entries().key(&tick.name())?, self.ticks.encode(&tick)?);
            after.emitted.insert(tick.rule, number);
        }
        let txn = txn.update(progress.stamp().clone(), self.progress.encode(&after)?);
        let done = self.node.store().commit(grant.fence(txn)).await?.is_committed();
        // A conflict: there is a newer leader. Its grant is about to be lost, and this future to be dropped.
        Ok(if done { Duration::ZERO } else { RETRY })
    }

    /// The progress, which begins with the first leader of all.
    async fn progress(&self) -> Result<Document<Progress>, Error> {
        if let Some(progress) = self.progress.get(PROGRESS).await? {
            return Ok(progress);
        }
        let since_ms = self.now_ms();
        let begin =
            |progress: Option<Progress>| progress.unwrap_or(Progress { since_ms, ..Progress::default() });
        self.progress.modify(PROGRESS, begin).await
    }

    /// The ticks that are due, the oldest first, at most a batch.
    fn due(&self, progress: &Progress, now_ms: u64) -> Vec<(&Rule, u64)> {
        let missing = self.rules.iter().flat_map(|rule| {
            let first = emitted(progress, rule) + 1;
            (first..=now_ms / every_ms(rule)).take(BATCH).map(move |number| (rule, number))
        });
        let mut due: Vec<_> = missing.collect();
        due.sort_by_key(|(rule, number)| number * every_ms(rule));
        due.truncate(BATCH);
        due
    }

    fn until_next(&self, progress: &Progress, now_ms: u64) -> Duration {
        let next = self.rules.iter().map(|rule| (emitted(progress, rule) + 1) * every_ms(rule)).min();
        Duration::from_millis(next.map_or(1_000, |next| next.saturating_sub(now_ms)))
    }

    fn now_ms(&self) -> u64 {
        // Ticks are numbered by the wall clock, so that all nodes number them alike. It decides nothing about leadership.
        u64::try_from(self.clock.wall_clock().as_millis()).unwrap_or(u64::MAX)
    }
}

fn emitted(progress: &Progress, rule: &Rule) -> u64 {
    progress.emitted.get(&rule.name).copied().unwrap_or(0)
}

fn every_ms(rule: &Rule) -> u64 {
    u64::try_from(rule.every.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::{Rule, TIMERS, Tick, serve};
    use crate::doomed::Platform;
    use ha::spi::Page;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn rules() -> Vec<Rule> {
        vec![Rule::new("cpu", Duration::from_millis(7)), Rule::new("disk", Duration::from_millis(20))]
    }

    /// All ticks, in the order in which they were emitted.
    async fn ticks(platform: &Platform) -> Vec<Tick> {
        let all = platform.observer().store().documents::<Tick>(TIMERS).unwrap();
        let mut entries = Vec::new();
        let mut page = Page::by_name(Page::MAX_LIMIT);
        loop {
            let listing = all.entries().list(page).await.unwrap();
            let more = listing.has_more();
            entries.extend(listing.into_entries());
            let Some(last) = entries.last().filter(|_| more) else { break };
            page = Page::after(last.key().name().clone(), Page::MAX_LIMIT);
        }
        entries.sort_by_key(ha::spi::Entry::created);
        entries.iter().map(|entry| all.decode(entry).unwrap().into_value()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_tick_is_emitted_once_though_leaders_are_killed_and_frozen() {
        let platform = Platform::new(["box-1", "box-2", "box-3"]).await;
        for node in platform.nodes() {
            node.start(|node, clock| Box::pin(async { drop(serve(node, rules(), clock).await) }));
        }
        let enough = async |count: usize| {
            while ticks(&platform).await.len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let mut terms = vec![platform.leader(TIMERS).await];
        enough(10).await;
        platform.node(&terms[0].0).kill();
        terms.push(platform.next_leader(TIMERS, &terms[0]).await);
        let before = ticks(&platform).await.len();
        enough(before + 10).await;
        // Frozen with whatever it was about to do, and let go on once somebody else leads.
        platform.node(&terms[1].0).freeze();
        terms.push(platform.next_leader(TIMERS, &terms[1]).await);
        platform.node(&terms[1].0).resume();
        let before = ticks(&platform).await.len();
        enough(before + 60).await;

        let ticks = ticks(&platform).await;
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for tick in &ticks {
            let last = last.entry(&tick.rule).or_default();
            assert_eq!(tick.number, *last + 1, "each one, once, in its order: {tick:?}");
            *last = tick.number;
        }
        assert!(ticks.is_sorted_by_key(|tick| tick.term), "nobody emits after a successor");
        let led: Vec<u64> = terms.iter().map(|(_, term)| *term).collect();
        assert!(led.iter().all(|term| ticks.iter().any(|tick| tick.term == *term)), "{led:?} all worked");
    }
}
