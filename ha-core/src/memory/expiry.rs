//! Sessions as the store sees them: what they own, when they are due, and who ends them then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::memory::namespace::Namespace;
use crate::memory::store::{NamespaceId, Store, Wakes};
#[cfg(feature = "test-util")]
use crate::memory::undo::Undo;
use crate::memory::watch::WatcherId;
use crate::runtime::{BoxFuture, Instant, Runtime};
use crate::spi::{Entry, Key, Name, Revision, SessionId};

/// The live sessions of a namespace.
#[derive(Default)]
pub(super) struct Sessions {
    rows: BTreeMap<SessionId, Row>,
    deadlines: BTreeSet<(Instant, SessionId)>,
}

/// A live session.
#[derive(Debug)]
pub(super) struct Row {
    /// Whose session it is, for its people.
    node: Name,
    /// The ttl and when it has passed; nothing for an observer.
    lease: Option<Lease>,
    owned: BTreeSet<(Revision, Key)>,
    pub(super) watchers: BTreeSet<WatcherId>,
    reaper: Option<Waker>,
    /// Requests and answers that wait until their node is not cut off any more.
    #[cfg(feature = "test-util")]
    pub(super) waiting: Vec<Waker>,
}

impl Row {
    /// The node that opened the session.
    #[cfg(feature = "test-util")]
    pub(super) fn node(&self) -> &Name {
        &self.node
    }

    fn new(node: Name, lease: Option<Lease>) -> Self {
        Self {
            node,
            lease,
            owned: BTreeSet::new(),
            watchers: BTreeSet::new(),
            reaper: None,
            #[cfg(feature = "test-util")]
            waiting: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    ttl: Duration,
    deadline: Instant,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.rows.iter().map(|(id, row)| (id, &row.node))).finish()
    }
}

impl Sessions {
    /// The session `id`, unless it is over.
    pub(super) fn row_mut(&mut self, id: &SessionId) -> Option<&mut Row> {
        self.rows.get_mut(id)
    }

    /// Whether the session `id` is alive.
    pub(super) fn is_alive(&self, id: &SessionId) -> bool {
        self.rows.contains_key(id)
    }

    /// Notes that `entry` vanishes with its owner.
    pub(super) fn gain(&mut self, entry: &Entry) {
        if let Some(row) = entry.owner().and_then(|owner| self.rows.get_mut(owner)) {
            row.owned.insert((entry.created(), entry.key().clone()));
        }
    }

    /// Notes that `entry` is gone.
    pub(super) fn lose(&mut self, entry: &Entry) {
        if let Some(row) = entry.owner().and_then(|owner| self.rows.get_mut(owner)) {
            row.owned.remove(&(entry.created(), entry.key().clone()));
        }
    }

    /// The sessions of `node`.
    #[cfg(feature = "test-util")]
    pub(super) fn of_node(&self, node: &str) -> Vec<SessionId> {
        let rows = self.rows.iter().filter(|(_, row)| row.node.as_str() == node);
        rows.map(|(id, _)| id.clone()).collect()
    }

    /// Brings an ended session back, with its old deadline.
    #[cfg(feature = "test-util")]
    pub(super) fn restore(&mut self, ended: Ended) {
        self.insert(ended.id, Row::new(ended.node, Some(ended.lease)));
    }

    fn insert(&mut self, id: SessionId, row: Row) {
        if let Some(lease) = row.lease {
            self.deadlines.insert((lease.deadline, id.clone()));
        }
        self.rows.insert(id, row);
    }

    fn remove(&mut self, id: &SessionId) -> Option<Row> {
        let row = self.rows.remove(id)?;
        if let Some(lease) = row.lease {
            self.deadlines.remove(&(lease.deadline, id.clone()));
        }
        Some(row)
    }
}

impl Namespace {
    /// Adds a session; without a ttl, one that never expires and owns nothing.
    pub(super) fn open_session(
        &mut self,
        id: SessionId,
        node: Name,
        ttl: Option<Duration>,
        now: Instant,
        wakes: &mut Wakes,
    ) {
        let lease = ttl.map(|ttl| Lease { ttl, deadline: now + ttl });
        #[cfg(feature = "test-util")]
        if lease.is_some() {
            self.remember(|| Undo::Opened(id.clone()));
        }
        self.sessions.insert(id.clone(), Row::new(node, lease));
        // The others sleep until what was the earliest deadline. The task of this session may not live to see its own.
        if self.sessions.deadlines.first().is_some_and(|(_, earliest)| *earliest == id) {
            self.wake_reapers(wakes);
        }
    }

    /// Starts a new ttl at `now`. False if the session is over.
    pub(super) fn renew(&mut self, id: &SessionId, now: Instant) -> bool {
        let Some(mut row) = self.sessions.remove(id) else { return false };
        if let Some(lease) = &mut row.lease {
            lease.deadline = lease.deadline.max(now + lease.ttl);
        }
        self.sessions.insert(id.clone(), row);
        true
    }

    /// Ends a session: everything that it owns vanishes in one revision, and its watches end.
    pub(super) fn end_session(&mut self, id: &SessionId, wakes: &mut Wakes) {
        let Some(mut row) = self.sessions.remove(id) else { return };
        if !row.owned.is_empty() {
            self.next_revision();
        }
        for (_, key) in &row.owned {
            self.remove(key, wakes);
        }
        for watcher in row.watchers {
            self.close_watch(watcher, wakes);
        }
        wakes.wake(&mut row.reaper);
        #[cfg(feature = "test-util")]
        {
            wakes.wake_all(&mut row.waiting);
            if let Some(lease) = row.lease {
                self.remember(|| Undo::Ended(Ended { id: id.clone(), node: row.node, lease }));
            }
        }
    }

    /// Ends the sessions whose deadline has passed.
    pub(super) fn reap(&mut self, now: Instant, wakes: &mut Wakes) {
        self.release_hold(now);
        while self.next_expiry().is_some_and(|due| due <= now) {
            let Some((_, id)) = self.sessions.deadlines.first().cloned() else { return };
            self.end_session(&id, wakes);
        }
    }

    /// Makes every reaper look again when the next session is due.
    pub(super) fn wake_reapers(&mut self, wakes: &mut Wakes) {
        self.sessions.rows.values_mut().for_each(|row| wakes.wake(&mut row.reaper));
    }

    fn next_expiry(&self) -> Option<Instant> {
        let (earliest, _) = self.sessions.deadlines.first()?;
        Some(self.hold_until().map_or(*earliest, |until| until.max(*earliest)))
    }

    /// What the reaper of the session `id` has to do next; `waker` is woken when that changes.
    fn plan_reaper(&mut self, id: &SessionId, waker: &Waker, wakes: &mut Wakes) -> Plan {
        let next = self.next_expiry();
        let Some(row) = self.sessions.row_mut(id) else { return Plan::End };
        wakes.register(&mut row.reaper, waker);
        next.map_or(Plan::Wait, Plan::SleepUntil)
    }
}

enum Plan {
    End,
    Wait,
    SleepUntil(Instant),
}

/// What is left of a session that ended.
#[cfg(feature = "test-util")]
#[derive(Debug)]
pub(super) struct Ended {
    id: SessionId,
    node: Name,
    lease: Lease,
}

/// Ends the due sessions of a namespace for as long as the session `id` lives. Whoever is first at its timer does it for
/// all, so a session is ended in time though the runtime of its own process is gone. Keeps no store alive.
pub(super) async fn reap_while_alive(
    store: Weak<Store>,
    namespace: NamespaceId,
    id: SessionId,
    runtime: Arc<dyn Runtime>,
) {
    let mut alarm: Option<(Instant, BoxFuture<'static, ()>)> = None;
    poll_fn(|cx| {
        loop {
            let Some(store) = store.upgrade() else { return Poll::Ready(()) };
            let plan = store.access(namespace, runtime.now(), |namespace, wakes| {
                namespace.plan_reaper(&id, cx.waker(), wakes)
            });
            let deadline = match plan {
                Plan::End => return Poll::Ready(()),
                Plan::Wait => {
                    alarm = None;
                    return Poll::Pending;
                }
                Plan::SleepUntil(deadline) => deadline,
            };
            let (_, sleep) = match &mut alarm {
                Some(set) if set.0 == deadline => set,
                other => other.insert((deadline, runtime.sleep_until(deadline))),
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            alarm = None;
        }
    })
    .await;
}
