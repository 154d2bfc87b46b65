//! Faults that a harness may be able to inject, the same for every store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use ha_core::spi::{Key, Name, SessionId};

/// What a store, or the way to it, can be made to suffer.
///
/// The in-memory backend does it inside; a server is put behind a proxy, or spoken to by its administrator's tools. A harness offers
/// what it can; the cases that need more show as ignored.
#[async_trait]
pub trait Faults: Send + Sync + fmt::Debug {
    /// Whether [`inject`](Self::inject) works for faults of this kind.
    fn offers(&self, kind: FaultKind) -> bool;

    /// Makes it happen, from now on. Called with kinds that are offered only.
    async fn inject(&self, fault: Fault);
}

/// One fault. A `node` is the name that a backend was [connected](crate::Store::connect) for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The requests of the next commits of `node` meet these, one each; a request that the backend repeats is the next one.
    Commits(Name, Vec<CommitFault>),
    /// Nothing of `node` reaches the store and nothing comes back, until [`Fault::Heal`].
    Cut(Name),
    /// Requests of `node` arrive, but no reply comes back, until [`Fault::Heal`].
    CutReplies(Name),
    /// Ends what was cut or slowed for `node`.
    Heal(Name),
    /// Every request of `node` takes so much longer, half of it before the effect.
    Slow(Name, Duration),
    /// The store ends the session now, as if its ttl had passed.
    Expire(Name, SessionId),
    /// An administrator deletes the entry at the key, in this namespace.
    Delete(Name, Key),
    /// The connections of all watches break; what is committed meanwhile is missed.
    InterruptWatches,
    /// The store remembers its present state for [`Fault::Forget`].
    Record,
    /// The store goes back to the recorded state and reports a discontinuity with this hold.
    Forget(Duration),
    /// Renewals of `node` fail while everything else works, until [`Fault::Heal`].
    FailRenewals(Name),
    /// Every request yields to other tasks before and after its effect.
    YieldAlways,
}

/// What happens to the request of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitFault {
    /// Nothing.
    Pass,
    /// It never arrives, and the client learns that the connection broke.
    LoseRequest,
    /// It is applied, and its reply is lost.
    LoseReply,
    /// It is lost on the way, and a copy arrives later: after the backend has found out what became of it.
    ArriveLate,
}

impl Fault {
    /// The kind of the fault.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Commits(..) => FaultKind::Commits,
            Self::Cut(_) => FaultKind::Cut,
            Self::CutReplies(_) => FaultKind::CutReplies,
            Self::Heal(_) => FaultKind::Heal,
            Self::Slow(..) => FaultKind::Slow,
            Self::Expire(..) => FaultKind::Expire,
            Self::Delete(..) => FaultKind::Delete,
            Self::InterruptWatches => FaultKind::InterruptWatches,
            Self::Record | Self::Forget(_) => FaultKind::Forget,
            Self::FailRenewals(_) => FaultKind::FailRenewals,
            Self::YieldAlways => FaultKind::YieldAlways,
        }
    }
}

/// The kinds of [`Fault`], for what a case needs and a harness offers. Displayed, it continues "make the store ...".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// [`Fault::Commits`].
    Commits,
    /// [`Fault::Cut`].
    Cut,
    /// [`Fault::CutReplies`].
    CutReplies,
    /// [`Fault::Heal`].
    Heal,
    /// [`Fault::Slow`].
    Slow,
    /// [`Fault::Expire`].
    Expire,
    /// [`Fault::Delete`].
    Delete,
    /// [`Fault::InterruptWatches`].
    InterruptWatches,
    /// [`Fault::Record`] and [`Fault::Forget`].
    Forget,
    /// [`Fault::FailRenewals`].
    FailRenewals,
    /// [`Fault::YieldAlways`].
    YieldAlways,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commits => "lose, delay or repeat single requests",
            Self::Cut => "unreachable for one node",
            Self::CutReplies => "silent to one node",
            Self::Heal => "reachable again",
            Self::Slow => "slow for one node",
            Self::Expire => "end a session before its time",
            Self::Delete => "lose an entry to an administrator",
            Self::InterruptWatches => "interrupt its watches",
            Self::Forget => "forget commits",
            Self::FailRenewals => "refuse the renewals of one node",
            Self::YieldAlways => "yield around each effect",
        })
    }
}
