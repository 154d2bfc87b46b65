//! The pure half of a recipe: what its state machine is told, and what it asks for.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::engine::Engine;
use super::lifetime::Lifetime;
use crate::error::{Error, ErrorKind};
use crate::names::Collection;
use crate::runtime::Instant;
use crate::spi::{Listing, Outcome, Page, SessionId, Txn, WatchEvent, WatchTarget};

/// What a state machine may look at while it decides.
pub(crate) struct Context<'a> {
    /// The present instant.
    pub(crate) now: Instant,
    /// The wall clock, as the time since 1970: for `not before` and retention, never for ownership.
    pub(crate) wall: Duration,
    /// Unique numbers of the session, for the names of new entries.
    pub(crate) numbers: &'a AtomicU64,
    /// The granted ttl of the session; `None` without one, or for an observer.
    pub(crate) ttl: Option<Duration>,
}

/// What a state machine is told.
#[derive(Debug)]
pub(crate) enum Input<R> {
    /// A session is open; the state of an earlier one is void. New grants are held back until `hold_until`.
    SessionUp { session: SessionId, hold_until: Option<Instant> },
    /// The session is over, with everything that it owned.
    SessionDown,
    /// The commit `tag` was decided, or refused.
    Committed { tag: u64, outcome: Result<Outcome, Error> },
    /// The listing `tag` arrived, or failed.
    Listed { tag: u64, listing: Result<Listing, Error> },
    /// The answer to `tag` belongs to a history that is over: it says nothing.
    Voided { tag: u64 },
    /// The watch in `slot` delivered.
    Watched { slot: u8, event: WatchEvent },
    /// The store may have forgotten commits: look again, at once. Always answered with [`Output::Reconciled`], also
    /// without a session.
    Discontinuity { hold_until: Option<Instant> },
    /// The instant of `next_wake` has come.
    Tick,
    /// The coordinator shuts down: nothing new is granted.
    Closing,
    /// A caller asks for something.
    Request(R),
}

/// What a state machine asks for.
#[derive(Debug)]
pub(crate) enum Output<D> {
    /// Commit a transaction; the answer comes as `Committed` or `Voided`.
    Commit { tag: u64, txn: Txn },
    /// Read a page; the answer comes as `Listed` or `Voided`.
    List { tag: u64, collection: Collection, page: Page },
    /// Watch in `slot`, instead of what was watched there.
    Watch { slot: u8, target: WatchTarget },
    /// Stop watching in `slot`.
    Unwatch { slot: u8 },
    /// Everything forgotten or resurrected has been dealt with.
    Reconciled,
    /// Something for a caller.
    Deliver(D),
}

/// A recipe's pure state: no I/O, no clock, no randomness.
pub(crate) trait Machine: Send + 'static {
    /// What callers ask for.
    type Request: Send + 'static;
    /// What callers are given.
    type Delivery: Send + 'static;

    /// Takes one input; appends what is to be done.
    fn on_input(
        &mut self,
        input: Input<Self::Request>,
        context: &Context<'_>,
        out: &mut Vec<Output<Self::Delivery>>,
    );

    /// When it wants a `Tick`.
    fn next_wake(&self) -> Option<Instant>;

    /// Whether nothing is held, wanted or under way.
    fn is_idle(&self) -> bool;
}

/// A machine together with the way its deliveries reach callers.
pub(crate) trait Driver: Machine + Sized {
    /// Where callers wait.
    type Ports: Send + Sync + 'static;

    /// Hands `delivery` to whoever waits for it. `life` is the session that it was decided under.
    fn deliver(engine: &Arc<Engine<Self>>, delivery: Self::Delivery, life: Option<&Arc<Lifetime>>);
}

/// The error of whoever still waits when the coordinator is gone.
pub(crate) fn closed(operation: &'static str, name: &str) -> Error {
    Error::new(ErrorKind::Closed, operation)
        .on(format_args!("\"{name}\""))
        .because("the coordinator was shut down; connect a new one")
}
