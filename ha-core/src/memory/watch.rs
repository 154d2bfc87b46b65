//! Watching: what a watcher has still to be told, and the stream that tells it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

#[cfg(feature = "test-util")]
use crate::memory::disturb::Disturbance;
use crate::memory::link::Link;
use crate::memory::namespace::Namespace;
use crate::memory::store::Wakes;
#[cfg(feature = "test-util")]
use crate::runtime::BoxFuture;
use crate::spi::{Change, Entry, Name, SessionId, Stamp, WatchEvent, WatchTarget};

/// How many entries with untold changes a watcher remembers. With more it is sent a snapshot instead.
const PENDING_MAX: usize = 1_024;

/// The number of a watcher in its namespace, never used again.
pub(super) type WatcherId = u64;

/// One watch of one session.
#[derive(Debug)]
pub(super) struct Watcher {
    session: SessionId,
    target: WatchTarget,
    /// The next item has to show the whole target.
    snapshot: bool,
    /// The latest untold change of each entry.
    pending: BTreeMap<Name, Change>,
    waker: Option<Waker>,
    #[cfg(feature = "test-util")]
    pub(super) node: Name,
    #[cfg(feature = "test-util")]
    pub(super) disturbance: Disturbance,
}

impl Watcher {
    /// Remembers a change, in the place of an earlier one of the same entry: a `Put` shows by its `created` that the
    /// incarnation before it vanished.
    pub(super) fn note(&mut self, change: Change, wakes: &mut Wakes) {
        if self.snapshot {
            return;
        }
        self.pending.insert(changed(&change).key().name().clone(), change);
        if self.pending.len() > PENDING_MAX {
            self.require_snapshot();
        }
        wakes.wake(&mut self.waker);
    }

    /// Forgets what is untold: a snapshot will show it.
    #[cfg(feature = "test-util")]
    pub(super) fn begin_again(&mut self, wakes: &mut Wakes) {
        self.require_snapshot();
        wakes.wake(&mut self.waker);
    }

    fn require_snapshot(&mut self) {
        self.snapshot = true;
        self.pending.clear();
    }
}

fn changed(change: &Change) -> &Stamp {
    match change {
        Change::Put(entry) => entry.stamp(),
        Change::Removed(stamp) => stamp,
    }
}

impl Namespace {
    /// Opens a watch; `None` if the session is over.
    pub(super) fn open_watch(&mut self, session: &SessionId, target: WatchTarget) -> Option<WatcherId> {
        let row = self.sessions.row_mut(session)?;
        self.watchers_opened += 1;
        let id = self.watchers_opened;
        row.watchers.insert(id);
        self.tables.subscribe(&target, id);
        let watcher = Watcher {
            session: session.clone(),
            target,
            snapshot: true,
            pending: BTreeMap::new(),
            waker: None,
            #[cfg(feature = "test-util")]
            node: row.node().clone(),
            #[cfg(feature = "test-util")]
            disturbance: Disturbance::default(),
        };
        self.watchers.insert(id, watcher);
        Some(id)
    }

    /// Ends a watch.
    pub(super) fn close_watch(&mut self, id: WatcherId, wakes: &mut Wakes) {
        let Some(mut watcher) = self.watchers.remove(&id) else { return };
        self.tables.unsubscribe(&watcher.target, id);
        if let Some(row) = self.sessions.row_mut(&watcher.session) {
            row.watchers.remove(&id);
        }
        wakes.wake(&mut watcher.waker);
    }

    /// The next item of a watch; `None` once it has ended.
    fn poll_watch(&mut self, id: WatcherId, waker: &Waker, wakes: &mut Wakes) -> Poll<Option<WatchEvent>> {
        let (revision, lineage) = (self.revision(), self.lineage());
        let Some(watcher) = self.watchers.get_mut(&id) else { return Poll::Ready(None) };
        #[cfg(feature = "test-util")]
        match watcher.disturbance.poll() {
            Poll::Ready(None) => {}
            Poll::Ready(event) => return Poll::Ready(event),
            Poll::Pending => {
                wakes.register(&mut watcher.waker, waker);
                return Poll::Pending;
            }
        }
        if watcher.snapshot {
            watcher.snapshot = false;
            let entries = self.matching(id);
            return Poll::Ready(Some(WatchEvent::Snapshot { entries, revision, lineage }));
        }
        if !watcher.pending.is_empty() {
            let changes = std::mem::take(&mut watcher.pending).into_values().collect();
            return Poll::Ready(Some(WatchEvent::Changed { changes, revision, lineage }));
        }
        wakes.register(&mut watcher.waker, waker);
        Poll::Pending
    }

    fn matching(&self, id: WatcherId) -> Vec<Entry> {
        match self.watchers.get(&id).map(|watcher| &watcher.target) {
            Some(WatchTarget::Entry(key)) => self.entry(key).cloned().into_iter().collect(),
            Some(WatchTarget::Collection(collection)) => {
                self.tables.find(collection).map_or_else(Vec::new, |table| table.entries().cloned().collect())
            }
            None => Vec::new(),
        }
    }
}

/// The stream of one watch.
pub(super) struct Watch {
    link: Arc<Link>,
    id: Option<WatcherId>,
    /// An item on its way, and when it arrives.
    #[cfg(feature = "test-util")]
    late: Option<(Option<WatchEvent>, BoxFuture<'static, ()>)>,
}

impl Watch {
    /// Watches `target` for the session of `link`.
    pub(super) fn open(link: Arc<Link>, target: WatchTarget) -> Self {
        let id = link.access(|namespace, _| namespace.open_watch(link.id(), target));
        #[cfg(feature = "test-util")]
        link.disturb_new_watch(id);
        Self {
            link,
            id,
            #[cfg(feature = "test-util")]
            late: None,
        }
    }

    fn poll_store(&self, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let Some(id) = self.id else { return Poll::Ready(None) };
        self.link.access(|namespace, wakes| namespace.poll_watch(id, cx.waker(), wakes))
    }

    /// The next item, as much later as the node is slow. An interruption is noticed at once: it is no message.
    #[cfg(feature = "test-util")]
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        loop {
            if let Some((item, arrival)) = &mut self.late {
                std::task::ready!(arrival.as_mut().poll(cx));
                let item = item.take();
                self.late = None;
                return Poll::Ready(item);
            }
            let item = std::task::ready!(self.poll_store(cx));
            let delay = self.link.reply_delay();
            if delay.is_zero() || matches!(item, None | Some(WatchEvent::Interrupted)) {
                return Poll::Ready(item);
            }
            let runtime = self.link.runtime();
            self.late = Some((item, runtime.sleep_until(runtime.now() + delay)));
        }
    }
}

impl Stream for Watch {
    type Item = WatchEvent;

    #[cfg(not(feature = "test-util"))]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.poll_store(cx)
    }

    #[cfg(feature = "test-util")]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        let item = self.poll_slow(cx);
        if matches!(item, Poll::Ready(Some(_))) {
            self.link.store().counters.watch_items.add();
        }
        item
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.link.access(|namespace, wakes| namespace.close_watch(id, wakes));
        }
    }
}
