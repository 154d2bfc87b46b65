//! From settings and a URL to a coordinator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ha_core::runtime::Runtime;
use ha_core::spi::Scope;
use ha_core::{Coordinator, CoordinatorBuilder, Error, Heartbeat, Observer, OverrunPolicy, StoreUrl};

use crate::backends;

/// Starts to configure a coordinator whose store a URL names.
pub fn builder() -> Builder {
    Builder { settings: Vec::new() }
}

type Setting = Box<dyn FnOnce(CoordinatorBuilder) -> CoordinatorBuilder + Send>;

/// Settings of a [`Coordinator`], up to the URL of its store. Get one from [`builder()`].
///
/// Defaults and meanings are those of [`CoordinatorBuilder`], which takes the settings over once the URL has chosen the backend.
/// Nothing is checked or sent before [`connect`](Self::connect).
#[must_use = "a builder does nothing until `connect`"]
pub struct Builder {
    /// Kept as steps, so that every default stands in one place: in the core.
    settings: Vec<Setting>,
}

impl Builder {
    /// Keeps the platform apart from others in the same store. Default: `default`.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        let namespace = namespace.into();
        self.set(|builder| builder.namespace(namespace))
    }

    /// The stable name of this node, the same after a restart. Default: the host name and the process id.
    pub fn node(self, node: impl Into<String>) -> Self {
        let node = node.into();
        self.set(|builder| builder.node(node))
    }

    /// How long others wait for this node's grants after it died. Default: 10 s. A backend may grant more than is asked for.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.set(move |builder| builder.ttl(ttl))
    }

    /// Adds something that this node can do, such as `timers`, for elections that require it.
    pub fn capability(self, capability: impl Into<String>) -> Self {
        let capability = capability.into();
        self.set(|builder| builder.capability(capability))
    }

    /// Reads and watches only: needs no lease, can hold nothing.
    pub fn observer(self) -> Self {
        self.set(CoordinatorBuilder::observer)
    }

    /// Refuses a backend whose grants hold between fewer parties than this: `Scope::Hosts` for anything that runs on several machines.
    pub fn require(self, scope: Scope) -> Self {
        self.set(move |builder| builder.require(scope))
    }

    /// How long [`connect`](Self::connect) goes on trying when the backend cannot be reached. Default: 10 s.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.set(move |builder| builder.connect_timeout(timeout))
    }

    /// Gives up every grant, and the session, while `heartbeat` is not fed.
    pub fn heartbeat(self, heartbeat: Heartbeat) -> Self {
        self.set(|builder| builder.heartbeat(heartbeat))
    }

    /// What to do about work that outlives its grant. Default: report it.
    pub fn overrun(self, policy: OverrunPolicy) -> Self {
        self.set(move |builder| builder.overrun(policy))
    }

    /// Tells `observer` everything that happens, on a thread of its own. A second call replaces the first one.
    pub fn report_to(self, observer: impl Observer) -> Self {
        self.set(|builder| builder.report_to(observer))
    }

    /// Declares that no two machines have the same machine id; see [`CoordinatorBuilder::unique_machine_ids`].
    pub fn unique_machine_ids(self) -> Self {
        self.set(CoordinatorBuilder::unique_machine_ids)
    }

    /// Asserts that no other process has the name of this node now. Trusted, not checked; see [`CoordinatorBuilder::exclusive_identity`].
    pub fn exclusive_identity(self) -> Self {
        self.set(CoordinatorBuilder::exclusive_identity)
    }

    /// Runs on `runtime` instead of a thread of its own.
    pub fn runtime(self, runtime: Arc<dyn Runtime>) -> Self {
        self.set(|builder| builder.runtime(runtime))
    }

    /// Opens the first session on the store at `url`, such as `memory:` or `memory:name`; [`StoreUrl`] lists what a URL can say.
    ///
    /// All coordinators of a process that name the same memory store share it; `memory:` alone is `memory:default`.
    ///
    /// # Errors
    /// `InvalidInput` for a malformed URL, an unknown scheme or option, a bad name or ttl; `Unsupported` for a scheme whose backend this
    /// build has not, and for what the backend cannot do; `Unavailable` when it cannot be reached in the connect timeout; `Denied`,
    /// `Incompatible` or `Corrupt` at once; `DuplicateNode` when a live process has the name of the node.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no session behind, or one that owns nothing and is closed in the background.
    pub async fn connect(self, url: &str) -> Result<Coordinator, Error> {
        self.connect_to(&StoreUrl::parse(url)?).await
    }

    /// The same with a URL that is parsed already, such as that of a [`Config`](crate::Config).
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// As [`connect`](Self::connect).
    pub async fn connect_to(self, url: &StoreUrl) -> Result<Coordinator, Error> {
        let backend = backends::open(url)?;
        let builder = self
            .settings
            .into_iter()
            .fold(Coordinator::builder(backend), |builder, setting| setting(builder));
        builder.connect().await
    }

    fn set(
        mut self,
        setting: impl FnOnce(CoordinatorBuilder) -> CoordinatorBuilder + Send + 'static,
    ) -> Self {
        self.settings.push(Box::new(setting));
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("settings", &self.settings.len()).finish()
    }
}
