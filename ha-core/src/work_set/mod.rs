//! Work-sets: items that are to be done, each once, by whichever worker takes it first. And slots: one of so many configurations for each process.
//!
//! See [`WorkSet`] and [`Slots`], and the guide: [`work_sets`](crate::guide::work_sets), which also names services that use them.

mod batch;
mod claim;
mod driver;
mod inspect;
mod item;
mod options;
mod records;
mod slots;
mod state;
mod stream;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use claim::{Claim, Recorded, Settled};
pub use item::{Added, Item, Seen, Stats, Status};
pub use options::{Retention, Retry};
pub use slots::{Slot, Slots};
pub use stream::{Claims, InFlight};

use crate::coordinator::{Engine, Hub, closed};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use claim::{Ticket, shorten};
use driver::{Ports, ask};
use item::Start;
use options::Policy;
use records::Record;
use state::{Answer, Request, State, Verdict};

/// Items that are to be done, each completed once.
///
/// Cheap to clone; the options belong to the handle. Get one from [`Coordinator::work_set`](crate::Coordinator::work_set). All workers should use the same options.
///
/// ```
/// # use std::sync::Arc;
/// # use ha_core::{Coordinator, memory::MemoryBackend};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ha_core::Error> {
/// # let node = Coordinator::builder(Arc::new(MemoryBackend::new())).node("box-1").connect().await?;
/// let work = node.work_set::<String>("executions")?;
/// assert!(work.add("e-1", &"hash the file".to_string()).await?.is_new());
/// assert!(!work.add("e-1", &"hash the file".to_string()).await?.is_new());      // once more changes nothing
///
/// for claim in work.claim(100).await? {
///     claim.complete(&claim.item().len()).await?;
/// }
/// assert!(work.stats().await?.is_drained());
/// # Ok(())
/// # }
/// ```
///
/// # Guarantees
/// * An item is completed once: of all attempts one is [`Applied`](Settled::Applied). It stays that way for the [`Retention`], also when it is added again.
/// * An item has at most one claim that is valid. Each claim has a larger token than all earlier ones of the item.
/// * Whoever is not the latest to have claimed an item changes nothing: its `complete`, `fail`, `release` and `extend` say so.
/// * The claims of a worker that dies can be claimed again within the granted ttl and the backend's expiry slack.
/// * What is added comes out: done, or as a dead letter with its reason.
///
/// # Not promised
/// That an item is *worked on* once: a worker can die after its work and before its completion. Let the work's effects check the [token](crate::Grant::token), or guard them with
/// [`fence`](crate::Grant::fence). That items are claimed in exactly the order of their age: workers take from different ends of what is oldest.
pub struct WorkSet<T> {
    hub: Arc<Hub>,
    name: Name,
    engine: Arc<Engine<State>>,
    policy: Policy,
    payload: PhantomData<fn() -> T>,
}

impl<T> WorkSet<T> {
    /// The most bytes of a payload, and of a result, as JSON.
    pub const PAYLOAD_BYTES: usize = 32 * 1024;

    pub(crate) fn new(hub: &Arc<Hub>, name: Name) -> Self {
        let engine = hub.recipe("work-set", &name, || {
            Engine::start(hub, State::new(name.clone(), hub.capabilities()), Ports::new(name.clone()))
        });
        Self { hub: Arc::clone(hub), name, engine, policy: Policy::default(), payload: PhantomData }
    }

    /// How often an item is tried, and when again. Default: [`Retry::default`].
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.policy.retry = retry;
        self
    }

    /// How long it is remembered that an item is done. Default: [`Retention::default`]. Forgetting is left to those who add and complete: it happens about a minute late, and not
    /// while nothing happens.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.policy.retention = retention;
        self
    }

    /// How long a claim may take, unless it is [extended](Claim::extend): for handlers that hang while their process lives. Then the grant is lost, and the item given back by the
    /// process itself. Default: as long as the session lives.
    #[must_use]
    pub fn deadline(mut self, span: Duration) -> Self {
        self.policy.deadline = Some(span);
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Gives dead letters another chance, as if they had never failed. Returns for each id whether it was one.
    ///
    /// # Errors
    /// `Unavailable`: try again; with effect [`Unknown`](crate::Effect::Unknown) some may have been redriven. `InvalidInput` for a bad id. `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// It goes on in the background.
    pub async fn redrive<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<Vec<bool>, Error> {
        self.edit("redrive items", ids, state::Edit::Redrive).await
    }

    /// Forgets items, in whatever state they are; whoever has claimed one is told that it is [`Stale`](Settled::Stale). Returns for each id whether there was one.
    ///
    /// # Errors
    /// As [`redrive`](Self::redrive).
    ///
    /// # Cancel safety
    /// It goes on in the background.
    pub async fn remove<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Result<Vec<bool>, Error> {
        self.edit("remove items", ids, state::Edit::Remove).await
    }

    async fn edit<'a>(
        &self,
        operation: &'static str,
        ids: impl IntoIterator<Item = &'a str>,
        edit: state::Edit,
    ) -> Result<Vec<bool>, Error> {
        self.refuse_observer(operation)?;
        let ids = ids.into_iter().map(Name::parse).collect::<Result<Vec<_>, _>>()?;
        match ask(&self.engine, operation, |caller| Request::Edit { caller, ids, edit }).await? {
            Answer::Edited(changed) => Ok(changed),
            _ => Err(closed(operation, self.name())),
        }
    }

    fn refuse_observer(&self, operation: &'static str) -> Result<(), Error> {
        if self.hub.identity().observer {
            return Err(Error::new(ErrorKind::Unsupported, operation)
                .on(format_args!("\"{}\"", self.name))
                .because(
                    "this coordinator is an observer and can change nothing; connect without `observer()`",
                ));
        }
        Ok(())
    }
}

impl<T: Serialize> WorkSet<T> {
    /// Adds an item, unless there is one of this id: see [`add_all`](Self::add_all).
    ///
    /// # Errors
    /// As [`add_all`](Self::add_all).
    ///
    /// # Cancel safety
    /// As [`add_all`](Self::add_all).
    pub async fn add(&self, id: &str, payload: &T) -> Result<Added, Error> {
        let added = self.add_records(vec![self.record(id, payload, 0, Start::Now)?]).await?;
        added.into_iter().next().ok_or_else(|| closed("add items", self.name()))
    }

    /// Adds items, in as few requests as they fit in. For each says whether it is new; of several with one id the first counts.
    ///
    /// # Guarantees
    /// An id that is there, in whatever state, or that was done within the [`Retention`], is not begun again.
    ///
    /// # Errors
    /// `TooLarge` for a payload of more than [`PAYLOAD_BYTES`](Self::PAYLOAD_BYTES), `InvalidInput` for a bad id or a payload that has no JSON form: nothing was added.
    /// `Unavailable`, `Recovering`: add them again, which adds none twice; with effect [`Unknown`](crate::Effect::Unknown) some may be there. `SessionLost` with that effect: the same.
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// The adding goes on in the background.
    pub async fn add_all(&self, items: impl IntoIterator<Item = Item<T>>) -> Result<Vec<Added>, Error> {
        let record = |item: Item<T>| self.record(&item.id, &item.payload, item.priority, item.start);
        let records = items.into_iter().map(record).collect::<Result<Vec<_>, _>>()?;
        self.add_records(records).await
    }

    fn record(&self, id: &str, payload: &T, priority: i8, start: Start) -> Result<(Name, Record), Error> {
        let payload = encode("add item", id, payload)?;
        refuse_size("add item", id, &payload)?;
        let since_1970 = match start {
            Start::Now => Duration::ZERO,
            Start::After(delay) => self.hub.runtime().wall_clock().saturating_add(delay),
            Start::At(time) => time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default(),
        };
        let due = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX).min(Record::DUE_MAX);
        Ok((Name::parse(id)?, Record::ready(priority, due, payload)))
    }

    async fn add_records(&self, items: Vec<(Name, Record)>) -> Result<Vec<Added>, Error> {
        self.refuse_observer("add items")?;
        let policy = self.policy;
        match ask(&self.engine, "add items", |caller| Request::Add { caller, items, policy }).await? {
            Answer::Added(known) => Ok(known
                .iter()
                .map(|known| known.as_ref().map_or(Added::New, |record| Added::Known(Status::of(record))))
                .collect()),
            _ => Err(closed("add items", self.name())),
        }
    }
}

impl<T: DeserializeOwned> WorkSet<T> {
    /// Claims up to `limit` items for this process, without waiting for any: the most urgent first, and among those the oldest, about.
    ///
    /// # Guarantees
    /// Those of [`next`](Self::next). Empty if nothing was ready that others had not just taken. Fewer than `limit`, though more are ready, where the rest does not fit into the request, or
    /// would be taken out of what another worker is about to take: ask again.
    ///
    /// # Errors
    /// `Unavailable`, `Recovering` while the store holds back grants: nothing was claimed. `Unsupported` on an observer. `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no claim behind: one that was made is given back in the background.
    pub async fn claim(&self, limit: usize) -> Result<Vec<Claim<T>>, Error> {
        self.claims(limit, false).await
    }

    /// Claims up to `limit` items for this process, and waits until there is one at least. Waiting asks for nothing: it is woken.
    ///
    /// # Guarantees
    /// At most one claim of an item is valid; each has a larger [`Token`](crate::Token) than those before. An item that is no `T` is made a dead letter that says so, and not claimed
    /// again.
    ///
    /// # Errors
    /// `Unsupported` on an observer. `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// As [`claim`](Self::claim).
    pub async fn next(&self, limit: usize) -> Result<Vec<Claim<T>>, Error> {
        loop {
            let claims = self.claims(limit, true).await?;
            if !claims.is_empty() || limit == 0 {
                return Ok(claims);
            }
        }
    }

    /// A stream of claims of which at most `max_in_flight`, and at least 1, are held at once: the next one comes when an earlier one is dropped.
    pub fn stream(&self, max_in_flight: usize) -> Claims<T> {
        Claims::new(self.clone(), max_in_flight)
    }

    async fn claims(&self, limit: usize, waits: bool) -> Result<Vec<Claim<T>>, Error> {
        self.refuse_observer("claim items")?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let policy = self.policy;
        let request = |caller| Request::Claim { caller, limit, waits, policy };
        let tickets = driver::claim(&self.engine, request).await?;
        let mut claims = Vec::with_capacity(tickets.len());
        claims.extend(tickets.into_iter().filter_map(|ticket| self.open(ticket)));
        Ok(claims)
    }

    /// Reads what is to be done. What cannot be read is put aside, so that it is in nobody's way.
    fn open(&self, ticket: Ticket) -> Option<Claim<T>> {
        match serde_json::from_slice(ticket.payload()) {
            Ok(item) => Some(Claim::new(ticket, item, self.policy)),
            Err(error) => {
                let (id, reason) =
                    (ticket.place().1, shorten(&format!("its payload cannot be read: {error}")));
                tracing::warn!(work_set = %self.name, %id, %reason, "an item is put aside as a dead letter");
                ticket.end_by(Verdict::Bury(reason), self.policy);
                None
            }
        }
    }
}

fn encode<V: Serialize + ?Sized>(operation: &'static str, id: &str, value: &V) -> Result<Bytes, Error> {
    encode_in(&mut BytesMut::new(), operation, id, value)
}

/// Writes one of several values that are of use for the same time only: they share their memory.
fn encode_in<V: Serialize + ?Sized>(
    buffer: &mut BytesMut,
    operation: &'static str,
    id: &str,
    value: &V,
) -> Result<Bytes, Error> {
    let written = serde_json::to_writer(buffer.writer(), value);
    let json = buffer.split().freeze();
    written.map(|()| json).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, operation)
            .on(format_args!("{id:?}"))
            .because("the value cannot be written as JSON")
            .with_source(error)
    })
}

fn refuse_size(operation: &'static str, id: &str, json: &Bytes) -> Result<(), Error> {
    let most = WorkSet::<()>::PAYLOAD_BYTES;
    if json.len() > most {
        return Err(Error::new(ErrorKind::TooLarge, operation).on(format_args!("{id:?}")).because(
            format_args!(
                "{} bytes as JSON, at most {most} fit; store the rest elsewhere, and its place here",
                json.len()
            ),
        ));
    }
    Ok(())
}

impl<T> Clone for WorkSet<T> {
    fn clone(&self) -> Self {
        Self {
            hub: Arc::clone(&self.hub),
            name: self.name.clone(),
            engine: Arc::clone(&self.engine),
            policy: self.policy,
            payload: PhantomData,
        }
    }
}

impl<T> fmt::Debug for WorkSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkSet").field("name", &self.name()).finish_non_exhaustive()
    }
}
