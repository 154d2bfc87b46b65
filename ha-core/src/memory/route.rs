//! The way of a request to the store and of its answer back, through the faults of its node.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::error::{Effect, Error, ErrorKind};
use crate::memory::faults::RequestFault;
use crate::memory::link::{Link, Request};
use crate::memory::store::{NamespaceId, State, Store};
use crate::memory::watch::WatcherId;
use crate::runtime::Runtime;
use crate::spi::{Name, Operation, Outcome, SessionId, SessionRequest, Stamp, Txn};

/// The faults of one node.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) script: VecDeque<RequestFault>,
    pub(super) yields: (u32, u32),
    pub(super) cut: Option<Cut>,
    pub(super) slow: (Duration, Duration),
    pub(super) fail_renewals: bool,
    pub(super) waiting: Vec<Waker>,
}

/// Which way a node is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// No request arrives, so that there is no answer either.
    Requests,
    /// No answer comes back.
    Replies,
}

/// What one request meets.
#[derive(Debug, Default)]
pub(super) struct Route {
    yields: (u32, u32),
    delays: (Duration, Duration),
    /// The request is lost.
    lost: bool,
    /// The reply is lost, and what became of the request has to be found out.
    resolved: bool,
}

impl Node {
    /// What any request meets.
    pub(super) fn route(&mut self) -> Route {
        Route { delays: self.slow, ..Route::default() }
    }

    fn route_of_commit(&mut self) -> Route {
        let mut route = Route { yields: self.yields, ..self.route() };
        match self.script.pop_front().unwrap_or(RequestFault::None) {
            RequestFault::None => {}
            RequestFault::LoseRequest => route.lost = true,
            RequestFault::LoseReply { answer_after } => {
                route.resolved = true;
                route.delays.1 += answer_after;
            }
            RequestFault::DelayRequest(delay) => route.delays.0 += delay,
            RequestFault::DelayReply(delay) => route.delays.1 += delay,
            RequestFault::Yield { before, after } => {
                route.yields.0 += before;
                route.yields.1 += after;
            }
        }
        route
    }
}

impl State {
    /// Whether a request (or an answer) of `node` can pass. Later it wakes `waker`, also when the session is over.
    fn poll_gate(&mut self, client: &Client<'_>, way: Cut, waker: &Waker) -> Poll<bool> {
        let Some(node) = self.faults.nodes.get_mut(client.node.as_str()) else { return Poll::Ready(true) };
        if !matches!((way, node.cut), (_, Some(Cut::Requests)) | (Cut::Replies, Some(Cut::Replies))) {
            return Poll::Ready(true);
        }
        wait(&mut node.waiting, waker);
        let Some((namespace, id)) = client.session else { return Poll::Pending };
        match self.namespace_mut(namespace).sessions.row_mut(id) {
            Some(row) => {
                wait(&mut row.waiting, waker);
                Poll::Pending
            }
            None => Poll::Ready(false),
        }
    }
}

fn wait(waiting: &mut Vec<Waker>, waker: &Waker) {
    if !waiting.iter().any(|other| other.will_wake(waker)) {
        waiting.push(waker.clone());
    }
}

impl Store {
    /// What a request of `node` meets.
    pub(super) fn route(&self, node: &Name, choose: impl FnOnce(&mut Node) -> Route) -> Route {
        self.with(|state, _| state.faults.nodes.get_mut(node.as_str()).map(choose).unwrap_or_default())
    }

    /// Lets a request pass. False: it waited until its session was over.
    pub(super) async fn send(&self, route: &Route, client: &Client<'_>) -> bool {
        yield_now(route.yields.0).await;
        client.sleep(route.delays.0).await;
        self.gate(client, Cut::Requests).await
    }

    /// Lets an answer pass. False: it waited until the session was over.
    pub(super) async fn receive(&self, route: &Route, client: &Client<'_>) -> bool {
        yield_now(route.yields.1).await;
        client.sleep(route.delays.1).await;
        self.gate(client, Cut::Replies).await
    }

    async fn gate(&self, client: &Client<'_>, way: Cut) -> bool {
        poll_fn(|cx| self.with(|state, _| state.poll_gate(client, way, cx.waker()))).await
    }
}

/// Whose request it is.
pub(super) struct Client<'a> {
    pub(super) node: &'a Name,
    pub(super) runtime: &'a dyn Runtime,
    pub(super) session: Option<(NamespaceId, &'a SessionId)>,
}

impl Client<'_> {
    async fn sleep(&self, delay: Duration) {
        if !delay.is_zero() {
            self.runtime.sleep_until(self.runtime.now() + delay).await;
        }
    }
}

async fn yield_now(mut times: u32) {
    poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Link {
    /// Opens a session, through the faults of the node.
    pub(super) async fn open_through_faults(
        store: Arc<Store>,
        request: SessionRequest,
    ) -> Result<Self, Error> {
        let (node, runtime) = (request.node.clone(), Arc::clone(&request.runtime));
        let client = Client { node: &node, runtime: &*runtime, session: None };
        let route = store.route(&node, Node::route);
        store.send(&route, &client).await;
        let link = Self::open(store, request)?;
        link.store().receive(&route, &client).await;
        Ok(link)
    }

    /// Whether any node has faults.
    pub(super) fn has_faults(&self) -> bool {
        self.store().faulty.load(Ordering::Acquire)
    }

    /// Does `effect` on the store, through the faults of the node.
    pub(super) async fn through_faults<T>(
        &self,
        request: Request,
        effect: impl FnOnce(&Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let route = self.route(|node| match request {
            Request::Renew => Route { lost: node.fail_renewals, ..node.route() },
            _ => node.route(),
        });
        self.send(&route, request).await?;
        let answer = effect(self);
        self.receive(&route, request).await?;
        answer
    }

    /// Closes the session, through the faults of the node; also when nobody waits for it any more.
    pub(super) async fn close_through_faults(self: Arc<Self>) -> Result<(), Error> {
        let (done, closed) = tokio::sync::oneshot::channel();
        let link = Arc::clone(&self);
        let close = async move {
            let effect = |link: &Self| {
                link.close();
                Ok(())
            };
            let result = match link.through_faults(Request::Close, effect).await {
                Err(error) if error.kind() == ErrorKind::SessionLost => Ok(()),
                result => result,
            };
            // Nobody waits for it any more: fine.
            done.send(result).ok();
        };
        self.runtime().spawn("memory-close", Box::pin(close));
        closed.await.unwrap_or_else(|_| Err(unavailable(Request::Close)))
    }

    /// Commits, through the faults of the node.
    pub(super) async fn commit_through_faults(&self, txn: &Txn) -> Result<Outcome, Error> {
        let route = self.route(Node::route_of_commit);
        self.send(&route, Request::Commit).await?;
        let answer = self.commit(txn.clone());
        let unanswered = Unanswered::new(self, txn, &answer);
        let arrived = self.receive(&route, Request::Commit).await;
        unanswered.answered();
        let is_resolved =
            || !route.resolved || self.access(|namespace, _| namespace.sessions.is_alive(self.id()));
        if arrived.is_ok() && is_resolved() {
            return answer;
        }
        let effect = if txn.writes_persistent() { Effect::Unknown } else { Effect::NotApplied };
        Err(self.lost(Request::Commit).with_effect(effect))
    }

    /// How much later watch items arrive.
    pub(super) fn reply_delay(&self) -> Duration {
        if self.has_faults() { self.route(|node| node.route()).delays.1 } else { Duration::ZERO }
    }

    /// Cuts a watch that was opened while the node was cut off.
    pub(super) fn disturb_new_watch(&self, id: Option<WatcherId>) {
        self.store().counters.watches_opened.add();
        self.store().with(|state, _| {
            let node = state.faults.nodes.get(self.node().as_str());
            if let Some(id) = id
                && node.is_some_and(|node| node.cut.is_some())
            {
                state.namespace_mut(self.namespace()).cut_watch(id);
            }
        });
    }

    fn route(&self, choose: impl FnOnce(&mut Node) -> Route) -> Route {
        self.store().route(self.node(), choose)
    }

    async fn send(&self, route: &Route, request: Request) -> Result<(), Error> {
        if !self.store().send(route, &self.client()).await {
            return Err(self.lost(request));
        }
        if route.lost { Err(unavailable(request)) } else { Ok(()) }
    }

    async fn receive(&self, route: &Route, request: Request) -> Result<(), Error> {
        if self.store().receive(route, &self.client()).await { Ok(()) } else { Err(self.lost(request)) }
    }

    fn client(&self) -> Client<'_> {
        Client { node: self.node(), runtime: &**self.runtime(), session: Some((self.namespace(), self.id())) }
    }
}

fn unavailable(request: Request) -> Error {
    Error::new(ErrorKind::Unavailable, request.operation())
        .because("the request was lost on the way; try again")
}

/// A commit between its effect and its answer. If it is dropped there, the caller's future was, and the session-owned
/// entries that it created are deleted.
struct Unanswered<'a> {
    link: &'a Link,
    created: Vec<Stamp>,
}

impl<'a> Unanswered<'a> {
    fn new(link: &'a Link, txn: &Txn, answer: &Result<Outcome, Error>) -> Self {
        let created = match answer {
            Ok(Outcome::Committed(committed)) => txn
                .operations()
                .iter()
                .zip(&committed.stamps)
                .filter(|(operation, _)| matches!(operation, Operation::Create { owned: true, .. }))
                .filter_map(|(_, stamp)| stamp.clone())
                .collect(),
            _ => Vec::new(),
        };
        Self { link, created }
    }

    fn answered(mut self) {
        self.created.clear();
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.created.is_empty() {
            return;
        }
        self.link.access(|namespace, wakes| namespace.delete_incarnations(&self.created, wakes));
    }
}
