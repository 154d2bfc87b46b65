//! What the parts of one coordinator share: the present session, the engines, the history seen, the events.

mod telling;

use std::any::Any;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::events::{Event, Events};
use super::grant::Grant;
use super::lifetime::{Lifetime, LossReason};
use super::meters::Meters;
use super::reporting::Reporter;
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::runtime::{Instant, Runtime};
use crate::spi::{Capabilities, Lineage, Renewal};
use crate::sync::lock;
use crate::token::Token;

/// What an engine is told about the coordinator.
#[derive(Clone)]
pub(crate) enum Signal {
    /// A session is open.
    SessionUp { life: Arc<Lifetime>, lineage: Lineage },
    /// The session `epoch` is over.
    SessionDown { epoch: u64 },
    /// The store may have forgotten commits.
    Discontinuity(Lineage),
    /// The coordinator shuts down.
    Closing,
}

/// An engine, as the hub sees it.
pub(crate) trait Listener: Send + Sync {
    fn signal(self: Arc<Self>, signal: Signal);
    fn is_idle(&self) -> bool;
}

/// What the supervisor is told.
pub(crate) enum Control {
    /// The renewal that was sent at `sent` was answered.
    Renewed { epoch: u64, sent: Instant, result: Result<Renewal, Error> },
    /// The name of the node was taken for the session, in the history of `generation`, or could not be.
    Claimed { epoch: u64, generation: u64, result: Result<(), Error> },
    /// The backend told somebody that the session is over.
    SessionLost { epoch: u64 },
    /// Every engine has dealt with the discontinuity.
    Reconciled,
    /// An engine became idle while the coordinator shuts down.
    Idle,
    /// The service stopped feeding its heartbeat, or feeds it again.
    Health(bool),
    /// Shut down: end grants, release, close, by `deadline`.
    Shutdown { deadline: Instant, done: Option<oneshot::Sender<Result<(), Error>>> },
}

/// Who a coordinator is: constant for its life.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) namespace: Name,
    pub(crate) node: Name,
    pub(crate) capabilities: BTreeSet<Name>,
    pub(crate) observer: bool,
}

/// How many engines a process has before those without a handle are no longer kept for a while.
const CROWD: usize = 10_000;

/// Recipe handles of one name share an engine; found by kind and name.
type Recipes = BTreeMap<(Cow<'static, str>, Name), Weak<dyn Any + Send + Sync>>;

#[derive(Default)]
struct State {
    life: Option<Arc<Lifetime>>,
    lineage: Lineage,
    listeners: BTreeMap<u64, Weak<dyn Listener>>,
    reconciling: BTreeSet<u64>,
    recipes: Recipes,
    /// At how many recipes those without a handle are forgotten.
    prune_at: usize,
}

pub(crate) struct Hub {
    identity: Identity,
    backend: Capabilities,
    runtime: Arc<dyn Runtime>,
    control: mpsc::UnboundedSender<Control>,
    events: Mutex<Option<broadcast::Sender<Event>>>,
    generation: AtomicU64,
    closing: AtomicBool,
    closed: CancellationToken,
    next_listener: AtomicU64,
    state: Mutex<State>,
    /// The leaderships of this process, by term.
    leading: Mutex<BTreeMap<Token, Grant>>,
    meters: Meters,
    reporter: OnceLock<Reporter>,
}

impl Hub {
    pub(crate) fn new(
        identity: Identity,
        backend: Capabilities,
        runtime: Arc<dyn Runtime>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Control>) {
        let (control, commands) = mpsc::unbounded_channel();
        let events = broadcast::Sender::new(Events::CAPACITY);
        let meters = Meters::new(&identity.namespace, &identity.node);
        let hub = Self {
            identity,
            backend,
            runtime,
            control,
            events: Mutex::new(Some(events)),
            generation: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            closed: CancellationToken::new(),
            next_listener: AtomicU64::new(1),
            state: Mutex::default(),
            leading: Mutex::default(),
            meters,
            reporter: OnceLock::new(),
        };
        (Arc::new(hub), commands)
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.backend
    }

    pub(crate) fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    pub(crate) fn control(&self, control: Control) {
        // Without a supervisor the coordinator is gone, and so is whatever this was about.
        drop(self.control.send(control));
    }

    pub(crate) fn life(&self) -> Option<Arc<Lifetime>> {
        lock(&self.state).life.clone()
    }

    pub(crate) fn lineage(&self) -> Lineage {
        lock(&self.state).lineage
    }

    // Engines ---------------------------------------------------------------------------------------------------

    pub(crate) fn next_listener(&self) -> u64 {
        self.next_listener.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds an engine; returns what it has missed.
    pub(crate) fn register(&self, id: u64, listener: Weak<dyn Listener>) -> Vec<Signal> {
        let mut state = lock(&self.state);
        state.listeners.insert(id, listener);
        let mut missed = Vec::new();
        if let Some(life) = &state.life {
            missed.push(Signal::SessionUp { life: Arc::clone(life), lineage: state.lineage });
        }
        if self.is_closing() {
            missed.push(Signal::Closing);
        }
        missed
    }

    pub(crate) fn deregister(&self, id: u64) {
        let mut state = lock(&self.state);
        state.listeners.remove(&id);
        let generation = state.lineage.generation();
        drop(state);
        self.reconciled(id, generation);
    }

    /// The shared engine of `kind` and `name`, made by `make` if there is none.
    pub(crate) fn recipe<T: Send + Sync + 'static>(
        &self,
        kind: impl Into<Cow<'static, str>>,
        name: &Name,
        make: impl FnOnce() -> Arc<T>,
    ) -> Arc<T> {
        let key = (kind.into(), name.clone());
        let find = |state: &State| state.recipes.get(&key).and_then(Weak::upgrade)?.downcast().ok();
        let found = find(&lock(&self.state));
        if let Some(recipe) = found {
            return recipe;
        }
        let made = make();
        let mut state = lock(&self.state);
        // Somebody else may have made one meanwhile; two engines of one name are safe, sharing is for economy.
        if let Some(recipe) = find(&state) {
            // Dropped only when the lock is free again: an engine takes its leave of the hub.
            drop(state);
            return recipe;
        }
        if state.recipes.len() >= state.prune_at {
            state.recipes.retain(|_, recipe| recipe.strong_count() > 0);
            state.prune_at = 2 * state.recipes.len().max(64);
        }
        let any: Arc<dyn Any + Send + Sync> = made.clone();
        state.recipes.insert(key, Arc::downgrade(&any));
        made
    }

    /// Whether there are more engines than should be kept for nothing but a failover.
    pub(crate) fn is_crowded(&self) -> bool {
        lock(&self.state).listeners.len() > CROWD
    }

    fn broadcast(&self, signal: &Signal) {
        let listeners: Vec<_> = lock(&self.state).listeners.values().filter_map(Weak::upgrade).collect();
        for listener in listeners {
            listener.signal(signal.clone());
        }
    }

    // The session -----------------------------------------------------------------------------------------------

    pub(crate) fn session_up(&self, life: Arc<Lifetime>) {
        let lineage = {
            let mut state = lock(&self.state);
            state.life = Some(Arc::clone(&life));
            state.lineage
        };
        // Told once it can be seen, and before anything is granted in it.
        let session = life.session();
        tracing::info!(session = %session.id(), ttl = ?session.ttl(), "session opened");
        self.emit(Event::SessionOpened { session: session.id().to_string(), ttl: session.ttl() });
        self.broadcast(&Signal::SessionUp { life, lineage });
    }

    pub(crate) fn session_down(&self, epoch: u64) {
        lock(&self.state).life = None;
        self.broadcast(&Signal::SessionDown { epoch });
    }

    /// Takes note of an error that concerns the whole session.
    pub(crate) fn observe_error(&self, epoch: u64, error: &Error) {
        if error.kind() == ErrorKind::SessionLost {
            self.control(Control::SessionLost { epoch });
        }
        error.lineage().into_iter().for_each(|lineage| self.observe(lineage));
    }

    // Discontinuity ---------------------------------------------------------------------------------------------

    /// Takes note of the history that an answer belongs to. On first sight of a newer one every engine looks again.
    pub(crate) fn observe(&self, lineage: Lineage) {
        if lineage.generation() <= self.generation.load(Ordering::Acquire) {
            return;
        }
        {
            let mut state = lock(&self.state);
            if lineage.generation() <= state.lineage.generation() {
                return;
            }
            state.lineage = lineage;
            state.reconciling = state.listeners.keys().copied().collect();
            self.generation.store(lineage.generation(), Ordering::Release);
        }
        let now = self.runtime.now();
        let hold = lineage.hold_until().map_or_else(Default::default, |until| until.saturating_since(now));
        tracing::warn!(generation = lineage.generation(), ?hold, "the store may have forgotten commits");
        self.emit(Event::Discontinuity { generation: lineage.generation(), hold });
        self.broadcast(&Signal::Discontinuity(lineage));
        self.control(Control::Reconciled);
    }

    /// The history at the opening of the very first session is simply the present one.
    pub(crate) fn adopt(&self, lineage: Lineage) {
        let mut state = lock(&self.state);
        state.lineage = lineage;
        self.generation.store(lineage.generation(), Ordering::Release);
    }

    /// Engine `id` has dealt with the discontinuity that began `generation`; if a newer one was seen since, that does not count.
    pub(crate) fn reconciled(&self, id: u64, generation: u64) {
        let mut state = lock(&self.state);
        if generation < state.lineage.generation() {
            return;
        }
        if state.reconciling.remove(&id) && state.reconciling.is_empty() {
            self.control(Control::Reconciled);
        }
    }

    /// Whether an engine has yet to deal with the latest discontinuity: until then no renewal extends a grant.
    pub(crate) fn is_reconciling(&self) -> bool {
        !lock(&self.state).reconciling.is_empty()
    }

    // Shutting down ---------------------------------------------------------------------------------------------

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn begin_closing(&self) {
        if !self.closing.swap(true, Ordering::AcqRel) {
            self.broadcast(&Signal::Closing);
        }
    }

    pub(crate) fn on_drained(&self, idle: bool) {
        if idle && self.is_closing() {
            self.control(Control::Idle);
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        let listeners: Vec<_> = lock(&self.state).listeners.values().filter_map(Weak::upgrade).collect();
        listeners.iter().all(|listener| listener.is_idle())
    }

    /// Says so to whoever still listens, and ends the event streams.
    fn closed(&self) {
        self.emit(Event::Closed);
        lock(&self.events).take();
        self.closed.cancel();
    }

    /// The supervisor is gone, perhaps in the middle: the engines are told, so that nobody waits for what will not be done, and none keeps itself
    /// for it.
    pub(crate) fn abandon(&self) {
        let life = self.life();
        if let Some(life) = life {
            life.end(LossReason::Shutdown);
            self.session_down(life.epoch());
        }
        self.begin_closing();
        self.closed();
    }

    /// Waits until the coordinator is shut down.
    pub(crate) async fn until_closed(&self) {
        self.closed.cancelled().await;
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("identity", &self.identity).finish_non_exhaustive()
    }
}
