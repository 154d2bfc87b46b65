//! One session of one process on a backend.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;
use crate::names::Collection;
use crate::spi::{Lineage, Listing, Outcome, Page, SessionId, Txn, WatchStream, WatchTarget};

/// A successful renewal: the session was alive, to the authority that expires sessions, when it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewal {
    /// The history that the answer belongs to.
    pub lineage: Lineage,
}

impl Renewal {
    /// A renewal, as a backend reports it.
    #[must_use]
    pub fn new(lineage: Lineage) -> Self {
        Self { lineage }
    }
}

/// A session: what a process owns entries through.
///
/// All methods may be called at the same time, from any task. Futures are polled on the runtime of the request; where the capabilities
/// say `commits_inline`, `commit` may be polled anywhere.
#[async_trait]
pub trait Session: Send + Sync + fmt::Debug + 'static {
    /// The id of the session.
    ///
    /// # Guarantees
    /// Never used before or again in this namespace.
    ///
    /// # Errors
    /// None.
    ///
    /// # Cancel safety
    /// Does not wait.
    fn id(&self) -> &SessionId;

    /// The ttl that the backend granted; `None` for an observer.
    ///
    /// # Guarantees
    /// Constant, and at least what was requested.
    ///
    /// # Errors
    /// None.
    ///
    /// # Cancel safety
    /// Does not wait.
    fn ttl(&self) -> Option<Duration>;

    /// Proves life once, to the authority that expires sessions.
    ///
    /// # Guarantees
    /// `Ok` means that the authority itself counted this renewal: the session lives for `ttl × validity` from the instant at which
    /// the call was made. An answer from a cache, or from a server that may be cut off from the authority, is not one.
    /// Several renewals may be under way at once.
    ///
    /// # Errors
    /// `SessionLost`: final. `Unavailable`, `Denied`: not renewed, or not known to be; try again. `Unsupported` for an observer.
    ///
    /// # Cancel safety
    /// Dropping the future may or may not renew; nothing else.
    async fn renew(&self) -> Result<Renewal, Error>;

    /// Commits a transaction: atomically, exactly once.
    ///
    /// # Guarantees
    /// * All guards hold at one instant, at which all operations are applied; or nothing is, ever.
    /// * Guarded by this session being alive, for everything, persistent writes included.
    /// * A transaction that was [asked in](Txn::asked_in) an earlier history than the one that the store is in, as far as the store itself can tell, is not applied.
    /// * A lost reply is resolved inside: no copy of the request is applied twice or later than the answer.
    /// * Read-backs show the state at or after the commit, its own writes included.
    /// * `created` and `modified` of what it wrote are its revision, larger than every earlier one of the namespace.
    ///
    /// # Errors
    /// `Unavailable`, `Recovering`: nothing was done and nothing will be. `SessionLost`: it happened or not, and cannot happen any
    /// more; its effect is `Unknown` only if it is unresolved and wrote something persistent. `InvalidInput`, `TooLarge`: refused
    /// before sending. `Denied`. `Unsupported` for an observer.
    ///
    /// # Cancel safety
    /// When the future is dropped the backend finishes the commit in the background and deletes the session-owned entries that it
    /// created. Its other effects stand. The core never drops one whose effect matters.
    async fn commit(&self, txn: Txn) -> Result<Outcome, Error>;

    /// How many commits of this session were in doubt for a while: their answer was lost, and the backend has found out what became of them. One of which nobody can
    /// know is not among them: its effect is `Unknown`.
    ///
    /// # Guarantees
    /// It only grows. For operators to see; nothing else depends on it. 0 where an answer cannot be lost.
    ///
    /// # Errors
    /// None.
    ///
    /// # Cancel safety
    /// Does not wait.
    fn doubts(&self) -> u64 {
        0
    }

    /// Reads a page of a collection. A collection that was never written is empty.
    ///
    /// # Guarantees
    /// Linearizable if the capabilities say so, unless the page is [relaxed](Page::relaxed). Never older than what this session has committed or was shown, by whichever
    /// of its watches and listings. Direct entries only.
    /// A page is one instant's state; several pages together need not be.
    ///
    /// # Errors
    /// `Unavailable`, `Denied`; `SessionLost` or `Closed` once the session is over.
    ///
    /// # Cancel safety
    /// Reads only.
    async fn list(&self, collection: &Collection, page: Page) -> Result<Listing, Error>;

    /// Watches an entry or a collection until the stream is dropped or the session is over.
    ///
    /// # Guarantees
    /// The first item is a `Snapshot`, perhaps after `Interrupted`. Every committed state is delivered, or covered by a later state of the same
    /// entry or by a later `Snapshot`; a changed `created` is never hidden. A snapshot or change is never older than the one before, nor
    /// than what this session had committed when the watch was opened. A consumer that does not read costs bounded memory.
    ///
    /// # Errors
    /// None directly: while the backend is unreachable the stream says `Interrupted` and goes on by itself.
    ///
    /// # Cancel safety
    /// Dropping the stream ends the watch.
    fn watch(&self, target: WatchTarget) -> WatchStream;

    /// Ends another session as a whole, of a node that is proven dead. What it owned vanishes atomically.
    ///
    /// # Guarantees
    /// `Ok`: the session is over, now or before, and none of its late requests can be applied any more.
    ///
    /// # Errors
    /// `Unsupported` where the capabilities say so. `Unavailable`: it may or may not have been ended; repeat. `SessionLost`: this session is over.
    ///
    /// # Cancel safety
    /// The other session may or may not be ended.
    async fn end(&self, other: &SessionId) -> Result<(), Error>;

    /// Closes this session: what it owns vanishes, atomically.
    ///
    /// # Guarantees
    /// `Ok`: the session is over and none of its requests under way will be applied. Closing twice is `Ok`.
    ///
    /// # Errors
    /// `Unavailable`: the backend could not be told; the session ends by its ttl.
    ///
    /// # Cancel safety
    /// The backend goes on closing in the background.
    async fn close(&self) -> Result<(), Error>;
}
