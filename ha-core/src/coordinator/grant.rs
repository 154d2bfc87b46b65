//! What a holder holds: leadership, a lock, a partition, a claim.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::lifetime::{Lifetime, LossReason, Standing};
use crate::names::Name;
use crate::runtime::Instant;
use crate::spi::{Guard, Revision, Stamp, Txn};
use crate::sync::lock;
use crate::token::Token;

/// Proof, for the holder itself, of something exclusive that it holds.
///
/// Cloneable, so that spawned work can watch it; a clone keeps nothing alive and releases nothing.
///
/// # Guarantees
/// * [`is_valid`](Self::is_valid) turns false, and [`lost`](Self::lost) and [`cancellation`](Self::cancellation) fire, before the backend
///   may give the same thing to anybody else, provided that the clocks of this machine and of the backend run at nearly the same rate.
/// * Once lost it never becomes valid again.
/// * Its [`token`](Self::token) is larger than that of every earlier holder of the same thing.
///
/// # Not promised
/// A process that is frozen between a check and an act can act after the loss: let the resource check the token, or guard a write in the
/// same store with [`fence`](Self::fence).
#[derive(Clone)]
pub struct Grant(Arc<Inner>);

struct Inner {
    kind: &'static str,
    name: Name,
    token: Token,
    fence: Guard,
    life: Arc<Lifetime>,
    since: Instant,
    end: Mutex<End>,
}

/// Whether a grant has ended apart from its session, and who is to be told. Under one lock: whoever asks sees the end, or is told of it.
#[derive(Default)]
struct End {
    reason: Option<LossReason>,
    /// Cancelled at the end. Made when somebody first asks for it: most claims of a work-set end unwatched.
    watch: Option<CancellationToken>,
}

impl Grant {
    /// The grant that the entry of `stamp`, created by the session of `life`, stands for.
    pub(crate) fn new(kind: &'static str, name: Name, stamp: Stamp, life: Arc<Lifetime>) -> Self {
        Self::fenced(kind, name, stamp.created(), Guard::Held(stamp), life)
    }

    /// The grant that the entry of `stamp` stands for as long as it has this very state.
    pub(crate) fn of_state(kind: &'static str, name: Name, stamp: Stamp, life: Arc<Lifetime>) -> Self {
        Self::fenced(kind, name, stamp.created(), Guard::Unchanged(stamp), life)
    }

    /// The grant of this number, which lies above that of every earlier grant of the same thing, for as long as `fence` holds.
    pub(crate) fn numbered(
        kind: &'static str,
        name: Name,
        number: u64,
        fence: Guard,
        life: Arc<Lifetime>,
    ) -> Self {
        Self::fenced(kind, name, Revision::new(number), fence, life)
    }

    fn fenced(kind: &'static str, name: Name, created: Revision, fence: Guard, life: Arc<Lifetime>) -> Self {
        let token = Token::new(created.as_u64().saturating_add(life.token_base()));
        let (since, end) = (life.now(), Mutex::default());
        Self(Arc::new(Inner { kind, name, token, fence, life, since, end }))
    }

    /// The fencing token.
    #[must_use]
    pub fn token(&self) -> Token {
        self.0.token
    }

    /// What is held: the name of the lock, election, …
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// Whether the grant is valid at this very instant, by the local clock alone.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.reason().is_none() && self.0.life.is_valid()
    }

    /// How much longer it is valid without a further renewal; zero once lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        if self.reason().is_some() { Duration::ZERO } else { self.0.life.remaining() }
    }

    /// How certain the grant is right now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self.loss() {
            Some(reason) => Standing::Lost(reason),
            None => self.0.life.standing(),
        }
    }

    /// Waits until a renewal is late, and says how much longer the grant is valid (zero: it is lost). A renewal that
    /// succeeds afterwards makes it healthy again; nothing has to be done.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn suspect(&self) -> Duration {
        let ended = self.watch();
        tokio::select! {
            biased;
            () = ended.cancelled() => Duration::ZERO,
            remaining = self.0.life.suspected() => remaining,
        }
    }

    /// Waits until the grant is lost, and says why.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn lost(&self) -> LossReason {
        self.watch().cancelled().await;
        self.loss().unwrap_or(LossReason::Expired)
    }

    /// A token that is cancelled when the grant is lost, for work that is spawned. Cancelling it affects nobody else.
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        self.watch().child_token()
    }

    /// Adds the guard that this grant is still held, so that the transaction changes nothing after somebody else
    /// was granted the same thing, whatever this process believes.
    ///
    /// Commit it by [`store().commit(..)`](crate::store::Store::commit) of a coordinator of the same namespace in the same store. What is
    /// checked is the entry behind the grant: it is there until the grant is released or its session is over, so the fence
    /// can hold for a moment after the grant was lost here, but never once somebody else has it.
    pub fn fence(&self, txn: Txn) -> Txn {
        txn.guard(self.0.fence.clone())
    }

    /// Is cancelled once the grant has ended, by itself or with its session.
    fn watch(&self) -> CancellationToken {
        let mut end = lock(&self.0.end);
        let watch = end.watch.get_or_insert_with(|| self.0.life.over().child_token()).clone();
        let is_over = end.reason.is_some();
        drop(end);
        if is_over {
            watch.cancel();
        }
        watch
    }

    /// Why it ended apart from its session, if it did.
    fn reason(&self) -> Option<LossReason> {
        lock(&self.0.end).reason
    }

    /// What kind of thing is held.
    pub(crate) fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// Ends the grant locally, before anything is sent. The first reason stays, also that of the whole session.
    pub(crate) fn end(&self, reason: LossReason) {
        let reason = self.0.life.reason().unwrap_or(reason);
        let mut end = lock(&self.0.end);
        if end.reason.is_some() {
            return;
        }
        end.reason = Some(reason);
        let watch = end.watch.clone();
        // Whoever is woken may use the grant.
        drop(end);
        watch.into_iter().for_each(|watch| watch.cancel());
    }

    /// For how long it has been held.
    pub(crate) fn held_for(&self) -> Duration {
        self.0.life.now().saturating_since(self.0.since)
    }

    pub(crate) fn life(&self) -> &Arc<Lifetime> {
        &self.0.life
    }

    /// Why it was lost, if it was.
    pub(crate) fn loss(&self) -> Option<LossReason> {
        self.reason().or_else(|| self.0.life.reason())
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("kind", &self.0.kind)
            .field("name", &self.0.name)
            .field("token", &self.0.token)
            .field("standing", &self.standing())
            .field("held_for", &self.held_for())
            .finish_non_exhaustive()
    }
}
