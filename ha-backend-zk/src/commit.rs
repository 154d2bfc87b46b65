//! A commit: sent, resolved where its answer is lost, and read back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ha_core::runtime::{Backoff, BoxFuture};
use ha_core::spi::{Committed, Conflict, Key, Listing, Order, Outcome, Revision, Txn};
use ha_core::{Effect, Error, ErrorKind};

use crate::client::{Children, Connection, Failure, FailureKind, Life, MultiFailure, Node, Stat};
use crate::finish::Finish;
use crate::link::Link;
use crate::over::Why;
use crate::page::PageRead;
use crate::plan::{Plan, Refused};
use crate::reading::read_nodes;
use crate::resolve::Lost;
use crate::slots::Slot;
use crate::together::together;

pub(crate) const OPERATION: &str = "commit";

/// What came back of one copy of a request.
struct Answer {
    /// Whether what it needs is there.
    is_prepared: bool,
    done: Result<Vec<Option<Stat>>, MultiFailure>,
    /// What is to be read back, as it was right after it.
    behind: Behind,
}

/// What was read in the same flight behind a transaction.
struct Behind {
    /// The collections of which pages are read, one for each such page.
    collections: VecDeque<Result<Option<Children>, Failure>>,
    /// The entries that are read by their names.
    entries: Result<VecDeque<Option<Node>>, Failure>,
}

/// What became of one copy of a request.
enum Step {
    /// It was decided.
    Decided(Outcome),
    /// Nothing was done, and it can be sent again at once.
    Again,
    /// Nothing was done, because of this.
    Failed(Failure),
}

impl Link {
    /// Commits `txn`. Dropped before its end, it is finished in the background and what it created is deleted.
    pub(crate) fn commit(self: &Arc<Self>, txn: Txn) -> Result<Finish, Error> {
        self.check(OPERATION)?;
        self.refuse_grants(&txn)?;
        let plan = Plan::new(txn, self.next_operation(), self.number, &self.layout)?;
        let link = Arc::clone(self);
        let work: BoxFuture<'static, _> = Box::pin(async move { link.carry_out(&plan).await });
        Ok(Finish::new(Arc::clone(self), work))
    }

    fn refuse_grants(&self, txn: &Txn) -> Result<(), Error> {
        match self.continuity.hold(self.now()) {
            Some(until) if txn.is_granting() => Err(Error::new(ErrorKind::Recovering, OPERATION)
                .because(
                    "the store went back to an older state and new grants are held back; \
                     raise the base of the tokens and restart, or try again later",
                )
                .with_until(until)),
            _ => Ok(()),
        }
    }

    async fn carry_out(self: &Arc<Self>, plan: &Plan) -> Result<Outcome, Error> {
        let slot = self.slots.take();
        let give_up = self.give_up_at();
        let mut backoff = Backoff::urgent();
        loop {
            // Nothing of it is under way here.
            self.check(OPERATION)?;
            self.lineage().admit(plan.txn())?;
            let connection = match self.connected(give_up).await {
                Ok(connection) => connection,
                Err(failure) => return Err(self.settled(failure, OPERATION).await),
            };
            let failure = match self.attempt(plan, &slot, connection).await? {
                Step::Decided(outcome) => return Ok(outcome),
                Step::Again if self.now() < give_up => continue,
                Step::Again => Failure::new(FailureKind::Refused, "something else was always first"),
                Step::Failed(failure) => failure,
            };
            if !failure.is_transient() || self.now() >= give_up {
                return Err(self.settled(failure, OPERATION).await);
            }
            backoff.wait(&*self.runtime).await;
        }
    }

    /// Sends one copy and sees what becomes of it.
    async fn attempt(
        self: &Arc<Self>,
        plan: &Plan,
        slot: &Slot<'_>,
        connection: Arc<Connection>,
    ) -> Result<Step, Error> {
        let path = self.layout.slot(self.id.as_str(), slot.number);
        let pulse = *self.pulse.borrow();
        let fence = self.fence.load(Ordering::Acquire);
        let missing = self.collections.missing(&plan.collections);
        let slot_path = (!slot.is_made()).then_some(path.as_str());
        let ahead = missing.iter().map(|path| (path.as_str(), Life::Container));
        let ahead: Vec<_> = ahead.chain(slot_path.map(|path| (path, Life::Ephemeral))).collect();
        let sent = tokio::select! {
            biased;
            answer = self.send(&connection, plan, fence, &path, &ahead) => Some(answer),
            // Whoever ends the session waits for the connection.
            () = self.over.begun() => None,
        };
        let Some(answer) = sent else {
            drop(connection);
            return self
                .in_doubt(plan, &path, fence, Failure::new(FailureKind::Ended, "the session ended meanwhile"))
                .await;
        };
        if answer.is_prepared {
            slot.set_made(true);
            self.collections.add(missing);
        }
        let failed = match answer.done {
            // Put aside while there was no connection, it went to servers that may have forgotten something.
            Ok(_) if *self.pulse.borrow() != pulse => {
                drop(connection);
                let failure = Failure::new(FailureKind::Unknown, "the connection changed meanwhile");
                return self.in_doubt(plan, &path, fence, failure).await;
            }
            Ok(results) => {
                let revision = Plan::revision(&results).unwrap_or(0);
                self.saw(revision);
                return self.committed(plan, revision, answer.behind, &connection).await.map(Step::Decided);
            }
            Err(failed) => failed,
        };
        if failed.step.is_some() {
            return self.refused(plan, failed, fence, &connection, slot).await;
        }
        drop(connection);
        if failed.failure.is_not_applied() {
            return Ok(Step::Failed(failed.failure));
        }
        self.in_doubt(plan, &path, fence, failed.failure).await
    }

    /// A copy that was guarded by `fence` was not answered: finds out what became of it.
    async fn in_doubt(
        self: &Arc<Self>,
        plan: &Plan,
        slot: &str,
        fence: i32,
        failure: Failure,
    ) -> Result<Step, Error> {
        match self.resolve(plan, slot, fence).await {
            Ok(Some(revision)) => self.read_back(plan, revision).await.map(Step::Decided),
            Ok(None) => Ok(Step::Failed(failure)),
            Err(Lost(why)) => Err(Error::new(ErrorKind::SessionLost, OPERATION)
                .with_effect(effect_of(plan.txn()))
                .because(format_args!("{}; its answer was not there before: {failure}", why.reason()))),
        }
    }

    /// One copy, with nodes that it needs in front, and what is to be read back behind it, in one flight.
    async fn send(
        &self,
        connection: &Connection,
        plan: &Plan,
        fence: i32,
        slot: &str,
        ahead: &[(&str, Life)],
    ) -> Answer {
        let steps = plan.request(&self.marker, fence, slot);
        // If one of them fails so does what follows, and says more.
        let made = together(ahead.iter().map(|(path, life)| connection.create(path, b"", *life)));
        let (mut entries, mut collections) = (Vec::new(), Vec::new());
        for read in plan.txn().reads() {
            match read.page.order() {
                Order::Only { name } => {
                    entries.push(self.layout.entry(&read.collection.key(name.clone())));
                }
                _ => collections.push(self.layout.collection(&read.collection)),
            }
        }
        let collections = together(collections.iter().map(|path| connection.children(path)));
        // The futures of the client are large.
        let (made, done, collections, entries) = tokio::join!(
            biased;
            Box::pin(made),
            Box::pin(connection.multi(&steps)),
            Box::pin(collections),
            Box::pin(read_nodes(connection, &entries)),
        );
        let behind = Behind { collections: collections.into(), entries };
        Answer { is_prepared: made.iter().all(is_there), done, behind }
    }

    /// A step was refused, so nothing was done.
    async fn refused(
        self: &Arc<Self>,
        plan: &Plan,
        failed: MultiFailure,
        fence: i32,
        connection: &Connection,
        slot: &Slot<'_>,
    ) -> Result<Step, Error> {
        match plan.refused(failed) {
            Refused::Over => {
                self.end(Why::Lost);
                Err(Why::Lost.error(OPERATION))
            }
            Refused::Fenced => match self.learn_fence(connection, fence).await {
                Ok(()) => Ok(Step::Again),
                Err(failure) => Ok(Step::Failed(failure)),
            },
            Refused::NoSlot => {
                slot.set_made(false);
                Ok(Step::Again)
            }
            Refused::NoParent(key) => match self.make_collection(connection, &key).await {
                Ok(()) => Ok(Step::Again),
                Err(failure) => Ok(Step::Failed(failure)),
            },
            Refused::Conflict(key) => {
                Ok(Step::Decided(Outcome::Conflict(Conflict::new(vec![key], self.lineage()))))
            }
            Refused::Failed(failure) => Ok(Step::Failed(failure)),
        }
    }

    /// Makes the collection of `key`, and all that it stands in. Somebody may have removed any of it.
    async fn make_collection(&self, connection: &Connection, key: &Key) -> Result<(), Failure> {
        let collection = self.layout.collection(key.collection());
        self.collections.remove(&collection);
        let skeleton = self.layout.skeleton();
        let nodes =
            skeleton.iter().map(|path| (path, Life::Persistent)).chain([(&collection, Life::Container)]);
        let made = together(nodes.map(|(path, life)| connection.create(path, b"", life))).await;
        made.into_iter().find(|made| !is_there(made)).map_or(Ok(()), |made| made.map(drop))
    }

    /// A commit at `revision`, with what was read behind it.
    async fn committed(
        self: &Arc<Self>,
        plan: &Plan,
        revision: u64,
        Behind { mut collections, entries }: Behind,
        connection: &Connection,
    ) -> Result<Outcome, Error> {
        let Ok(mut entries) = entries else { return self.read_back(plan, revision).await };
        let mut reads = Vec::with_capacity(plan.txn().reads().len());
        for read in plan.txn().reads() {
            let page = PageRead::new(read.collection.clone(), read.page.clone()).at_commit(revision);
            if page.only().is_some() {
                let node = entries.pop_front().flatten();
                node.iter().for_each(|node| self.saw(node.stat.modified));
                reads.push(page.shown_alone(node.as_ref(), revision, self.lineage()));
                continue;
            }
            let Some(Ok(children)) = collections.pop_front() else {
                return self.read_back(plan, revision).await;
            };
            let shown = match self.only_own(plan, &page, children.as_ref(), revision) {
                Some(listing) => Ok(listing),
                None => self.page(connection, &page, children).await,
            };
            match shown {
                Ok(listing) => reads.push(listing),
                Err(_) => return self.read_back(plan, revision).await,
            }
        }
        let stamps = plan.stamps(revision);
        Ok(Outcome::Committed(Committed::new(Revision::new(revision), stamps, reads, self.lineage())))
    }

    /// The listing of a collection that holds nothing but what this commit created there, which needs no second look: a lock that nobody else wants.
    fn only_own(
        &self,
        plan: &Plan,
        page: &PageRead,
        children: Option<&Children>,
        revision: u64,
    ) -> Option<Listing> {
        let [node] = children?.names.as_slice() else { return None };
        let name = crate::keys::name(node)?;
        let own = plan.own_creation(page.collection(), &name, revision)?;
        page.holds(&own).then(|| Listing::new(vec![own], false, Revision::new(revision), self.lineage()))
    }

    /// The commit is done and its read-backs are not: they are read now, however long that takes.
    async fn read_back(self: &Arc<Self>, plan: &Plan, revision: u64) -> Result<Outcome, Error> {
        let mut reads = Vec::with_capacity(plan.txn().reads().len());
        let mut backoff = Backoff::patient();
        for read in plan.txn().reads() {
            let page = PageRead::new(read.collection.clone(), read.page.clone()).at_commit(revision);
            let listing = loop {
                if let Some(why) = self.over.why() {
                    // What was created is gone; of what was persistent only the effect is known.
                    return Err(why.error(OPERATION).with_effect(effect_of(plan.txn())));
                }
                match self.read_page(&page).await {
                    Ok(listing) => break listing,
                    Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot read back yet"),
                }
                backoff.wait(&*self.runtime).await;
            };
            reads.push(listing);
        }
        let stamps = plan.stamps(revision);
        Ok(Outcome::Committed(Committed::new(Revision::new(revision), stamps, reads, self.lineage())))
    }
}

/// Whether a node is there, whoever made it.
fn is_there(made: &Result<Stat, Failure>) -> bool {
    made.as_ref().map_or_else(|failure| failure.kind == FailureKind::Exists, |_| true)
}

/// What is left of a transaction of which only is known that its session is over.
fn effect_of(txn: &Txn) -> Effect {
    if txn.writes_persistent() { Effect::Unknown } else { Effect::NotApplied }
}
