//! A policy service: however many requests there are and however many schedulers, only so many executions run at once.
//!
//! Several schedulers take requests from one inbox and execute them. A policy says how many executions may run at the same time on all of them together; a semaphore
//! with as many permits keeps it. For now the schedulers are tasks of one process on a store in its memory. [`run`] kills some of them in the middle of their work,
//! restarts them, and judges by its journal whether the policy held, whether each request was executed, and whether every permit came back.

mod journal;
mod scheduler;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use ha_core::memory::MemoryBackend;
use ha_core::runtime::{Instant, Runtime, TokioRuntime};
use ha_core::{Coordinator, Error, ErrorKind};

use crate::platform::Failure;
use journal::Journal;
use scheduler::Scheduler;

/// How long a scheduler that died keeps its permits.
const TTL: Duration = Duration::from_secs(1);
/// How often the operator looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long everything may take, per request and scheduler that dies: several times what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is played.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How many requests there are.
    pub requests: u32,
    /// How many executions may run at once.
    pub threshold: u32,
    /// How many schedulers there are.
    pub schedulers: usize,
    /// How many of them are killed, one after the other.
    pub kills: u32,
    /// A planted defect, which the judgement has to find: nobody asks for a permit.
    pub unbounded: bool,
}

impl Default for Options {
    /// The row of requirements that this example is about: a threshold of 3, 5 schedulers, 500 requests, with kills.
    fn default() -> Self {
        Self { requests: 500, threshold: 3, schedulers: 5, kills: 6, unbounded: false }
    }
}

/// What the journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// How many requests were executed to their end.
    pub executed: u32,
    /// How many executions died with their scheduler and were begun again.
    pub died: u32,
    /// The most executions that ran at once.
    pub busiest: u32,
    /// After which time all permits were free again; `None`: not in time.
    pub free_after: Option<Duration>,
}

impl Verdict {
    /// Whether the policy held, nothing was left out, and no permit was lost.
    #[must_use]
    pub fn passed(&self, options: &Options) -> bool {
        self.executed == options.requests && self.busiest <= options.threshold && self.free_after.is_some()
    }
}

/// What all schedulers share.
#[derive(Clone, Debug)]
struct Site {
    backend: Arc<MemoryBackend>,
    runtime: Arc<dyn Runtime>,
    journal: Arc<Journal>,
    threshold: u32,
    bounded: bool,
}

impl Site {
    fn coordinator(&self) -> ha_core::CoordinatorBuilder {
        Coordinator::builder(self.backend.clone()).namespace("policy").ttl(TTL)
    }
}

/// Runs the service and kills schedulers meanwhile. Says on `output` what happens.
///
/// # Errors
/// When the service cannot be run at all. What its schedulers suffer shows in the verdict.
pub fn run(options: &Options, output: &mut dyn Write) -> Result<Verdict, Failure> {
    let failed =
        |error| Error::new(ErrorKind::Unsupported, "start a tokio runtime").because(format_args!("{error}"));
    // One thread: a scheduler that is killed stops between two steps, and nothing of it runs on elsewhere.
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    Ok(tokio.block_on(play(options, output))?)
}

async fn play(options: &Options, output: &mut dyn Write) -> Result<Verdict, Error> {
    let site = Site {
        backend: Arc::new(MemoryBackend::new()),
        runtime: Arc::new(TokioRuntime::current()?),
        journal: Arc::new(Journal::new(options.requests)),
        threshold: options.threshold,
        bounded: !options.unbounded,
    };
    // A reader who has gone away, as `head` does, is no failure.
    let mut say = |text: String| drop(writeln!(output, "{text}"));
    let name = |at: usize| format!("box-{}", at + 1);
    let mut schedulers: Vec<_> =
        (0..options.schedulers).map(|at| Scheduler::start(&site, name(at))).collect();
    for kill in 1..=options.kills {
        let after = options.requests / (options.kills + 1) * kill;
        let victim = kill as usize % schedulers.len().max(1);
        // In the middle of its work: that is when a permit could be lost.
        let is_time = || site.journal.executed() >= after && site.journal.is_executing(&name(victim));
        wait_until(&site, options, is_time).await;
        let died = schedulers[victim].kill();
        say(format!("{} is killed, and {died} executions with it", name(victim)));
        schedulers[victim] = Scheduler::start(&site, name(victim));
    }
    wait_until(&site, options, || site.journal.executed() == options.requests).await;
    let free_after = audit(&site).await?;
    let journal = &site.journal;
    let (executed, died, busiest) = (journal.executed(), journal.died(), journal.busiest());
    let verdict = Verdict { executed, died, busiest, free_after };
    say(format!(
        "{} of {} requests were executed, {} once more after a death",
        executed, options.requests, died
    ));
    say(format!("{} executions ran at once, {} may", busiest, options.threshold));
    say(match free_after {
        Some(time) => format!("every permit was free again after {} ms", time.as_millis()),
        None => "a permit was lost".into(),
    });
    Ok(verdict)
}

/// Waits for `condition`, but not for ever.
async fn wait_until(site: &Site, options: &Options, condition: impl Fn() -> bool) {
    let limit = PATIENCE * options.requests + TTL * 2 * options.kills;
    let deadline: Instant = site.runtime.now() + limit;
    while !condition() && site.runtime.now() < deadline {
        site.runtime.sleep_until(site.runtime.now() + LOOK_EVERY).await;
    }
}

/// Takes every permit there is, once the work is done: after how long it had them.
async fn audit(site: &Site) -> Result<Option<Duration>, Error> {
    let node = site.coordinator().node("auditor").runtime(Arc::clone(&site.runtime)).connect().await?;
    let begun = site.runtime.now();
    let policy = node.semaphore(scheduler::POLICY, site.threshold)?;
    let all = match policy.acquire_many_timeout(site.threshold, TTL * 5).await {
        Ok(all) => all,
        Err(error) if error.kind() == ErrorKind::Timeout => return Ok(None),
        Err(error) => return Err(error),
    };
    let time = site.runtime.now().saturating_since(begun);
    all.release().await?;
    node.shutdown(TTL).await?;
    Ok(Some(time))
}
