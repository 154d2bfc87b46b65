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

/// One fault. A node is told by the name that a backend was [connected](crate::Store::connect) for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The requests of the next commits of the node meet these, one each; a request that the backend repeats is the next one.
    Commits(Name, Vec<CommitFault>),
    /// Nothing of the node reaches the store and nothing comes back, until [`Fault::Heal`].
    Cut(Name),
    /// Requests of the node arrive, but no reply comes back, until [`Fault::Heal`].
    CutReplies(Name),
    /// Ends what was cut, slowed or failing for the node.
    Heal(Name),
    /// Every request of the node arrives so much later, and every reply so much later again.
    Slow(Name, Duration),
    /// Renewals of the node fail while everything else works, until [`Fault::Heal`].
    FailRenewals(Name),
    /// Every commit of the node is pending several times before and after its effect.
    YieldAlways(Name),
    /// The connections of the node's watches break; what is committed before they are there again is missed.
    InterruptWatches(Name),
    /// The store ends the session now, as if its ttl had passed.
    Expire(SessionId),
    /// An administrator deletes the entry at the key, in this namespace.
    Delete(Name, Key),
    /// The store remembers its present state for [`Fault::Forget`].
    Record,
    /// The store goes back to the recorded state and reports a discontinuity with this hold.
    Forget(Duration),
}

/// What happens to the request of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitFault {
    /// Nothing.
    Pass,
    /// It never arrives.
    LoseRequest,
    /// It is applied, and its reply is lost.
    LoseReply,
    /// It arrives so much later; meanwhile the backend may have taken it for lost.
    Delay(Duration),
}

impl Fault {
    /// The kind of the fault; `None` for the end of others.
    #[must_use]
    pub fn kind(&self) -> Option<FaultKind> {
        Some(match self {
            Self::Commits(..) => FaultKind::Commits,
            Self::Cut(_) => FaultKind::Cut,
            Self::CutReplies(_) => FaultKind::CutReplies,
            Self::Heal(_) => return None,
            Self::Slow(..) => FaultKind::Slow,
            Self::FailRenewals(_) => FaultKind::FailRenewals,
            Self::YieldAlways(_) => FaultKind::YieldAlways,
            Self::InterruptWatches(_) => FaultKind::InterruptWatches,
            Self::Expire(_) => FaultKind::Expire,
            Self::Delete(..) => FaultKind::Delete,
            Self::Record | Self::Forget(_) => FaultKind::Forget,
        })
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
    /// [`Fault::Slow`].
    Slow,
    /// [`Fault::FailRenewals`].
    FailRenewals,
    /// [`Fault::YieldAlways`].
    YieldAlways,
    /// [`Fault::InterruptWatches`].
    InterruptWatches,
    /// [`Fault::Expire`].
    Expire,
    /// [`Fault::Delete`].
    Delete,
    /// [`Fault::Record`] and [`Fault::Forget`].
    Forget,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commits => "lose, delay or repeat single requests",
            Self::Cut => "unreachable for one node",
            Self::CutReplies => "silent to one node",
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
