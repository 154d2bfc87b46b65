//! A store that sessions are opened on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Error;
use crate::names::Name;
use crate::runtime::Runtime;
use crate::spi::{Capabilities, Session};

/// A store that the toolkit runs on.
///
/// A value is cheap and connects to nothing before [`open_session`](Self::open_session): a client library spawns its
/// workers where it is built, and that has to be the runtime of the request.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug + 'static {
    /// What this backend, in this deployment, can do.
    ///
    /// # Guarantees
    /// Constant for the life of the value. What a server has to be asked for is learned in `open_session`, which refuses
    /// what it cannot keep.
    ///
    /// # Errors
    /// None.
    ///
    /// # Cancel safety
    /// Does not wait.
    fn capabilities(&self) -> &Capabilities;

    /// Opens a session, or, without a ttl, an observer that reads and watches only.
    ///
    /// # Guarantees
    /// The session's id was never used before. Everything that the session owns vanishes, atomically, when it is closed
    /// or ended, or when it was not renewed for its ttl, and not before: at the earliest one granted ttl after the
    /// instant at which the latest successful renewal (or this call) was *sent*. The granted ttl is at least the requested one.
    ///
    /// # Errors
    /// `Unavailable`, `Denied`, `Incompatible`; `InvalidInput` or `Unsupported` for a request beyond the capabilities.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no session, or one that owns nothing and ends by its ttl.
    async fn open_session(&self, request: SessionRequest) -> Result<Arc<dyn Session>, Error>;
}

/// What a session is opened with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionRequest {
    /// Keeps the entries of different platforms in one store apart.
    pub namespace: Name,
    /// The stable name of the node, for people who look at the store.
    pub node: Name,
    /// How long the session outlives its last renewal; `None` for an observer.
    pub ttl: Option<Duration>,
    /// The runtime for everything that the session does.
    pub runtime: Arc<dyn Runtime>,
}

impl SessionRequest {
    /// An observer of `namespace`, reading and watching only.
    #[must_use]
    pub fn observer(namespace: Name, node: Name, runtime: Arc<dyn Runtime>) -> Self {
        Self { namespace, node, ttl: None, runtime }
    }

    /// The same with a ttl: a session that can own entries.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}
