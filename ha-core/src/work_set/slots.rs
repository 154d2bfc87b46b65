//! Slots: one of so many configurations for each process, with a token.

mod state;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::coordinator::{Driver, Engine, Grant, Hub, Lifetime, LossReason, closed};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::sync::lock;
use crate::zoo::{Bug, planted};
use state::{Delivery, Request, State};

/// What a grant of this recipe is called.
const NOUN: &str = "slot";

/// So many slots, numbered from 0 on, each held by one process at most: one of several configurations, addresses or licences for each replica.
///
/// Cheap to clone. Get it from [`Coordinator::slots`](crate::Coordinator::slots).
///
/// # Guarantees
/// * A slot has at most one valid holder, each with a larger token than all before it.
/// * The slot of a holder that dies is free within the granted ttl and the backend's expiry slack.
/// * Waiting asks for nothing: it is woken.
///
/// # Not promised
/// An order among those who wait: whoever is first has the slot. All processes must say the same number of slots; one that says fewer uses the first ones only.
#[derive(Clone)]
#[must_use = "a slot is held once it is acquired"]
pub struct Slots {
    engine: Arc<Engine<State>>,
    count: u32,
}

impl Slots {
    /// The most slots of one name.
    pub const MAX_COUNT: u32 = 1_000;

    pub(crate) fn new(hub: &Arc<Hub>, name: Name, count: u32) -> Result<Self, Error> {
        if count == 0 || count > Self::MAX_COUNT {
            return Err(Error::new(ErrorKind::InvalidInput, "use slots")
                .on(format_args!("\"{name}\""))
                .because(format_args!("{count} slots; there are 1 to {}", Self::MAX_COUNT)));
        }
        let engine = hub.recipe("slots", &name, || {
            Engine::start(hub, State::new(&name, hub.identity().node.clone()), Ports::new(name.clone()))
        });
        Ok(Self { engine, count })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.engine.ports.name.as_str()
    }

    /// How many slots there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes a slot, and waits until one is free. Asked several times, a process holds several.
    ///
    /// # Errors
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no slot behind: one that was taken is given back in the background.
    pub async fn acquire(&self) -> Result<Slot, Error> {
        let taken = self.ask(true).await?;
        taken.ok_or_else(|| closed("acquire slot", self.name()))
    }

    /// Takes a slot if one is free; `None` otherwise, at once.
    ///
    /// # Errors
    /// `Unavailable` while the backend cannot be reached, `Recovering` while it holds back grants. `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// As [`acquire`](Self::acquire).
    pub async fn try_acquire(&self) -> Result<Option<Slot>, Error> {
        self.ask(false).await
    }

    async fn ask(&self, waits: bool) -> Result<Option<Slot>, Error> {
        let (sender, answer) = oneshot::channel();
        let ports = &self.engine.ports;
        let caller = ports.next.fetch_add(1, Ordering::Relaxed);
        lock(&ports.waiters).insert(caller, sender);
        let mut waiting = Waiting { engine: &self.engine, caller: Some(caller) };
        self.engine.request(Request::Take { caller, count: self.count, waits });
        let answer = answer.await;
        waiting.caller = None;
        answer.unwrap_or_else(|_gone| Err(closed("acquire slot", self.name())))
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("name", &self.name()).field("count", &self.count).finish()
    }
}

struct Waiting<'a> {
    engine: &'a Arc<Engine<State>>,
    caller: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(caller) = self.caller {
            lock(&self.engine.ports.waiters).remove(&caller);
            self.engine.request(Request::Cancel { caller });
        }
    }
}

/// A slot, held. Derefs to [`Grant`]. Dropping it gives it back in the background.
#[must_use = "dropping a slot gives it back"]
pub struct Slot {
    engine: Arc<Engine<State>>,
    ordinal: u32,
    number: u64,
    grant: Grant,
    released: bool,
}

impl Slot {
    /// Which one it is, from 0 on.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// A clone of the grant, for work that is spawned.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.grant.clone()
    }
}

impl Slot {
    /// Gives it back, and returns once others can have it. A broken connection does not lose that: it is repeated until it is done or the session, and the slot with it, is over.
    ///
    /// # Errors
    /// None at present.
    ///
    /// # Cancel safety
    /// It goes on in the background.
    pub async fn release(mut self) -> Result<(), Error> {
        let (sender, done) = oneshot::channel();
        let caller = self.engine.ports.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.engine.ports.releases).insert(caller, sender);
        self.let_go(Some(caller));
        // An answer that cannot come any more means that the session is over.
        drop(done.await);
        Ok(())
    }

    fn let_go(&mut self, caller: Option<u64>) {
        self.released = true;
        end(&self.engine, self.number, LossReason::Released);
        self.engine.request(Request::Release { number: self.number, caller });
    }
}

impl Deref for Slot {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.grant
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.released && !planted(Bug::DroppedSlotKept) {
            self.let_go(None);
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("ordinal", &self.ordinal)
            .field("grant", &self.grant)
            .finish_non_exhaustive()
    }
}

/// The answer to a caller: a slot, or `None` for one that does not wait.
type Answer = oneshot::Sender<Result<Option<Slot>, Error>>;

/// Where callers of one name wait.
struct Ports {
    name: Name,
    next: AtomicU64,
    waiters: Mutex<BTreeMap<u64, Answer>>,
    grants: Mutex<BTreeMap<u64, Grant>>,
    releases: Mutex<BTreeMap<u64, oneshot::Sender<()>>>,
}

impl Ports {
    fn new(name: Name) -> Self {
        Self {
            name,
            next: AtomicU64::new(1),
            waiters: Mutex::default(),
            grants: Mutex::default(),
            releases: Mutex::default(),
        }
    }

    fn answer(&self, caller: u64, answer: Result<Option<Slot>, Error>) {
        let waiter = lock(&self.waiters).remove(&caller);
        if let Some(waiter) = waiter {
            // A slot that nobody takes any more gives itself back when it is dropped here.
            drop(waiter.send(answer));
        }
    }
}

fn end(engine: &Engine<State>, number: u64, reason: LossReason) {
    let ended = lock(&engine.ports.grants).remove(&number);
    if let Some(grant) = ended {
        grant.end(reason);
        engine.hub().ended(NOUN, &grant);
    }
}

impl Driver for State {
    type Ports = Ports;

    fn deliver(engine: &Arc<Engine<Self>>, delivery: Delivery, life: Option<&Arc<Lifetime>>) {
        match delivery {
            Delivery::Taken { want, ordinal, number, stamp } => {
                let Some(life) = life.filter(|life| life.is_valid()) else {
                    return engine.request(Request::Undelivered { want, number });
                };
                let grant = Grant::new(NOUN, engine.ports.name.clone(), stamp, Arc::clone(life));
                engine.hub().granted(NOUN, &grant);
                lock(&engine.ports.grants).insert(number, grant.clone());
                let slot = Slot { engine: Arc::clone(engine), ordinal, number, grant, released: false };
                engine.ports.answer(want.caller, Ok(Some(slot)));
            }
            Delivery::Nothing { caller } => engine.ports.answer(caller, Ok(None)),
            Delivery::Rejected { caller, error } => engine.ports.answer(caller, Err(error)),
            Delivery::Released { caller } => {
                let sender = lock(&engine.ports.releases).remove(&caller);
                // Whoever released may have stopped waiting.
                sender.into_iter().for_each(|sender| sender.send(()).unwrap_or_default());
            }
            Delivery::Lost { number, reason } => end(engine, number, reason),
        }
    }
}
