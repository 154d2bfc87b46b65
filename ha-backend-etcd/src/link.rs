//! What the parts of one session share.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ha_core::runtime::{Backoff, Runtime};
use ha_core::spi::{Collection, Lineage, Listing, Page, SessionId};
use ha_core::{Error, ErrorKind};
use tokio::sync::Mutex;

use crate::caller::Caller;
use crate::client::{Failure, FailureKind, Found, Header, Lease, Read, Step, TxnAnswer, TxnRequest};
use crate::keys::Layout;
use crate::over::{Over, Why};
use crate::page::{PageRead, Shown};
use crate::slots::Slots;

/// A session, or an observer, as everything that belongs to it sees it.
pub(crate) struct Link {
    pub(crate) caller: Caller,
    pub(crate) layout: Layout,
    pub(crate) id: SessionId,
    /// What was granted; `None` for an observer.
    pub(crate) grant: Option<Grant>,
    /// The key of the session's record; of an observer, one where nothing ever is.
    pub(crate) record: Vec<u8>,
    /// The value of the record.
    pub(crate) label: Vec<u8>,
    /// At which revision the record was modified last: what every transaction is guarded by.
    pub(crate) fence: AtomicU64,
    pub(crate) slots: Slots,
    /// How many transactions were in doubt, because their answers were lost, until it was found out what became of them.
    pub(crate) doubts: AtomicU64,
    pub(crate) over: Over,
    /// The history that the session belongs to. In another one it is over.
    generation: u64,
    operations: AtomicU64,
    /// The latest revision that was shown, by a watch or by a member that was asked alone: answers that the others agreed to are not older anyway.
    latest_shown: AtomicU64,
    killing: Mutex<()>,
}

/// The lease of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) lease: i64,
    pub(crate) ttl: Duration,
}

/// The session is over, so that nothing can be found out any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended(pub(crate) Why);

impl Link {
    pub(crate) fn new(
        caller: Caller,
        layout: Layout,
        id: SessionId,
        grant: Option<Grant>,
        label: Vec<u8>,
    ) -> Self {
        Self {
            record: layout.session(id.as_str()),
            generation: caller.continuity.generation(),
            caller,
            layout,
            id,
            grant,
            label,
            fence: AtomicU64::new(0),
            slots: Slots::default(),
            doubts: AtomicU64::new(0),
            over: Over::default(),
            operations: AtomicU64::new(0),
            latest_shown: AtomicU64::new(0),
            killing: Mutex::default(),
        }
    }

    pub(crate) fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.caller.runtime
    }

    /// The lineage of an answer that is given now.
    pub(crate) fn lineage(&self) -> Lineage {
        self.caller.continuity.lineage(self.caller.now())
    }

    /// Refuses `operation` once the session is over, or its history is.
    pub(crate) fn check(self: &Arc<Self>, operation: &'static str) -> Result<(), Error> {
        if self.generation != self.caller.continuity.generation() {
            self.end(Why::History);
        }
        self.over.check(operation)
    }

    /// The session is over. Whatever its lease still has is ended in the background.
    pub(crate) fn end(self: &Arc<Self>, why: Why) -> Ended {
        if self.over.set(why) && why != Why::Closed && self.grant.is_some() {
            let link = Arc::clone(self);
            self.spawn("etcd-revoke", async move { link.revoke_own().await });
        }
        Ended(self.over.why().unwrap_or(why))
    }

    /// The lease, for what an observer cannot do.
    pub(crate) fn require_lease(&self, operation: &'static str) -> Result<Grant, Error> {
        self.grant.ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, operation)
                .because("an observer has no lease and only reads and watches; open a session with a ttl")
        })
    }

    /// A name that no other operation of any session has.
    pub(crate) fn next_operation(&self) -> String {
        format!("{}.{:x}", self.id, self.operations.fetch_add(1, Ordering::Relaxed))
    }

    /// Starts a task.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime().spawn(name, Box::pin(task));
    }

    /// Reads, and notices when the history is over.
    pub(crate) async fn read(self: &Arc<Self>, read: Read) -> Result<(Header, Found), Failure> {
        let result = self.caller.read(read).await;
        if result.is_err() && self.caller.is_doubtful() {
            self.suspect_history().await;
        }
        result
    }

    /// Reads what is not older than whatever the session has committed or was shown, at one member alone if that has it.
    pub(crate) async fn read_seen(self: &Arc<Self>, read: Read) -> Result<(Header, Found), Failure> {
        let mut floor = self.caller.continuity.known();
        floor.revision = floor.revision.max(self.latest_shown.load(Ordering::Acquire));
        match self.caller.read_alone(read.clone(), floor).await {
            Some((header, found)) => {
                self.show(header.revision);
                Ok((header, found))
            }
            None => self.read(read).await,
        }
    }

    /// Somebody is about to be shown the state at `revision`.
    pub(crate) fn show(&self, revision: u64) {
        self.latest_shown.fetch_max(revision, Ordering::AcqRel);
    }

    /// Answers do not continue the history. A session finds out by a write; for an observer nothing is at stake.
    pub(crate) async fn suspect_history(self: &Arc<Self>) {
        if self.grant.is_none() {
            self.end(Why::History);
            return;
        }
        let fence = self.fence.load(Ordering::Acquire);
        if let Ok(killed) = self.kill(fence).await {
            tracing::debug!(session = %self.id, killed, "the history continues");
        }
    }

    /// Reads a page at one instant, not before this call unless it is relaxed.
    pub(crate) async fn list(
        self: &Arc<Self>,
        collection: &Collection,
        page: Page,
    ) -> Result<Listing, Failure> {
        let read = PageRead::new(collection.clone(), page);
        loop {
            match self.page(&read).await {
                Err(failure) if failure.kind == FailureKind::Compacted => {}
                result => return result,
            }
        }
    }

    /// Reads a page.
    pub(crate) async fn page(self: &Arc<Self>, page: &PageRead) -> Result<Listing, Failure> {
        let Some(read) = page.read(&self.layout) else {
            let (header, _) = self.read(Read::revisions(self.record.clone())).await?;
            return Ok(page.nothing(header.revision, self.lineage()));
        };
        let read = if page.is_relaxed() { self.read_seen(read).await } else { self.read(read).await };
        let (header, found) = read?;
        self.shown(page, found, header.revision).await
    }

    /// The listing from what was read at `revision`, and from a second read at the same revision where that takes one.
    pub(crate) async fn shown(
        self: &Arc<Self>,
        page: &PageRead,
        found: Found,
        revision: u64,
    ) -> Result<Listing, Failure> {
        match page.shown(&self.layout, found, revision, self.lineage()) {
            Shown::Whole(listing) => Ok(listing),
            Shown::Siblings { found, read } => {
                let (_, siblings) = self.read(read).await?;
                Ok(page.with_siblings(&self.layout, found, siblings, revision, self.lineage()))
            }
        }
    }

    /// Kills every copy of a request that was guarded by `fence` and is not done yet. Returns the fence to use from now on.
    ///
    /// All copies of this kill are guarded by the same fence, so that only one is done, whatever becomes of the answers.
    pub(crate) async fn kill(self: &Arc<Self>, fence: u64) -> Result<u64, Ended> {
        let grant = self.grant.ok_or(Ended(Why::Closed))?;
        let _one_at_a_time = self.killing.lock().await;
        let mut backoff = Backoff::urgent();
        loop {
            let current = self.fence.load(Ordering::Acquire);
            if current != fence {
                return Ok(current);
            }
            if let Some(why) = self.over.why() {
                return Err(Ended(why));
            }
            let floor = self.caller.continuity.known();
            match self.caller.txn_unjudged(self.bump(fence, grant.lease)).await {
                Ok(answer) => match self.bumped(fence, floor, &answer) {
                    Some(Ok(next)) => {
                        self.fence.store(next, Ordering::Release);
                        return Ok(next);
                    }
                    Some(Err(why)) => return Err(self.end(why)),
                    None => {}
                },
                Err(failure) if failure.kind == FailureKind::LeaseNotFound => return Err(self.end(Why::Lost)),
                Err(failure) => tracing::debug!(session = %self.id, %failure, "cannot resolve yet"),
            }
            backoff.wait(&**self.runtime()).await;
        }
    }

    /// What the answer to a bump says: the fence in force, or why the session is over; `None` if it was one member's mistake.
    fn bumped(&self, fence: u64, floor: Header, answer: &TxnAnswer) -> Option<Result<u64, Why>> {
        if self.caller.judge(floor, answer.header).is_err() {
            let other_cluster = floor.cluster != answer.header.cluster;
            if other_cluster && !self.caller.is_doubtful() {
                return None;
            }
            return Some(Err(self.break_off(answer.header)));
        }
        if answer.succeeded {
            return Some(Ok(answer.header.revision));
        }
        let record = answer.found.first().and_then(|found| found.kvs.first());
        Some(match record {
            None => Err(Why::Lost),
            // A restored record, in a store that has been written to since.
            Some(kv) if kv.modified < fence => Err(self.break_off(answer.header)),
            Some(kv) => Ok(kv.modified),
        })
    }

    /// A write is decided by the majority: what its answer says about the history is proven.
    fn break_off(&self, answer: Header) -> Why {
        self.caller.continuity.break_off(self.generation, answer, self.caller.now());
        Why::History
    }

    fn bump(&self, fence: u64, lease: i64) -> TxnRequest {
        TxnRequest {
            when: vec![self.fenced(fence)],
            then: vec![Step::Put {
                key: self.record.clone(),
                value: self.label.clone(),
                lease: Lease::Of(lease),
            }],
            otherwise: vec![Step::Read(Read::revisions(self.record.clone()))],
        }
    }

    /// Sees to it that an observer knows of new revisions, too. A session learns of them with each renewal.
    pub(crate) fn learn_revision(self: &Arc<Self>) {
        if self.grant.is_some() {
            return;
        }
        let link = Arc::clone(self);
        self.spawn("etcd-look", async move { drop(link.read(Read::revisions(link.record.clone())).await) });
    }

    /// The condition that the session lives and nothing was killed since `fence`.
    pub(crate) fn fenced(&self, fence: u64) -> crate::client::Compare {
        crate::client::Compare { key: self.record.clone(), is: crate::client::Is::ModifiedAt(fence) }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("id", &self.id).field("grant", &self.grant).finish_non_exhaustive()
    }
}
