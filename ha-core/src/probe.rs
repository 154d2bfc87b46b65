//! What an HTTP service answers when it is asked how it is and who leads: a status code and a body, for any framework.
//!
//! ```
//! use std::sync::Arc;
//! use ha_core::{Coordinator, memory::MemoryBackend, probe};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ha_core::Error> {
//! let node = Coordinator::builder(Arc::new(MemoryBackend::new())).node("box-1").connect().await?;
//! let timers = node.election("timers")?.observe();
//!
//! // In the handlers of the service, whatever its framework:
//! let health = probe::health(&node);                      // GET /health
//! assert_eq!((health.status(), health.body().state), (200, "healthy"));
//! let leader = probe::leader(&node, &timers);             // GET /leader
//! assert_eq!((leader.status(), &leader.body().leader), (503, &None));    // nobody stands yet
//! # Ok(())
//! # }
//! ```
//!
//! Neither asks the store: they tell what the coordinator knows, at once, also when the store hangs.

use serde::Serialize;

use crate::coordinator::{Coordinator, Standing};
use crate::election::{Leader, Observation, Observer};

/// A status code and what to send with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<B> {
    status: u16,
    body: B,
}

impl<B> Answer<B> {
    /// 200 or 503.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What to send, as a value.
    #[must_use]
    pub fn body(&self) -> &B {
        &self.body
    }
}

impl<B: Serialize> Answer<B> {
    /// What to send, as JSON: `content-type: application/json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // The bodies of this module are structures of texts and numbers, which always have a JSON form.
        serde_json::to_string(&self.body).unwrap_or_default()
    }
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// The node.
    pub node: String,
    /// Its namespace.
    pub namespace: String,
    /// The backend, as its URL scheme.
    pub backend: &'static str,
    /// `healthy`, `suspect` (a renewal is late, grants are still valid), `recovering` (the store may have forgotten commits and holds
    /// back new grants), `lost` (there is no session now), or `closing`.
    pub state: &'static str,
    /// How much longer grants are valid without a renewal, in milliseconds, while `suspect`.
    pub remaining_ms: Option<u64>,
}

/// Whether `node` can do its part: for a load balancer or a readiness probe.
///
/// 200 while it has a session, also a suspect one and while the store recovers: what it holds is still valid. 503 while it has none, and from the
/// beginning of a shutdown on.
///
/// # Not promised
/// It is no liveness probe. A node without a session gets one by itself once the store is back; restarting it makes an outage of the store an outage of the service.
#[must_use]
pub fn health(node: &Coordinator) -> Answer<HealthReport> {
    let health = node.health();
    let (status, state, remaining) = match health.session {
        _ if health.closing => (503, "closing", None),
        Some(Standing::Suspect { remaining }) => (200, "suspect", Some(remaining)),
        Some(Standing::Healthy) if health.recovering => (200, "recovering", None),
        Some(Standing::Healthy) => (200, "healthy", None),
        Some(Standing::Lost(_)) | None => (503, "lost", None),
    };
    let body = HealthReport {
        node: node.node().into(),
        namespace: node.namespace().into(),
        backend: node.capabilities().backend,
        state,
        remaining_ms: remaining.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
    };
    Answer { status, body }
}

/// Who leads, as seen from a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeaderReport {
    /// The node that answers.
    pub node: String,
    /// `leads`, `follows`, `vacant` (nobody leads), or `unknown` (the node cannot know now).
    pub state: &'static str,
    /// Who leads, with its term, and its address if it gave one.
    pub leader: Option<Leader>,
}

/// Whether `node` leads the election that `observer` follows: for a load balancer that sends requests to the leader.
///
/// 200 while it holds a valid grant of the term that the observer shows, 503 otherwise. The body says who leads in any case, so that a client can be redirected.
///
/// # Not promised
/// It routes requests; it is no right to act on them. Guard what they do by the [fence](crate::Grant::fence) or the token of the grant.
#[must_use]
pub fn leader(node: &Coordinator, observer: &Observer) -> Answer<LeaderReport> {
    let (state, leader) = match observer.current() {
        Observation::Unknown => ("unknown", None),
        Observation::Vacant => ("vacant", None),
        Observation::Leader(leader) if node.leads_in(leader.term) => ("leads", Some(leader)),
        // A record of its own that it does not hold any more: it is about to vanish.
        Observation::Leader(leader) if leader.node == node.node() => ("unknown", Some(leader)),
        Observation::Leader(leader) => ("follows", Some(leader)),
    };
    let status = if state == "leads" { 200 } else { 503 };
    Answer { status, body: LeaderReport { node: node.node().into(), state, leader } }
}
