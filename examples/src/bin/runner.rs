//! Action runners: five of them, and three configurations. A runner works while it holds a configuration; when it dies another one gets that, and the actions that it was at. A handler
//! that hangs while its process lives loses its action as well, and what it does when it wakes up is refused.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ha::runtime::{Runtime, TokioRuntime};
use ha::spi::Txn;
use ha::work_set::{InFlight, Item, Status, WorkSet};
use ha::{Coordinator, Error, ErrorKind};
use ha_examples::stand_in::StandIn;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

const TTL: Duration = Duration::from_secs(2);
/// How long an action may take, unless its handler says that it goes on.
const DEADLINE: Duration = Duration::from_secs(1);
/// Whatever is waited for here comes within a ttl, a deadline and a moment.
const PATIENCE: Duration = Duration::from_secs(20);
const RUNNERS: [&str; 5] = ["box-1", "box-2", "box-3", "box-4", "box-5"];
/// The virtual environments, one for each runner that works.
const CONFIGURATIONS: [&str; 3] = ["venv-a", "venv-b", "venv-c"];
const ACTIONS: u32 = 30;

/// What there is to run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Action {
    Quick,
    /// Takes longer than an action may, and says that it goes on.
    Long,
    /// Hangs when it is tried for the first time.
    Hangs,
}

// On a store of several machines these nodes are processes, and the URL is all that differs. Here each is a stand-in for one, which can be killed.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let console = connect("console", Arc::new(TokioRuntime::current()?)).await?;
    let work = console.work_set::<Action>("actions")?;
    let (stage, news) = Stage::new();
    let mut runners = BTreeMap::new();
    for name in RUNNERS {
        let process = StandIn::start(Arc::new(TokioRuntime::current()?));
        let life = live(name, process.clone(), stage.clone());
        process.spawn("runner", Box::pin(async move { ends(name, life.await) }));
        runners.insert(name, process);
    }
    let mut story = Story { news, holders: BTreeMap::new() };
    while story.holders.len() < CONFIGURATIONS.len() {
        story.next().await?;
    }
    println!("{} others wait", RUNNERS.len() - CONFIGURATIONS.len());
    let quick = |number| Item::new(format!("a-{number}"), Action::Quick);
    let added = work.add_all((1..=ACTIONS).map(quick)).await?;
    in_time(work.wait_drained()).await?;
    println!("{} actions were run", added.len());
    work.add("a-long", &Action::Long).await.map(drop)?;
    in_time(work.wait_drained()).await?;
    println!("{}", outcome(&work, "a-long").await?);

    work.add("a-hangs", &Action::Hangs).await.map(drop)?;
    let hung = story.hanging().await?;
    println!("-- a handler of {hung} hangs");
    in_time(work.wait_drained()).await?;
    println!("{}", outcome(&work, "a-hangs").await?);
    stage.wake_up.send_replace(true);
    let late = story.refused().await?;
    println!("{late} wakes up, and what its handler does is refused");

    stage.wake_up.send_replace(false);
    work.add("a-fatal", &Action::Hangs).await.map(drop)?;
    let dead = story.hanging().await?;
    runners[dead].kill();
    println!("-- {dead} dies at its work");
    while story.holders.values().any(|(holder, _)| *holder == dead) {
        story.next().await?;
    }
    in_time(work.wait_drained()).await?;
    println!("{}", outcome(&work, "a-fatal").await?);
    console.shutdown(TTL).await
}

async fn connect(name: &str, runtime: Arc<dyn Runtime>) -> Result<Coordinator, Error> {
    ha::builder().namespace("runner").node(name).ttl(TTL).runtime(runtime).connect("memory:runner").await
}

/// The runner service: waits for a configuration, and runs actions for as long as it holds it.
async fn live(name: &'static str, process: StandIn, stage: Stage) -> Result<(), Error> {
    let node = connect(name, Arc::new(process.clone())).await?;
    let slots = node.slots("configurations", CONFIGURATIONS.len() as u32)?;
    let work = node.work_set::<Action>("actions")?.deadline(DEADLINE);
    loop {
        let slot = slots.acquire().await?;
        let token = slot.token().as_u64();
        stage.tell(News::Configured { by: name, ordinal: slot.ordinal(), token });
        let mut claims = work.stream(4);
        loop {
            let claim = tokio::select! {
                biased;
                _ = slot.lost() => break,
                claim = claims.next() => claim?,
            };
            let run = run(name, node.clone(), process.clone(), stage.clone(), claim);
            process.spawn("action", Box::pin(async move { ends(name, run.await) }));
        }
    }
}

/// Runs an action. Its effect is an entry of the store, written once: under the fence of the claim, and if it is not there yet.
async fn run(
    name: &'static str,
    node: Coordinator,
    process: StandIn,
    stage: Stage,
    claim: InFlight<Action>,
) -> Result<(), Error> {
    match claim.item() {
        Action::Quick => {}
        Action::Long => {
            for _ in 0..8 {
                process.sleep_until(process.now() + DEADLINE / 4).await;
                if !claim.extend(DEADLINE).await?.is_applied() {
                    return Ok(());
                }
            }
        }
        Action::Hangs if stage.is_first(claim.id()) => {
            stage.tell(News::Hangs(name));
            // It does not see that its claim is lost: that is what is wrong with it.
            drop(stage.wake_up.subscribe().wait_for(|awake| *awake).await);
        }
        Action::Hangs => {}
    }
    let effects = node.store().collection("effects")?;
    let effect = Txn::new().create(effects.key(claim.id())?, name);
    let is_written = node.store().commit(claim.fence(effect)).await?.is_committed();
    // An earlier attempt may have died between its effect and this.
    let is_completed = claim.complete(name).await?.is_applied();
    if !is_written && !is_completed {
        stage.tell(News::Refused(name));
    }
    Ok(())
}

/// What the handlers and the story have in common.
#[derive(Clone)]
struct Stage {
    /// The actions that have hung.
    hung: Arc<Mutex<BTreeSet<String>>>,
    wake_up: watch::Sender<bool>,
    news: mpsc::UnboundedSender<News>,
}

/// What the story waits for.
enum News {
    /// A runner has got a configuration.
    Configured { by: &'static str, ordinal: u32, token: u64 },
    /// A handler of the runner hangs.
    Hangs(&'static str),
    /// Neither the effect nor the result of a handler was taken.
    Refused(&'static str),
}

impl Stage {
    fn new() -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, heard) = mpsc::unbounded_channel();
        (Self { hung: Arc::default(), wake_up: watch::Sender::new(false), news }, heard)
    }

    /// Whether this action is tried for the first time.
    fn is_first(&self, id: &str) -> bool {
        self.hung.lock().unwrap_or_else(PoisonError::into_inner).insert(id.into())
    }

    fn tell(&self, news: News) {
        // Whoever listens may have heard enough.
        self.news.send(news).ok();
    }
}

/// What became of an action.
async fn outcome(work: &WorkSet<Action>, id: &str) -> Result<String, Error> {
    let seen = work.get(id).await?.ok_or_else(unexpected)?;
    match seen.status() {
        Status::Done(result) => {
            let by: String = result.decode()?;
            Ok(format!("{id} was run by {by}, in attempt {}", seen.attempts()))
        }
        other => Err(unexpected().because(format_args!("{id} is {other:?}"))),
    }
}

/// What has happened so far.
struct Story {
    news: mpsc::UnboundedReceiver<News>,
    /// Who has each configuration, with the token.
    holders: BTreeMap<u32, (&'static str, u64)>,
}

impl Story {
    /// Waits for news. A configuration that is given again has a larger token.
    async fn next(&mut self) -> Result<News, Error> {
        let news = in_time(async { self.news.recv().await.ok_or_else(unexpected) }).await?;
        if let News::Configured { by, ordinal, token } = news {
            println!("{by} works with {}, token {token}", CONFIGURATIONS[ordinal as usize]);
            let before = self.holders.insert(ordinal, (by, token));
            if before.is_some_and(|(_, before)| token <= before) {
                return Err(unexpected().because("the token of a configuration has not grown"));
            }
        }
        Ok(news)
    }

    /// Waits until a handler hangs; whose.
    async fn hanging(&mut self) -> Result<&'static str, Error> {
        loop {
            if let News::Hangs(runner) = self.next().await? {
                return Ok(runner);
            }
        }
    }

    /// Waits until what a handler does is refused; whose.
    async fn refused(&mut self) -> Result<&'static str, Error> {
        loop {
            if let News::Refused(runner) = self.next().await? {
                return Ok(runner);
            }
        }
    }
}

async fn in_time<T>(waiting: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Err(Error::new(ErrorKind::Timeout, "wait for the runners").because("they did too little"));
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(late)
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Corrupt, "run actions")
}

fn ends(name: &str, ended: Result<(), Error>) {
    if let Err(error) = ended {
        println!("{name} ends: {error}");
    }
}
