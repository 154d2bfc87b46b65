//! Notifiers: one of them looks for executions that have ended and schedules a notification for each; it dies in the middle, and a backup goes on. All of them send. What cannot be
//! delivered is tried again later; what cannot be delivered at all is put aside, until somebody has mended what was wrong.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ha::runtime::{Runtime, TokioRuntime};
use ha::work_set::{Added, Item, Retry, Settled, WorkSet};
use ha::{Coordinator, Error, ErrorKind};
use ha_examples::stand_in::StandIn;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

const TTL: Duration = Duration::from_secs(2);
/// Whatever is waited for here comes within a ttl and a moment.
const PATIENCE: Duration = Duration::from_secs(20);
const NOTIFIERS: [&str; 3] = ["box-1", "box-2", "box-3"];
/// Who is told about which execution: one whose mail server is there, one whose is busy at first, one whose has not been set up.
const ADDRESSES: [&str; 3] = ["ops", "busy", "new"];
const EXECUTIONS: usize = 12;
/// After so many notifications the first scheduler dies.
const MIDDLE: usize = 5;
/// How long after its execution a notification is sent: what is looked at twice within that time is worth one message.
const LATER: Duration = Duration::from_millis(200);
/// What looking at one execution takes.
const LOOK: Duration = Duration::from_millis(5);

/// What is sent. The id of the item is its dedupe key: the execution, and who is told.
#[derive(Debug, Serialize, Deserialize)]
struct Notification {
    to: String,
    text: String,
}

// On a store of several machines these nodes are processes, and the URL is all that differs. Here each is a stand-in for one, which can be killed.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let console = connect("console", Arc::new(TokioRuntime::current()?)).await?;
    let work = notifications(&console)?;
    let (post, mut news) = Post::new();
    let mut notifiers = BTreeMap::new();
    for name in NOTIFIERS {
        let process = StandIn::start(Arc::new(TokioRuntime::current()?));
        let life = Notifier::live(name, process.clone(), post.clone());
        process.spawn("notifier", Box::pin(async move { ends(name, life.await) }));
        notifiers.insert(name, process);
    }
    let mut first = "";
    for _ in 0..MIDDLE {
        let News::Scheduled(by) = heard(&mut news).await? else { return Err(unexpected()) };
        first = by;
    }
    notifiers[first].kill();
    println!("-- {first} dies in the middle of {EXECUTIONS} executions");
    let backup = loop {
        if let News::Looked { by, new } = heard(&mut news).await? {
            println!("{by} schedules: {new} notifications were missing");
            break by;
        }
    };
    in_time(work.wait_drained()).await?;

    let letters = work.dead_letters(None, EXECUTIONS).await?;
    for letter in &letters {
        println!("{} is put aside after {} failures: {}", letter.id(), letter.failures(), letter.reason());
    }
    println!("-- the mail server of `new` is set up");
    post.set_up();
    let again = work.redrive(letters.iter().map(|letter| letter.id())).await?;
    println!("{} notifications are tried again", again.iter().filter(|was_dead| **was_dead).count());
    in_time(work.wait_drained()).await?;
    post.judge()?;
    println!("{backup} schedules what comes next");
    console.shutdown(TTL).await
}

async fn connect(name: &str, runtime: Arc<dyn Runtime>) -> Result<Coordinator, Error> {
    ha::builder().namespace("notifier").node(name).ttl(TTL).runtime(runtime).connect("memory:notifier").await
}

/// The notifications, with how often they are tried.
fn notifications(node: &Coordinator) -> Result<WorkSet<Notification>, Error> {
    let retry = Retry::default().max_failures(3).backoff(Duration::from_millis(50));
    Ok(node.work_set("notifications")?.retry(retry))
}

/// The notifier service.
#[derive(Clone)]
struct Notifier {
    name: &'static str,
    process: StandIn,
    work: WorkSet<Notification>,
    post: Post,
}

impl Notifier {
    /// Always sends, and schedules while it leads.
    async fn live(name: &'static str, process: StandIn, post: Post) -> Result<(), Error> {
        let node = connect(name, Arc::new(process.clone())).await?;
        let notifier = Self { name, process, work: notifications(&node)?, post };
        let sending = notifier.clone().send();
        notifier.process.spawn("send", Box::pin(async move { ends(name, sending.await) }));
        node.election("scheduler")?.run(|_term| notifier.clone().schedule()).await
    }

    /// Looks for executions that have ended, and begins anew if that fails.
    async fn schedule(self) {
        loop {
            match self.look().await {
                Ok(new) => {
                    self.post.tell(News::Looked { by: self.name, new });
                    // It leads for as long as it lives.
                    return std::future::pending().await;
                }
                Err(error) => println!("{} looks again: {error}", self.name),
            }
        }
    }

    /// Schedules a notification for each execution. Whoever led before may have scheduled some, which does not matter: an id is added once. How many were new.
    async fn look(&self) -> Result<usize, Error> {
        let mut new = 0;
        for (execution, address) in (1..=EXECUTIONS).zip(ADDRESSES.into_iter().cycle()) {
            self.process.sleep_until(self.process.now() + LOOK).await;
            let text = format!("execution {execution} has ended");
            let notification = Notification { to: address.into(), text };
            let item = Item::new(format!("{execution}/{address}"), notification).after(LATER);
            if self.work.add_all([item]).await?.iter().all(Added::is_new) {
                new += 1;
                self.post.tell(News::Scheduled(self.name));
            }
        }
        Ok(new)
    }

    /// Sends what is due, whoever has scheduled it.
    async fn send(self) -> Result<(), Error> {
        let mut claims = self.work.stream(4);
        loop {
            let claim = claims.next().await?;
            let settled = match self.post.deliver(claim.id(), claim.item(), claim.failures()) {
                Ok(()) => claim.complete("sent").await,
                Err(reason) => claim.into_claim().fail(reason).await,
            };
            match settled {
                Ok(Settled::Applied) => {}
                // It comes again, and is dropped by whoever has it already.
                Ok(_) => println!("{} was too late", self.name),
                Err(error) => println!("{}: {error}", self.name),
            }
        }
    }
}

/// The mail servers of all who are told. They drop what they have under its key: a notifier can die after it has sent something and before it has said so.
#[derive(Clone)]
struct Post {
    letters: Arc<Mutex<Letters>>,
    news: mpsc::UnboundedSender<News>,
}

#[derive(Default)]
struct Letters {
    /// How often each key was sent.
    sent: BTreeMap<String, u32>,
    is_new_set_up: bool,
}

/// What the story waits for.
enum News {
    /// A notification is scheduled.
    Scheduled(&'static str),
    /// All executions were looked at, and so many notifications were new.
    Looked { by: &'static str, new: usize },
}

impl Post {
    fn new() -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, heard) = mpsc::unbounded_channel();
        (Self { letters: Arc::default(), news }, heard)
    }

    fn deliver(&self, key: &str, notification: &Notification, failures: u32) -> Result<(), &'static str> {
        let mut letters = self.lock();
        match notification.to.as_str() {
            "busy" if failures < 2 => return Err("the mail server is busy"),
            "new" if !letters.is_new_set_up => return Err("there is no mail server"),
            _ => {}
        }
        let sent = letters.sent.entry(key.into()).or_default();
        *sent += 1;
        match (*sent, failures) {
            (1, 0) => println!("sent: {}", notification.text),
            (1, _) => println!("sent after {failures} failures: {}", notification.text),
            _ => println!("dropped, since it was sent before: {}", notification.text),
        }
        Ok(())
    }

    fn set_up(&self) {
        self.lock().is_new_set_up = true;
    }

    fn tell(&self, news: News) {
        // Whoever listens may have heard enough.
        self.news.send(news).ok();
    }

    /// Each notification arrived.
    fn judge(&self) -> Result<(), Error> {
        let letters = self.lock();
        let twice = letters.sent.values().filter(|times| **times > 1).count();
        if letters.sent.len() != EXECUTIONS {
            return Err(
                unexpected().because(format_args!("{} of {EXECUTIONS} were sent", letters.sent.len()))
            );
        }
        println!("{EXECUTIONS} notifications were sent, {twice} of them more than once");
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn heard(news: &mut mpsc::UnboundedReceiver<News>) -> Result<News, Error> {
    in_time(async { news.recv().await.ok_or_else(unexpected) }).await
}

async fn in_time<T>(waiting: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late =
        |_| Err(Error::new(ErrorKind::Timeout, "wait for the notifiers").because("they did too little"));
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(late)
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Corrupt, "notify")
}

fn ends(name: &str, ended: Result<(), Error>) {
    if let Err(error) = ended {
        println!("{name} ends: {error}");
    }
}
