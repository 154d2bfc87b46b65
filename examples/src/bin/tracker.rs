//! Result trackers that start at the same instant with the same work before them: each execution is tracked once. Then one of them freezes at its work, another one takes over,
//! and what the first one says when it goes on is refused.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ha::runtime::{Runtime, TokioRuntime};
use ha::work_set::{Added, Item, Settled, Status, WorkSet};
use ha::{Coordinator, Error, ErrorKind};
use ha_examples::stand_in::StandIn;
use tokio::sync::{Barrier, mpsc, watch};

const TTL: Duration = Duration::from_secs(2);
/// Whatever is waited for here comes within a ttl and a moment.
const PATIENCE: Duration = Duration::from_secs(20);
const TRACKERS: [&str; 4] = ["box-1", "box-2", "box-3", "box-4"];
const EXECUTIONS: u32 = 1_000;
/// How many executions a tracker asks about at once.
const TOGETHER: usize = 20;
/// What asking takes.
const QUESTION: Duration = Duration::from_millis(10);
/// An execution whose result is long in coming.
const SLOW: &str = "e-slow";

/// What is tracked: the address of something that runs in another system, which has to be asked for its result.
type Execution = String;

// On a store of several machines these nodes are processes, and the URL is all that differs. Here each is a stand-in for one, which can be stopped.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let scheduler = connect("scheduler", Arc::new(TokioRuntime::current()?)).await?;
    let work = scheduler.work_set::<Execution>("executions")?;
    let id = |number| format!("e-{number}");
    let all = || (1..=EXECUTIONS).map(|number| Item::new(id(number), format!("https://mistral/{number}")));
    let (added, again) = (work.add_all(all()).await?, work.add_all(all()).await?);
    let new = |added: &[Added]| added.iter().filter(|added| added.is_new()).count();
    println!("{} executions are added; once more, which adds {}", new(&added), new(&again));

    let (system, mut news) = System::new();
    let start = Arc::new(Barrier::new(TRACKERS.len()));
    let mut trackers = BTreeMap::new();
    for name in TRACKERS {
        let process = StandIn::start(Arc::new(TokioRuntime::current()?));
        let life = track(name, process.clone(), Arc::clone(&start), system.clone());
        let told = move |ended: Error| println!("{name} ends: {ended}");
        process.spawn("tracker", Box::pin(async move { life.await.unwrap_or_else(told) }));
        trackers.insert(name, process);
    }
    in_time(work.wait_drained()).await?;
    system.judge()?;

    work.add(SLOW, &"https://mistral/slow".to_owned()).await.map(drop)?;
    let first = asked(&mut news).await?;
    trackers[first].freeze();
    println!("-- {first} freezes while it waits for the result of {SLOW}");
    let second = asked(&mut news).await?;
    println!("{second} asks for it as well");
    system.answer.send_replace(true);
    in_time(work.wait_drained()).await?;
    println!("{SLOW} has the result of {}", author(&work).await?);

    println!("-- {first} goes on");
    trackers[first].resume();
    let (late, why) = refused(&mut news).await?;
    println!("{late} was refused: {why}; {SLOW} has the result of {}", author(&work).await?);
    scheduler.shutdown(TTL).await
}

async fn connect(name: &str, runtime: Arc<dyn Runtime>) -> Result<Coordinator, Error> {
    ha::builder().namespace("tracker").node(name).ttl(TTL).runtime(runtime).connect("memory:tracker").await
}

/// The tracker service: claims as many executions as it asks about at once, asks, and hands the results in.
async fn track(
    name: &'static str,
    process: StandIn,
    start: Arc<Barrier>,
    system: System,
) -> Result<(), Error> {
    let node = connect(name, Arc::new(process.clone())).await?;
    let work = node.work_set::<Execution>("executions")?;
    start.wait().await;
    loop {
        // Waits for work without asking for it.
        let claims = work.next(TOGETHER).await?;
        process.sleep_until(process.now() + QUESTION).await;
        let mut results = Vec::new();
        for claim in &claims {
            results.push((claim, system.ask(name, claim.id()).await));
        }
        for settled in work.complete_all(results).await {
            match settled {
                Ok(Settled::Applied) => {}
                Ok(Settled::AlreadyDone(result)) => system.refused(name, &format!("it is done: {result:?}")),
                Ok(_) => system.refused(name, "the claim is not its own any more"),
                Err(error) => system.refused(name, &error.to_string()),
            }
        }
    }
}

/// The other system, in which the executions run. It knows who has asked about which.
#[derive(Clone)]
struct System {
    asked: Arc<Mutex<BTreeMap<String, Vec<&'static str>>>>,
    /// Whether it answers about the slow one.
    answer: watch::Sender<bool>,
    news: mpsc::UnboundedSender<News>,
}

/// What the story waits for.
enum News {
    /// A tracker has asked about the slow execution.
    Asked(&'static str),
    /// The result of a tracker was refused.
    Refused(&'static str, String),
}

impl System {
    fn new() -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, heard) = mpsc::unbounded_channel();
        (Self { asked: Arc::default(), answer: watch::Sender::new(false), news }, heard)
    }

    /// Answers whom it was asked by, as its result.
    async fn ask(&self, tracker: &'static str, id: &str) -> String {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(id.into()).or_default().push(tracker);
        if id == SLOW {
            self.tell(News::Asked(tracker));
            // The sender is in this very system.
            drop(self.answer.subscribe().wait_for(|answers| *answers).await);
        }
        tracker.into()
    }

    fn refused(&self, tracker: &'static str, why: &str) {
        self.tell(News::Refused(tracker, why.into()));
    }

    fn tell(&self, news: News) {
        // Whoever listens may have heard enough.
        self.news.send(news).ok();
    }

    /// Each execution was asked about once, though all trackers began with the same list.
    fn judge(&self) -> Result<(), Error> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shares: BTreeMap<&str, u32> = BTreeMap::new();
        for (id, trackers) in asked.iter() {
            let [tracker] = trackers.as_slice() else {
                let error = Error::new(ErrorKind::Corrupt, "track").on(id);
                return Err(error.because(format_args!("{trackers:?} have asked about it")));
            };
            *shares.entry(tracker).or_default() += 1;
        }
        let shares: Vec<_> = shares.iter().map(|(tracker, count)| format!("{count} by {tracker}")).collect();
        println!("{} executions were tracked, each once: {}", asked.len(), shares.join(", "));
        Ok(())
    }
}

/// Whose result the slow execution has.
async fn author(work: &WorkSet<Execution>) -> Result<String, Error> {
    match work.get(SLOW).await?.map(|seen| seen.status()) {
        Some(Status::Done(result)) => result.decode(),
        other => Err(unexpected().because(format_args!("it is {other:?}"))),
    }
}

/// Waits until somebody asks about the slow execution; who.
async fn asked(news: &mut mpsc::UnboundedReceiver<News>) -> Result<&'static str, Error> {
    loop {
        if let News::Asked(tracker) = heard(news).await? {
            return Ok(tracker);
        }
    }
}

/// Waits until the result of a tracker is refused; whose, and why.
async fn refused(news: &mut mpsc::UnboundedReceiver<News>) -> Result<(&'static str, String), Error> {
    loop {
        if let News::Refused(tracker, why) = heard(news).await? {
            return Ok((tracker, why));
        }
    }
}

async fn heard(news: &mut mpsc::UnboundedReceiver<News>) -> Result<News, Error> {
    in_time(async { news.recv().await.ok_or_else(unexpected) }).await
}

async fn in_time<T>(waiting: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late =
        |_| Err(Error::new(ErrorKind::Timeout, "wait for the trackers").because("they did too little"));
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(late)
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Corrupt, "track").on(SLOW)
}
