//! The contract itself under simulation: nodes that read, write and watch through sessions of their own, without any recipe.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ha_core::runtime::Runtime;
use ha_core::spi::{
    Backend, Collection, Key, Name, Naming, Page, Session, SessionRequest, Stamp, Txn, WatchTarget,
};
use ha_core::{Error, ErrorKind};
use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, Life, NAMESPACE, Program, nanos};
use super::fate::{Fate, suffer};
use super::requests::{Requests, too_large};
use crate::history::Action;

/// Entries that everybody writes, and entries of sessions.
pub(super) const SHARED: &[&str] = &["data"];
pub(super) const OWNED: &[&str] = &["owned"];
const NAMES: u64 = 3;

/// The program of every node.
#[must_use]
pub(super) fn program() -> Program {
    Arc::new(|cluster, life| Box::pin(run(cluster, life)))
}

async fn run(cluster: Arc<Cluster>, life: Life) {
    let start = cluster.recorder.start();
    while cluster.goes_on(start) {
        match open(&cluster, &life).await {
            Ok(session) => {
                let user = User::new(&cluster, &life, session);
                user.work().await;
            }
            Err(_unreachable) => cluster.world.sleep(Duration::from_millis(200)).await,
        }
    }
}

async fn open(cluster: &Arc<Cluster>, life: &Life) -> Result<Arc<dyn Session>, Error> {
    let (namespace, node) = (Name::parse(NAMESPACE)?, Name::parse(&life.name)?);
    let request = SessionRequest::observer(namespace, node, life.runtime.clone()).with_ttl(cluster.plan.ttl);
    let session = cluster.backend(life).open_session(request).await?;
    cluster.recorder.session(life, session.id().as_str(), nanos(session.ttl().unwrap_or_default()));
    Ok(session)
}

/// One session of one node, and who uses it.
#[derive(Clone)]
struct User {
    cluster: Arc<Cluster>,
    life: Life,
    session: Arc<dyn Session>,
    requests: Requests,
    lost: CancellationToken,
    /// What this session created and still has.
    owned: Arc<Mutex<Vec<Stamp>>>,
}

impl User {
    fn new(cluster: &Arc<Cluster>, life: &Life, session: Arc<dyn Session>) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            life: life.clone(),
            session,
            requests: Requests::new(cluster, life),
            lost: CancellationToken::new(),
            owned: Arc::default(),
        }
    }

    fn goes_on(&self) -> bool {
        self.cluster.goes_on(self.cluster.recorder.start()) && !self.lost.is_cancelled()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let lost = self.lost.clone();
        self.cluster.spawn(&self.life, async move {
            tokio::select! {
                biased;
                () = lost.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Uses the session until it is lost, or until the end.
    async fn work(self) {
        let renewing = self.clone();
        self.spawn(async move { renewing.renew().await });
        let watching = self.clone();
        self.spawn(async move { watching.watch().await });
        for caller in 0..self.cluster.plan.callers {
            let user = self.clone();
            self.spawn(async move { user.call(caller).await });
        }
        self.lost.cancelled().await;
    }

    fn failed(&self, error: &Error) {
        if error.kind() == ErrorKind::SessionLost {
            self.lost.cancel();
        }
    }

    async fn renew(&self) {
        loop {
            let runtime = &self.life.runtime;
            runtime.sleep_until(runtime.now() + self.cluster.plan.ttl / 4).await;
            let sent = self.cluster.world.now();
            let renewed = self.session.renew().await;
            self.requests.renewed(self.session.id().as_str(), sent, renewed.is_ok());
            renewed.as_ref().err().into_iter().for_each(|error| self.failed(error));
        }
    }

    async fn watch(&self) {
        let Ok(collection) = Collection::parse(SHARED) else { return };
        let watch = self.requests.watch_opened(SHARED);
        let mut events = self.session.watch(WatchTarget::Collection(collection));
        while let Some(event) = events.next().await {
            watch.delivered(event);
        }
        self.lost.cancel();
    }

    /// One caller: reads, writes what it has read, creates and deletes.
    async fn call(&self, caller: usize) {
        let mut known = BTreeMap::new();
        let mut number = 0;
        while self.goes_on() {
            let (pause, what, name) = self
                .cluster
                .world
                .draw(|random| (random.between(20, 1_000), random.below(10), random.below(NAMES)));
            self.cluster.world.sleep(Duration::from_millis(pause)).await;
            number += 1;
            match what {
                0..4 => self.read(&mut known).await,
                4..8 => self.write(&mut known, &format!("k{name}")).await,
                _ => self.own(&format!("{}-{caller}-{number}", self.session.id())).await,
            }
        }
        self.clean_up().await;
    }

    async fn read(&self, known: &mut BTreeMap<String, Stamp>) {
        let Ok(collection) = Collection::parse(SHARED) else { return };
        let asked: Vec<u64> = (0..NAMES)
            .map(|name| self.requests.invoked(&collection, &format!("k{name}"), Action::Get, 0))
            .collect();
        let fate = self.fate();
        let listed = suffer(&self.cluster, fate, self.session.list(&collection, Page::by_name(100))).await;
        let Some(listed) = listed else { return };
        listed.as_ref().err().into_iter().for_each(|error| self.failed(error));
        for (name, op) in (0..NAMES).zip(asked) {
            let name = format!("k{name}");
            let Ok(listing) = &listed else {
                self.requests.failed(op);
                continue;
            };
            let entry = listing.entries().iter().find(|entry| entry.key().name().as_str() == name);
            self.requests.seen_as(op, entry);
            match entry {
                Some(entry) => known.insert(name, entry.stamp().clone()),
                None => known.remove(&name),
            };
        }
    }

    /// Creates, updates or deletes an entry that everybody writes, as far as it is known.
    async fn write(&self, known: &mut BTreeMap<String, Stamp>, name: &str) {
        let Ok(collection) = Collection::parse(SHARED) else { return };
        let Ok(parsed) = Name::parse(name) else { return };
        let key = collection.key(parsed);
        let (deletes, is_large) = self.cluster.world.draw(|random| (random.chance(300), random.chance(10)));
        let value = self.requests.next_value();
        let bytes = if is_large { too_large(value) } else { value.to_string().into() };
        let length = bytes.len() as u64;
        let stamp = known.remove(name);
        let (action, txn) = match &stamp {
            None => (Action::Create { value }, Txn::new().create_persistent(key, bytes, Naming::Reusable)),
            Some(stamp) if deletes => {
                let created = stamp.created().as_u64();
                (Action::Delete { created }, Txn::new().delete(stamp.clone()))
            }
            Some(stamp) => {
                let (created, modified) = (stamp.created().as_u64(), stamp.modified().as_u64());
                (Action::Update { created, modified, value }, Txn::new().update(stamp.clone(), bytes))
            }
        };
        let length = if matches!(action, Action::Delete { .. }) { 0 } else { length };
        let op = self.requests.invoked(&collection, name, action, length);
        let Some(outcome) = suffer(&self.cluster, self.fate(), self.session.commit(txn)).await else {
            return;
        };
        outcome.as_ref().err().into_iter().for_each(|error| self.failed(error));
        if let Some(stamp) = self.requests.decided(op, outcome) {
            known.insert(name.to_owned(), stamp);
        }
    }

    /// Creates an entry of the session. A creation whose future is dropped must leave none.
    async fn own(&self, name: &str) {
        let Some(key) = owned_key(name) else { return };
        let value = self.requests.next_value();
        let op = self.requests.invoked(key.collection(), name, Action::Create { value }, 1);
        let txn = Txn::new().create_owned(key, value.to_string(), Naming::Unique);
        let Some(outcome) = suffer(&self.cluster, self.fate(), self.session.commit(txn)).await else {
            return;
        };
        outcome.as_ref().err().into_iter().for_each(|error| self.failed(error));
        let stamp = self.requests.decided(op, outcome);
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).extend(stamp);
    }

    /// Deletes what the session still has, as long as that takes.
    async fn clean_up(&self) {
        loop {
            let stamp = self.owned.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(stamp) = stamp else { return };
            let deleted = self.session.commit(Txn::new().delete(stamp)).await;
            deleted.as_ref().err().into_iter().for_each(|error| self.failed(error));
        }
    }

    fn fate(&self) -> Fate {
        let (cluster, longest) = (&self.cluster, Duration::from_millis(500));
        cluster.world.draw(|random| Fate::draw(random, cluster.plan.drop_calls, longest))
    }
}

fn owned_key(name: &str) -> Option<Key> {
    Some(Collection::parse(OWNED).ok()?.key(Name::parse(name).ok()?))
}
