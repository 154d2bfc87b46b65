//! Connecting a coordinator.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Instrument;

use super::health::Heartbeat;
use super::hub::{Control, Hub, Identity};
use super::identity::{Claims, Identified};
use super::overrun::OverrunPolicy;
use super::reporting::{ObservedBy, Observer, Reporter};
use super::supervisor::{Settings, Supervisor};
use super::{Coordinator, Owner};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::runtime::{IoThread, LocalProcesses, Processes, Runtime};
use crate::spi::{Backend, Scope, SessionRequest};
use crate::token::Ttl;

/// Settings of a [`Coordinator`]. Nothing is checked or sent before [`connect`](Self::connect).
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct CoordinatorBuilder {
    backend: Arc<dyn Backend>,
    namespace: String,
    node: Option<String>,
    ttl: Duration,
    capabilities: Vec<String>,
    observer: bool,
    scope: Scope,
    connect_timeout: Duration,
    heartbeat: Option<Heartbeat>,
    overrun: OverrunPolicy,
    runtime: Option<Arc<dyn Runtime>>,
    observed_by: Option<ObservedBy>,
    processes: Arc<dyn Processes>,
    claims: Claims,
}

impl CoordinatorBuilder {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            namespace: "default".into(),
            node: None,
            ttl: Ttl::DEFAULT.as_duration(),
            capabilities: Vec::new(),
            observer: false,
            scope: Scope::Threads,
            connect_timeout: Duration::from_secs(10),
            heartbeat: None,
            overrun: OverrunPolicy::Report,
            runtime: None,
            observed_by: None,
            processes: Arc::new(LocalProcesses::new()),
            claims: Claims::default(),
        }
    }

    /// Keeps the platform apart from others in the same store. Default: `default`.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// The stable name of this node, the same after a restart. Default: the host name and the process id, a name that no restart has again.
    ///
    /// One process at a time has a name. A new one takes it over from its dead predecessor, whose session it ends at once where the death is proven and the
    /// backend can end sessions; otherwise it waits until that session is over.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// How long others wait for this node's grants after it died. Default: 10 s. A backend may grant more than is asked for.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Adds something that this node can do, such as `timers`, for elections that require it.
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// Reads and watches only: needs no lease, can hold nothing.
    pub fn observer(mut self) -> Self {
        self.observer = true;
        self
    }

    /// Refuses a backend whose grants hold between fewer parties than this: `Scope::Hosts` for anything that runs on several machines.
    pub fn require(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// How long [`connect`](Self::connect) goes on trying when the backend cannot be reached. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Gives up every grant, and the session, while `heartbeat` is not fed.
    pub fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.heartbeat = Some(heartbeat);
        self
    }

    /// What to do about work that outlives its grant. Default: report it.
    pub fn overrun(mut self, policy: OverrunPolicy) -> Self {
        self.overrun = policy;
        self
    }

    /// Declares that no two machines have the same machine id: none was cloned with its `/etc/machine-id`. A process on a machine that was started anew then
    /// need not wait for its predecessor. Predecessor and successor both have to declare it. If it is wrong, a node can end the session of another one
    /// that lives: two of one name.
    pub fn unique_machine_ids(mut self) -> Self {
        self.claims.unique_machines = true;
        self
    }

    /// Asserts that whoever starts this process has seen to it that no other process has the name of this node now, as a Kubernetes `StatefulSet` does: whoever
    /// has the name is dead, and its session is ended at once.
    ///
    /// This is trusted and cannot be checked. If it is wrong, and the predecessor is merely frozen or cut off, it goes on believing in its grants until
    /// its own deadline, while others are granted the same: two holders for up to a ttl. Their tokens still tell them apart.
    pub fn exclusive_identity(mut self) -> Self {
        self.claims.exclusive = true;
        self
    }

    /// Asks `processes` which process this is, and whether others are gone, instead of the operating system.
    pub fn processes(mut self, processes: Arc<dyn Processes>) -> Self {
        self.processes = processes;
        self
    }

    /// Runs on `runtime` instead of a thread of its own.
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Tells `observer` everything that happens, on a thread of its own. A second call replaces the first one.
    pub fn report_to(mut self, observer: impl Observer) -> Self {
        self.observed_by = Some(ObservedBy(Arc::new(observer)));
        self
    }

    /// Opens the first session.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name or ttl; `Unsupported` for what the backend cannot do; `Unavailable` when it cannot be reached in
    /// the connect timeout; `Denied`, `Incompatible` or `Corrupt` at once. `DuplicateNode` when another session has had the name of the node for longer than that
    /// of a dead process could: its ttl, a margin, and the expiry slack of the backend, which are waited for in addition to the connect timeout.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no session behind, or one that owns nothing and is closed in the background.
    pub async fn connect(self) -> Result<Coordinator, Error> {
        let identity = self.identity()?;
        self.check_capabilities()?;
        let (runtime, io_thread) = match self.runtime {
            Some(runtime) => (runtime, None),
            None => {
                let thread = IoThread::start()?;
                (Arc::new(thread.runtime()) as Arc<dyn Runtime>, Some(thread))
            }
        };
        let mut request =
            SessionRequest::observer(identity.namespace.clone(), identity.node.clone(), Arc::clone(&runtime));
        if !self.observer {
            request = request.with_ttl(self.ttl);
        }
        let (hub, commands) = Hub::new(identity, self.backend.capabilities().clone(), Arc::clone(&runtime));
        if let Some(observer) = self.observed_by {
            hub.report_to(Reporter::start(observer)?);
        }
        let identified = (!self.observer).then(|| Identified::new(self.processes, self.claims));
        let settings = Settings { connect_timeout: self.connect_timeout, overrun: self.overrun, identified };
        let supervisor =
            Supervisor::new(Arc::clone(&hub), self.backend, request, settings, commands, io_thread);
        let owner = Owner::new(hub);
        let (connected, result) = oneshot::channel();
        let span = owner.hub.span();
        runtime.spawn("supervisor", Box::pin(supervisor.run(connected).instrument(span)));
        result.await.map_err(|_gone| super::machine::closed("connect", "coordinator"))??;
        if let Some(heartbeat) = &self.heartbeat {
            let hub = Arc::downgrade(&owner.hub);
            heartbeat.monitor(&runtime, owner.dropped.clone(), move |healthy| {
                hub.upgrade().map(|hub| hub.control(Control::Health(healthy))).is_some()
            });
        }
        Ok(Coordinator(Arc::new(owner)))
    }

    fn identity(&self) -> Result<Identity, Error> {
        let node = self.node.clone().unwrap_or_else(default_node);
        Ok(Identity {
            namespace: Name::parse_user("namespace", &self.namespace)?,
            node: Name::parse_user("node", &node)?,
            capabilities: self
                .capabilities
                .iter()
                .map(|capability| Name::parse_user("capability", capability))
                .collect::<Result<BTreeSet<_>, _>>()?,
            observer: self.observer,
        })
    }

    fn check_capabilities(&self) -> Result<(), Error> {
        let able = self.backend.capabilities();
        if able.scope < self.scope {
            return Err(Error::new(ErrorKind::Unsupported, "use the backend").on(able.backend).because(
                format_args!(
                    "its grants hold between {}, and {} are required; use etcd, ZooKeeper or Redis",
                    scope_text(able.scope),
                    scope_text(self.scope)
                ),
            ));
        }
        if self.observer {
            return Ok(());
        }
        let ttl = Ttl::parse(self.ttl)?.as_duration();
        if ttl < able.ttl_min || ttl > able.ttl_max {
            return Err(Error::new(ErrorKind::Unsupported, "set ttl").on(format_args!("{ttl:?}")).because(
                format_args!("the backend {} takes {:?} to {:?}", able.backend, able.ttl_min, able.ttl_max),
            ));
        }
        Ok(())
    }
}

fn scope_text(scope: Scope) -> &'static str {
    match scope {
        Scope::Threads => "the tasks of one process",
        Scope::Processes => "the processes of one machine",
        Scope::Hosts => "several machines",
    }
}

#[cfg(target_os = "linux")]
fn default_node() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host = if host.is_empty() { "node".into() } else { host };
    format!("{host}-{}{}", std::process::id(), nth_default())
}

#[cfg(not(target_os = "linux"))]
fn default_node() -> String {
    format!("node-{}{}", std::process::id(), nth_default())
}

/// Tells the coordinators of one process apart that were given no name.
fn nth_default() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    match NEXT.fetch_add(1, Ordering::Relaxed) {
        1 => String::new(),
        nth => format!("-{nth}"),
    }
}
