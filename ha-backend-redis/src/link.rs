//! What the parts of one session share.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ha_core::runtime::{Backoff, Instant, Runtime};
use ha_core::spi::{Collection, Lineage, Listing, Order, Page, Revision, SessionId};
use ha_core::{Error, ErrorKind};
use tokio::sync::Mutex;

use crate::alarm::Alarm;
use crate::answer::{Answer, Status};
use crate::failure::{Failure, FailureKind};
use crate::history::History;
use crate::hub::Hub;
use crate::keys::{self, digits};
use crate::over::{Over, Why};
use crate::scripts::{Call, Script};
use crate::server::{Lane, Live, Server};
use crate::slots::Slots;

/// For how long a request is tried whose caller waits, before it is said to be not done.
const PATIENCE: Duration = Duration::from_secs(5);

/// A session, or an observer, as everything that belongs to it sees it.
pub(crate) struct Link {
    pub(crate) server: Server,
    pub(crate) history: Arc<History>,
    pub(crate) hub: Hub,
    pub(crate) id: SessionId,
    /// What was granted; `None` for an observer.
    pub(crate) ttl: Option<Duration>,
    /// Commits, readings and all the rest.
    pub(crate) requests: Lane,
    /// Renewals have a connection of their own, so that nothing large is in front of them.
    pub(crate) renewals: Lane,
    /// What every commit is guarded by: a larger one kills all that were sent with a smaller one.
    pub(crate) epoch: AtomicU64,
    pub(crate) slots: Slots,
    /// How many commits were in doubt, because their answers were lost, until it was found out what became of them.
    pub(crate) doubts: AtomicU64,
    pub(crate) alarm: Alarm,
    pub(crate) over: Over,
    is_closing: AtomicBool,
    operations: AtomicU64,
    killing: Mutex<()>,
}

/// The session is over, so that nothing can be found out any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended(pub(crate) Why);

impl Link {
    pub(crate) fn new(server: Server, history: Arc<History>, id: SessionId, ttl: Option<Duration>) -> Self {
        Self {
            server,
            history,
            hub: Hub::default(),
            id,
            ttl,
            requests: Lane::default(),
            renewals: Lane::default(),
            epoch: AtomicU64::new(1),
            slots: Slots::default(),
            doubts: AtomicU64::new(0),
            alarm: Alarm::default(),
            over: Over::default(),
            is_closing: AtomicBool::new(false),
            operations: AtomicU64::new(0),
            killing: Mutex::default(),
        }
    }

    pub(crate) fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.server.runtime
    }

    pub(crate) fn now(&self) -> Instant {
        self.runtime().now()
    }

    /// When a request that begins now is given up.
    pub(crate) fn give_up_at(&self) -> Instant {
        self.now() + PATIENCE.max(self.server.config.timeout * 3)
    }

    /// Starts a task.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime().spawn(name, Box::pin(task));
    }

    /// The history that an answer given now belongs to.
    pub(crate) fn lineage(&self) -> Lineage {
        self.history.lineage(self.now())
    }

    /// The session, as scripts know it; nobody for an observer.
    pub(crate) fn session(&self) -> Option<&SessionId> {
        self.ttl.map(|_| &self.id)
    }

    /// The ttl, for what an observer cannot do.
    pub(crate) fn require_ttl(&self, operation: &'static str) -> Result<Duration, Error> {
        self.over.check(operation)?;
        self.ttl.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, operation)
                .because("an observer only reads and watches; open a session with a ttl")
        })
    }

    /// The session is over, and with it its watches.
    pub(crate) fn end(&self, why: Why) -> Ended {
        let why = self.over.set(why);
        self.hub.end();
        Ended(why)
    }

    /// A task ends the session on the server, and everything else with it.
    pub(crate) fn begin_closing(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// A number that no other operation of the session has.
    pub(crate) fn next_operation(&self) -> u64 {
        self.operations.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Calls a script once, on `lane`. Unless the failure says that nothing was done, it may be done or not, or done later.
    pub(crate) async fn call(&self, lane: &Lane, call: &Call) -> Result<Answer, Failure> {
        let live = lane.live(&self.server).await?;
        self.call_on(&live, call, self.server.config.timeout).await
    }

    /// The same on one connection.
    pub(crate) async fn call_on(&self, live: &Live, call: &Call, limit: Duration) -> Result<Answer, Failure> {
        let answer = self.server.call(live, call, self.history.known(), limit).await?;
        let now = self.now();
        let Ok(lineage) = self.history.learn(&answer, now) else {
            // It may be a primary that was replaced and does not know it.
            live.leave();
            let reason = format_args!("the answer is of the older generation {}", answer.generation);
            return Err(Failure::new(FailureKind::Unknown, reason));
        };
        self.hub.belongs_to(lineage);
        self.alarm.set(answer.next_over.map(|next| now + next));
        Ok(answer)
    }

    /// Reads a page, however often that has to be tried, until patience is over.
    pub(crate) async fn list(
        &self,
        operation: &'static str,
        collection: &Collection,
        page: &Page,
    ) -> Result<Listing, Error> {
        let give_up = self.give_up_at();
        let mut backoff = Backoff::urgent();
        loop {
            self.over.check(operation)?;
            let failure = match self.page(collection, page, None).await {
                Ok(Ok(listing)) => return Ok(listing),
                Ok(Err(Ended(why))) => return Err(why.error(operation)),
                Err(failure) => failure,
            };
            if !failure.is_transient() || self.now() >= give_up {
                return Err(failure.into_error(operation));
            }
            backoff.wait(&**self.runtime()).await;
        }
    }

    /// Reads a page once; of a read-back, as of the commit at `revision`.
    pub(crate) async fn page(
        &self,
        collection: &Collection,
        page: &Page,
        revision: Option<u64>,
    ) -> Result<Result<Listing, Ended>, Failure> {
        let call = page_arguments(Call::new(Script::Read).of(self.session()), collection, page, revision);
        let answer = self.call(&self.requests, &call).await?;
        if answer.status == Status::Lost {
            return Ok(Err(self.end(Why::Lost)));
        }
        let found = answer.pages(std::slice::from_ref(collection))?.pop();
        let found = found.ok_or_else(|| crate::answer::strange("a page is missing"))?;
        let revision = Revision::new(answer.revision);
        Ok(Ok(Listing::new(found.entries, found.has_more, revision, self.lineage())))
    }

    /// Kills every commit that was sent with `epoch` and is not done yet. Returns the epoch to use from now on.
    ///
    /// Copies of this kill do no harm, however late: an epoch never becomes smaller, and each is used once.
    pub(crate) async fn kill(&self, epoch: u64) -> Result<u64, Ended> {
        let _one_at_a_time = self.killing.lock().await;
        let current = self.epoch.load(Ordering::Acquire);
        if current != epoch {
            return Ok(current);
        }
        let mut next = epoch + 1;
        let mut backoff = Backoff::urgent();
        loop {
            if let Some(why) = self.over.why() {
                return Err(Ended(why));
            }
            let call = Call::new(Script::Attach).of(self.session()).with(digits(next));
            match self.call(&self.requests, &call).await {
                Ok(answer) => match answer.status {
                    Status::Lost => return Err(self.end(Why::Lost)),
                    Status::Fenced => next = answer.epoch().unwrap_or(next) + 1,
                    _ => {
                        self.epoch.store(next, Ordering::Release);
                        return Ok(next);
                    }
                },
                Err(failure) => {
                    tracing::debug!(session = %self.id, %failure, "cannot resolve yet");
                    backoff.wait(&**self.runtime()).await;
                }
            }
        }
    }
}

/// What scripts need to know to read a page. A read-back without a bound shows nothing younger than its commit.
pub(crate) fn page_arguments(
    call: Call,
    collection: &Collection,
    page: &Page,
    revision: Option<u64>,
) -> Call {
    let place = keys::place(collection);
    let (order, bound) = match page.order() {
        Order::Name { after } => {
            ("name", after.as_ref().map(|name| name.as_str().as_bytes().to_vec()).unwrap_or_default())
        }
        Order::Only { name } => ("key", name.as_str().as_bytes().to_vec()),
        Order::Oldest => ("oldest", Vec::new()),
        Order::Newest { up_to } => {
            let up_to = up_to.map(Revision::as_u64).or(revision);
            ("newest", up_to.map(|up_to| digits(up_to).into_bytes()).unwrap_or_default())
        }
        // An order that this release does not know is refused before anything is sent.
        _ => ("name", Vec::new()),
    };
    call.with(order).with(place).with(bound).with(page.limit().to_string())
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("id", &self.id).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}
