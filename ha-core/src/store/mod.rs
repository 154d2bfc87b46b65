//! A small store for the service itself: entries in collections of its own, guarded by what the service holds.
//!
//! For the little that has to agree with who leads or who holds a lock: a cursor, a configuration, the name of the latest snapshot. It is
//! the same store, the same session and the same transactions that the recipes use; it is no database.
//!
//! ```
//! use std::sync::Arc;
//! use ha_core::{Coordinator, memory::MemoryBackend, spi::{Outcome, Txn}, store::Written};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Coordinator::builder(Arc::new(MemoryBackend::new())).node("box-1").connect().await?;
//! let cursors = node.store().collection("cursors")?;
//!
//! let Written::Done(stamp) = cursors.create("timers", "0").await? else { panic!("somebody was faster") };
//! let Written::Done(_) = cursors.update(&stamp, "17").await? else { panic!("somebody changed it") };
//! assert_eq!(cursors.update(&stamp, "3").await?, Written::Conflict, "the stamp is of a state that is over");
//!
//! // Written only while this node leads, whatever it believes.
//! let leadership = node.election("timers")?.campaign().await?;
//! let entry = cursors.get("timers").await?.ok_or("it is there")?;
//! let txn = leadership.fence(Txn::new().update(entry.stamp().clone(), "18"));
//! assert!(node.store().commit(txn).await?.is_committed());
//! # Ok(())
//! # }
//! ```
//!
//! # Writing
//!
//! There is no blind write. A creation needs that there is no entry, an update the [`Stamp`] of the state that it replaces, a deletion the stamp of
//! the incarnation that it deletes; anything else is a conflict, which changes nothing. [`Store::commit`] applies several of them, with guards, at one
//! instant. Entries stay until they are deleted: they outlive the session, the process and the lock that guarded them.
//!
//! # What a failed write has done
//!
//! | error | effect | |
//! |---|---|---|
//! | `Unavailable`, `Recovering` | nothing, also not later | try again |
//! | `SessionLost` with [`Effect::NotApplied`](crate::Effect::NotApplied) | nothing | try again: there will be a new session |
//! | `SessionLost` with [`Effect::Unknown`](crate::Effect::Unknown) | applied once or never, and it is decided by now | read the entry again: its stamp tells |
//! | any other | nothing | it fails again |
//!
//! `Unknown` is rare: the reply was lost *and* the session ended before the backend could find out. A write by stamp can always be looked at
//! afterwards, because its stamp does not fit twice. A creation that is deleted again by others needs a mark of its own in the value.
//!
//! # What is not here
//!
//! Entries that vanish with the session are the business of recipes, which know how to bring them back. What others do in the store is
//! seen by [`Watch`], not asked for in a loop.
//!
//! [`Stamp`]: crate::spi::Stamp

pub(crate) mod desk;
mod documents;
mod entries;
mod feed;
mod watch;

use std::fmt;
use std::sync::Arc;

pub use documents::{Document, Documents};
pub use entries::{Entries, Written};
pub use watch::Watch;

use crate::coordinator::Hub;
use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Name};
use crate::spi::{Operation, Outcome, Txn};
use desk::Desk;

/// The first segment of all collections of users; no recipe uses it.
const LAYOUT: &str = "store";

/// The collections of the service itself. Get one from [`Coordinator::store`](crate::Coordinator::store).
///
/// Cheap to clone. It does not keep the coordinator: dropping the last clone of that ends the session under it.
///
/// # Guarantees
/// * The collections are apart from those of recipes, and those of another namespace are others.
/// * A write is applied at one instant, once or never, and the answer says which: see [what a failed write has done](self#what-a-failed-write-has-done).
/// * A write behind a [`fence`](crate::Grant::fence) is refused once somebody else may hold the same thing.
///
/// # Not promised
/// That it is fast or large: an entry has at most 64 KiB on every backend, and a write costs a round trip to all replicas.
#[derive(Clone)]
pub struct Store {
    desk: Arc<Desk>,
}

impl Store {
    pub(crate) fn new(hub: &Arc<Hub>) -> Self {
        Self { desk: hub.recipe("store", &Name::internal(LAYOUT), || Desk::open(hub)) }
    }

    /// The collection of this name. It need not exist: one that was never written is empty.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name.
    pub fn collection(&self, name: &str) -> Result<Entries, Error> {
        Ok(Entries::new(self.clone(), Name::parse_user("collection", name)?))
    }

    /// The collection of this name, with values of type `T` as JSON.
    ///
    /// # Errors
    /// As [`collection`](Self::collection).
    pub fn documents<T>(&self, name: &str) -> Result<Documents<T>, Error> {
        Ok(Documents::new(self.collection(name)?))
    }

    /// Commits a transaction on collections of users: all of it at one instant at which all its guards hold, or nothing.
    ///
    /// Guards may look at anything: [`fence`](crate::Grant::fence) adds one on the entry behind a grant. Without an operation it only asks whether
    /// the guards hold.
    ///
    /// # Guarantees
    /// Applied once or never, whatever is lost on the way. A conflict names at least one key whose guard did not hold.
    ///
    /// # Errors
    /// `Unavailable` while the backend cannot be reached or there is no session; `Recovering`, for a transaction marked as
    /// [granting](Txn::granting), while the store holds back grants; `SessionLost`, alone with an effect that may be
    /// [`Unknown`](crate::Effect::Unknown). `InvalidInput` for a collection of a recipe, `Unsupported` for an entry that would vanish with the
    /// session and on an observer, `TooLarge` beyond the capabilities, `Denied`, `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Nothing is sent before the first poll. Dropping the future after that leaves the commit under way: it is applied as a whole or not at
    /// all, soon, and what it wrote stays. A shutdown waits for it.
    ///
    /// # Not promised
    /// An end by itself while the node is cut off: it waits until the backend knows what became of the commit. Put a timeout around it.
    pub async fn commit(&self, txn: Txn) -> Result<Outcome, Error> {
        check(&txn)?;
        self.desk.commit(txn).await
    }

    fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// Refuses what would touch the records of a recipe, or would be left to nobody.
fn check(txn: &Txn) -> Result<(), Error> {
    for operation in txn.operations() {
        check_collection(operation.key().collection(), operation.key())?;
        if matches!(operation, Operation::Create { owned: true, .. }) {
            return Err(Error::new(ErrorKind::Unsupported, "commit").on(operation.key()).because(
                "entries of the store outlive the session; use `create`, or a recipe for what shall vanish with this node",
            ));
        }
    }
    txn.reads().iter().try_for_each(|read| check_collection(&read.collection, &read.collection))
}

fn check_collection(collection: &Collection, subject: impl fmt::Display) -> Result<(), Error> {
    match collection.segments() {
        [layout, _] if layout.as_str() == LAYOUT => Ok(()),
        _ => Err(Error::new(ErrorKind::InvalidInput, "commit")
            .on(subject)
            .because("it is not a collection of `store().collection(..)`: only guards may look elsewhere")),
    }
}
