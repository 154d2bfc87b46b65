//! Faults: what the network, the administrator and the failover of a real store do, on demand.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::memory::MemoryBackend;
use crate::memory::namespace::Namespace;
use crate::memory::route::{Cut, Node};
use crate::memory::store::{State, Store};
use crate::runtime::{Instant, Runtime};
use crate::spi::{Change, Collection, Key, Listing, Page, Revision, SessionId};

/// What happens to the request of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestFault {
    /// Nothing.
    None,
    /// It never arrives: nothing is done, and the answer is `Unavailable`.
    LoseRequest,
    /// It takes effect and its reply is lost. After so long the backend has found out what became of it and answers;
    /// with `SessionLost` if the session is over by then.
    LoseReply {
        /// How long the finding out takes.
        answer_after: Duration,
    },
    /// It takes effect so much later.
    DelayRequest(Duration),
    /// Its answer comes so much later.
    DelayReply(Duration),
    /// Its future is pending so many times, waking itself, before and after the effect.
    Yield {
        /// How many times before the effect.
        before: u32,
        /// How many times between the effect and the answer.
        after: u32,
    },
}

/// Makes a store, or the way of one node to it, suffer. Nodes are told apart by the `node` of their session requests.
///
/// Clones act on the same store.
#[derive(Clone, Debug)]
pub struct Faults {
    store: Arc<Store>,
}

impl MemoryBackend {
    /// The faults of this store.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults { store: Arc::clone(&self.store) }
    }
}

impl Faults {
    /// Lets the next commits of `node` meet these, one each.
    pub fn script(&self, node: &str, faults: impl IntoIterator<Item = RequestFault>) {
        self.node(node, |node| node.script.extend(faults));
    }

    /// Makes the future of every commit of `node` pending so many times before and after its effect. Zero: never.
    pub fn yield_always(&self, node: &str, before: u32, after: u32) {
        self.node(node, |node| node.yields = (before, after));
    }

    /// Cuts `node` off: its requests wait, without effect, until it is [healed](Self::heal) or its session is over. Its
    /// watches say `Interrupted` and nothing more.
    pub fn cut(&self, node: &str) {
        self.set_cut(node, Some(Cut::Requests));
    }

    /// Lets the requests of `node` arrive, but no answer come back before it is [healed](Self::heal) or its session is over. Its
    /// watches say `Interrupted` and nothing more.
    pub fn cut_replies(&self, node: &str) {
        self.set_cut(node, Some(Cut::Replies));
    }

    /// Ends [`cut`](Self::cut) and [`cut_replies`](Self::cut_replies): what waits goes on, and watches send a `Snapshot`.
    pub fn heal(&self, node: &str) {
        self.set_cut(node, None);
    }

    /// Makes every request of `node` arrive so much later, and every answer and watch item so much later again. Zero: no
    /// delay.
    pub fn slow(&self, node: &str, request: Duration, reply: Duration) {
        self.node(node, |node| node.slow = (request, reply));
    }

    /// Makes renewals of `node` answer `Unavailable`, without effect, or not any more.
    pub fn fail_renewals(&self, node: &str, fail: bool) {
        self.node(node, |node| node.fail_renewals = fail);
    }

    /// Ends the sessions of `node` as if their ttl had passed.
    pub fn expire(&self, node: &str) {
        self.store.with(|state, wakes| {
            for namespace in state.namespaces_mut() {
                for session in namespace.sessions.of_node(node) {
                    namespace.end_session(&session, wakes);
                }
            }
        });
    }

    /// The sessions of `node` in a namespace that are not over.
    #[must_use]
    pub fn sessions(&self, namespace: &str, node: &str) -> Vec<SessionId> {
        self.store.with(|state, _| {
            state.named(namespace).map_or_else(Vec::new, |namespace| namespace.sessions.of_node(node))
        })
    }

    /// Ends one session as if its ttl had passed.
    pub fn expire_session(&self, session: &SessionId) {
        self.store.with(|state, wakes| {
            state.namespaces_mut().for_each(|namespace| namespace.end_session(session, wakes));
        });
    }

    /// Deletes an entry, as an administrator would. Whether there was one.
    pub fn delete(&self, namespace: &str, key: &Key) -> bool {
        self.store.with(|state, wakes| {
            let Some(namespace) = state.named_mut(namespace) else { return false };
            namespace.delete(key, wakes)
        })
    }

    /// Breaks the connections of the watches of `node`: they say `Interrupted` and send a `Snapshot`.
    pub fn interrupt_watches(&self, node: &str) {
        self.store.with(|state, wakes| {
            state.namespaces_mut().for_each(|namespace| namespace.interrupt_watches(node, wakes));
        });
    }

    /// Remembers every commit from now on, for [`forget`](Self::forget) and [`rewind`](Self::rewind).
    pub fn record(&self) {
        self.store.with(|state, _| state.record());
    }

    /// The changes of a namespace since the last call, each with its revision; the first call begins to note them.
    pub fn changes(&self, namespace: &str) -> Vec<(Revision, Change)> {
        self.store.with(|state, _| {
            let Some(namespace) = state.named_mut(namespace) else { return Vec::new() };
            std::mem::take(namespace.log.get_or_insert_default())
        })
    }

    /// The revision of the latest commit in a namespace, 0 if nothing was ever committed.
    #[must_use]
    pub fn revision(&self, namespace: &str) -> Revision {
        self.store.with(|state, _| state.named(namespace).map_or(Revision::new(0), Namespace::revision))
    }

    /// A page as it was at an earlier revision; `None` if that was not [recorded](Self::record), or once commits were [forgotten](Self::forget).
    #[must_use]
    pub fn page_at(
        &self,
        namespace: &str,
        collection: &Collection,
        page: &Page,
        revision: Revision,
    ) -> Option<Listing> {
        self.store.with(|state, _| state.named(namespace)?.list_at(collection, page, revision))
    }

    /// Forgets the last `commits` of a namespace, of those [recorded](Self::record), with the sessions that were opened and
    /// ended meanwhile, as a failover does that lost writes. Answers how many were forgotten.
    ///
    /// The revision does not go back. The generation grows, and new grants are held back for `hold`.
    pub fn forget(&self, namespace: &str, commits: usize, hold: Duration) -> usize {
        self.store.with(|state, wakes| {
            let now = state.faults.now();
            state.named_mut(namespace).map_or(0, |namespace| namespace.forget(commits, now + hold, wakes))
        })
    }

    /// [Forgets](Self::forget) everything since [`record`](Self::record), in every namespace.
    pub fn rewind(&self, hold: Duration) {
        self.store.with(|state, wakes| {
            let until = state.faults.now() + hold;
            for namespace in state.namespaces_mut() {
                namespace.forget(usize::MAX, until, wakes);
            }
        });
    }

    fn node(&self, name: &str, change: impl FnOnce(&mut Node)) {
        self.store.faulty.store(true, Ordering::Release);
        self.store.with(|state, _| change(state.faults.nodes.entry(name.to_owned()).or_default()));
    }

    fn set_cut(&self, name: &str, cut: Option<Cut>) {
        self.store.faulty.store(true, Ordering::Release);
        self.store.with(|state, wakes| {
            let node = state.faults.nodes.entry(name.to_owned()).or_default();
            node.cut = cut;
            wakes.wake_all(&mut node.waiting);
            for namespace in state.namespaces_mut() {
                match cut {
                    Some(_) => namespace.cut_watches(name, wakes),
                    None => namespace.heal_watches(name, wakes),
                }
            }
        });
    }
}

impl State {
    /// The namespace `name`, if it was ever used.
    pub(super) fn named(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(self.number(name)?)
    }

    fn named_mut(&mut self, name: &str) -> Option<&mut Namespace> {
        let number = self.number(name)?;
        self.namespaces.get_mut(number)
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.by_name.iter().find(|(key, _)| key.as_str() == name).map(|(_, number)| *number)
    }

    fn namespaces_mut(&mut self) -> impl Iterator<Item = &mut Namespace> {
        self.namespaces.iter_mut()
    }

    fn record(&mut self) {
        self.faults.recording = true;
        self.namespaces_mut().for_each(Namespace::record);
    }
}

/// What a store remembers for its faults.
#[derive(Debug, Default)]
pub(super) struct FaultState {
    /// The faults of each node.
    pub(super) nodes: BTreeMap<String, Node>,
    /// New namespaces are recorded.
    pub(super) recording: bool,
    clocks: Vec<Weak<dyn Runtime>>,
    seen: Option<Instant>,
}

impl Namespace {
    pub(super) fn log_change(&mut self, change: impl FnOnce() -> Change) {
        let revision = self.revision();
        if let Some(log) = &mut self.log {
            log.push((revision, change()));
        }
    }
}

impl FaultState {
    /// Notes the clock of a session.
    pub(super) fn add_clock(&mut self, clock: &Arc<dyn Runtime>) {
        self.clocks.retain(|clock| clock.strong_count() > 0);
        self.clocks.push(Arc::downgrade(clock));
    }

    /// Notes what the clock showed.
    pub(super) fn see(&mut self, now: Instant) {
        self.seen = self.seen.max(Some(now));
    }

    /// The present instant, or the latest one seen if the runtimes of all sessions are gone.
    fn now(&self) -> Instant {
        let clocks = self.clocks.iter().filter_map(Weak::upgrade).map(|clock| clock.now());
        clocks.chain(self.seen).max().unwrap_or(Instant::from_start(Duration::ZERO))
    }
}
