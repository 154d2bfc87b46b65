//! An item, claimed.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::driver::{Ports, ask};
use super::options::Policy;
use super::state::{Answer, Attempts, Outcomes, Request, State, Verdict};
use super::{encode, refuse_size};
use crate::coordinator::{Engine, Grant, LossReason, closed};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::zoo::{Bug, planted};

/// A claim without what it is about. Dropping it gives the item back, unless the claim has ended.
#[derive(Debug)]
pub(super) struct Ticket {
    engine: Arc<Engine<State>>,
    claim: u64,
    id: Name,
    payload: Bytes,
    attempts: Attempts,
    grant: Grant,
    ended: AtomicBool,
}

impl Ticket {
    pub(super) fn new(
        engine: Arc<Engine<State>>,
        (claim, id): (u64, Name),
        payload: Bytes,
        attempts: Attempts,
        grant: Grant,
    ) -> Self {
        Self { engine, claim, id, payload, attempts, grant, ended: AtomicBool::new(false) }
    }

    /// Refuses a claim that is not one of `engine`: its number means another one there.
    pub(super) fn refuse_foreign(
        &self,
        operation: &'static str,
        engine: &Arc<Engine<State>>,
    ) -> Result<(), Error> {
        match Arc::ptr_eq(&self.engine, engine) {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::InvalidInput, operation).on(format_args!("{:?}", self.id.as_str())).because(
                "the claim was made in another work-set, or by another coordinator; end it by itself, or by the handle that made it",
            )),
        }
    }

    pub(super) fn payload(&self) -> &Bytes {
        &self.payload
    }

    pub(super) fn place(&self) -> (u64, Name) {
        (self.claim, self.id.clone())
    }

    pub(super) fn verdict(&self, verdict: Verdict) -> (u64, Name, Verdict) {
        (self.claim, self.id.clone(), verdict)
    }

    /// Ends it here, before anybody else can have the item.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        Ports::end(&self.engine, self.claim, LossReason::Released);
    }

    /// Ends it in the background.
    pub(super) fn end_by(self, verdict: Verdict, policy: Policy) {
        self.end();
        let list = vec![self.verdict(verdict)];
        self.engine.request(Request::Settle { caller: None, policy, list });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Acquire) {
            self.end();
            if planted(Bug::DroppedClaimKept) {
                return;
            }
            let list = vec![self.verdict(Verdict::Release)];
            self.engine.request(Request::Settle { caller: None, policy: Policy::default(), list });
        }
    }
}

/// What became of an attempt to end a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a stale claim has changed nothing"]
#[non_exhaustive]
pub enum Settled {
    /// It was applied, once.
    Applied,
    /// The item is not this claim's any more: its session was lost, it took too long, or somebody removed the item. Nothing was changed.
    ///
    /// As long as there is no session this is said at once, also of an item that somebody has completed: [`get`](super::WorkSet::get) tells later.
    Stale,
    /// The item is not this claim's any more, and somebody has completed it with this result.
    AlreadyDone(Recorded),
}

impl Settled {
    /// Whether it was applied.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        matches!(self, Self::Applied)
    }

    pub(super) fn of(outcome: Outcomes) -> Self {
        match outcome {
            Outcomes::Applied => Self::Applied,
            Outcomes::Stale => Self::Stale,
            Outcomes::AlreadyDone(result) => Self::AlreadyDone(Recorded(result)),
        }
    }
}

/// A result as it was stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Recorded(pub(super) Bytes);

impl Recorded {
    /// Reads it.
    ///
    /// # Errors
    /// `Corrupt` if it is no `R`.
    pub fn decode<R: DeserializeOwned>(&self) -> Result<R, Error> {
        serde_json::from_slice(&self.0).map_err(|error| {
            Error::new(ErrorKind::Corrupt, "read result")
                .because("it is not of the expected type; was it written by another release?")
                .with_source(error)
        })
    }

    /// The JSON that was stored.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorded({})", String::from_utf8_lossy(&self.0))
    }
}

/// An item that this process has claimed. Derefs to [`Grant`]: watch [`lost`](Grant::lost), hand on the [`token`](Grant::token).
///
/// The token is the revision of the commit that made the claim: larger than that of every earlier claim of the item. [`attempt`](Self::attempt) is a statistic and no token.
#[must_use = "dropping a claim gives the item back; `complete`, `fail` or `release` it"]
pub struct Claim<T> {
    ticket: Ticket,
    item: T,
    policy: Policy,
}

impl<T> Claim<T> {
    pub(super) fn new(ticket: Ticket, item: T, policy: Policy) -> Self {
        Self { ticket, item, policy }
    }

    pub(super) fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// The id of the item.
    #[must_use]
    pub fn id(&self) -> &str {
        self.ticket.id.as_str()
    }

    /// What is to be done.
    #[must_use]
    pub fn item(&self) -> &T {
        &self.item
    }

    /// How often the item was claimed, this claim included. A redriven or released item goes on counting.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.ticket.attempts.claims
    }

    /// How often it [failed](Self::fail) so far.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.ticket.attempts.failures
    }

    /// How often a worker that had it died, or took too long.
    #[must_use]
    pub fn abandonments(&self) -> u32 {
        self.ticket.attempts.abandons
    }

    /// A clone of the grant, for work that is spawned.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.ticket.grant.clone()
    }

    /// Says that the item is done, and keeps the result for the [retention](super::Retention).
    ///
    /// # Guarantees
    /// Of all attempts to complete an item one at most is `Applied`. Whoever is not the latest to have claimed it changes nothing.
    ///
    /// # Errors
    /// `Unavailable`: nothing was done, the claim is still held; try again. `SessionLost`, or `Recovering` after the store went back: with effect [`Unknown`](crate::Effect::Unknown) it was
    /// applied or not; [`get`](super::WorkSet::get) says what became of it. `TooLarge` or `InvalidInput` for a result that cannot be stored: nothing was done. `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// The completion goes on in the background.
    pub async fn complete<R: Serialize + ?Sized>(&self, result: &R) -> Result<Settled, Error> {
        let result = encode("complete item", self.id(), result)?;
        refuse_size("complete item", self.id(), &result)?;
        let settled = self.settle("complete item", Verdict::Complete(result)).await?;
        self.ticket.end();
        Ok(settled)
    }

    /// Says that it did not work this time. The item comes again after its [back-off](super::Retry), or is a dead letter after too many failures.
    ///
    /// A broken connection does not lose it: it is repeated until it is done or the session, and the claim with it, is over. The grant ends at once.
    ///
    /// # Errors
    /// `SessionLost` or `Recovering` with effect [`Unknown`](crate::Effect::Unknown): it was applied or not; the item comes again in any case. `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// It goes on in the background.
    pub async fn fail(self, reason: impl fmt::Display) -> Result<Settled, Error> {
        self.give_up("fail item", Verdict::Fail(shorten(&reason.to_string()))).await
    }

    /// Says that it will never work: the item is a dead letter at once, with this reason.
    ///
    /// # Errors
    /// As [`fail`](Self::fail).
    ///
    /// # Cancel safety
    /// As [`fail`](Self::fail).
    pub async fn bury(self, reason: impl fmt::Display) -> Result<Settled, Error> {
        self.give_up("bury item", Verdict::Bury(shorten(&reason.to_string()))).await
    }

    /// Gives the item back for others, at once and without counting a failure.
    ///
    /// # Errors
    /// As [`fail`](Self::fail).
    ///
    /// # Cancel safety
    /// As [`fail`](Self::fail).
    pub async fn release(self) -> Result<Settled, Error> {
        self.give_up("release item", Verdict::Release).await
    }

    /// Sets the [deadline](super::WorkSet::deadline) of the claim to `span` from now on, and makes sure that the claim still stands.
    ///
    /// # Errors
    /// `Unavailable`: the deadline stays what it was.
    ///
    /// # Cancel safety
    /// The deadline may or may not be moved.
    pub async fn extend(&self, span: Duration) -> Result<Settled, Error> {
        let claims = vec![self.ticket.place()];
        one(ask(&self.ticket.engine, "extend claim", |caller| Request::Extend { caller, claims, span })
            .await?)
        .unwrap_or_else(|| Err(closed("extend claim", self.id())))
    }

    async fn give_up(self, operation: &'static str, verdict: Verdict) -> Result<Settled, Error> {
        self.ticket.end();
        self.settle(operation, verdict).await
    }

    async fn settle(&self, operation: &'static str, verdict: Verdict) -> Result<Settled, Error> {
        let (list, policy) = (vec![self.ticket.verdict(verdict)], self.policy);
        let request = |caller| Request::Settle { caller: Some(caller), policy, list };
        one(ask(&self.ticket.engine, operation, request).await?)
            .unwrap_or_else(|| Err(closed(operation, self.id())))
    }
}

/// How much of a reason is kept.
const REASON_CHARS: usize = 500;

fn one(answer: Answer) -> Option<Result<Settled, Error>> {
    let Answer::Settled(mut answers) = answer else { return None };
    answers.pop().map(|outcome| outcome.map(Settled::of))
}

/// A reason is kept with the item: a screen of it at most.
pub(super) fn shorten(reason: &str) -> String {
    reason.chars().take(REASON_CHARS).collect()
}

impl<T> Deref for Claim<T> {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.ticket.grant
    }
}

impl<T> fmt::Debug for Claim<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("id", &self.id())
            .field("attempt", &self.attempt())
            .field("grant", &self.ticket.grant)
            .finish_non_exhaustive()
    }
}
