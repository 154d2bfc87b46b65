//! Leader election: which one of us is active, with what token, and who is next.

mod driver;
mod leadership;
mod observer;
mod records;
mod state;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tracing::Instrument;

pub use leadership::{Leadership, TransferError};
pub use observer::{Leader, Observation, Observer};
pub use state::Predecessor;

use crate::coordinator::{Engine, Grant, Heartbeat, Hub, Lifetime, closed};
use crate::error::{Error, ErrorKind};
use crate::names::Name;
use crate::zoo::{Bug, planted};
use driver::Ports;
use records::Keys;
use state::{Candidacy, Request, State};

/// An election among the nodes of a namespace. At most one leads.
///
/// Cheap to clone; the options belong to the handle. Get one from [`Coordinator::election`](crate::Coordinator::election).
///
/// # Guarantees
/// * At most one leader is valid at any instant; each term has a larger token than all before it.
/// * A leader that cannot renew its session learns that it lost before anybody else is elected.
/// * A planned hand-over costs at most three round trips; after a crash the next candidate leads within the granted ttl and the backend's expiry slack.
/// * Each new leader learns how the one before ended: [`Predecessor`].
///
/// # Ranks
/// Whoever leadership was handed to comes first, then the higher priority, then the older candidate. Ranks decide who tries first, not who may: a newcomer can
/// win in the gap, and hands over to a better candidate if it [may be preempted](Self::preempt).
#[derive(Clone)]
pub struct Election {
    engine: Arc<Engine<State>>,
    candidacy: Candidacy,
    requires: Vec<Name>,
}

impl Election {
    /// The longest address, in bytes.
    pub const ADDRESS_BYTES: usize = 1_024;

    pub(crate) fn new(hub: &Arc<Hub>, name: Name) -> Self {
        Self::of("election", "election", hub, name)
    }

    /// The election in which another recipe, `kind`, elects whoever leads there, called `office`.
    pub(crate) fn of(kind: &'static str, office: &'static str, hub: &Arc<Hub>, name: Name) -> Self {
        let engine = hub.recipe(office, &name, || {
            let state = State::new(Keys::new(kind, &name), hub.identity().node.clone());
            Engine::start(hub, state, Ports::new(office, name.clone()))
        });
        Self {
            engine,
            candidacy: Candidacy { priority: 0, address: None, preempt: true },
            requires: Vec::new(),
        }
    }

    /// Stands with this priority; the higher one is elected. Default: 0.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.candidacy.priority = priority;
        self
    }

    /// Whether this node, leading, hands over to a candidate of higher priority that has been there for half a second. Default: true; it matters only where priorities
    /// differ. The grant is then lost with the reason `Transferred`.
    #[must_use]
    pub fn preempt(mut self, preempt: bool) -> Self {
        self.candidacy.preempt = preempt;
        self
    }

    /// Tells observers where this node can be reached when it leads: at most [`ADDRESS_BYTES`](Self::ADDRESS_BYTES), or campaigning fails.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.candidacy.address = Some(address.into());
        self
    }

    /// Lets only nodes stand that were given `capability` when they connected.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name.
    pub fn requires(mut self, capability: &str) -> Result<Self, Error> {
        self.requires.push(Name::parse_user("capability", capability)?);
        Ok(self)
    }

    /// Resigns, and does not stand, while `heartbeat` is not fed: a hung service loses leadership though its renewals go on. Applies to all handles of this
    /// election in this coordinator.
    #[must_use]
    pub fn heartbeat(self, heartbeat: &Heartbeat) -> Self {
        let engine = Arc::downgrade(&self.engine);
        let stop = self.engine.ports.gone.clone();
        heartbeat.monitor(self.engine.hub().runtime(), stop, move |healthy| {
            engine.upgrade().map(|engine| engine.request(Request::Health(healthy))).is_some()
        });
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.engine.ports.name().as_str()
    }

    /// Stands until elected, as long as it takes: through outages of the backend and losses of the session as well.
    ///
    /// Several callers in one process are elected one after the other.
    ///
    /// # Errors
    /// `Unsupported` on an observer or a node that lacks a required capability; `TooLarge` for the address; `Closed` after a shutdown; `Denied`, `Corrupt` from the backend.
    ///
    /// # Cancel safety
    /// Dropping the future withdraws the candidate: no ghost leads, nobody waits behind one.
    pub async fn campaign(&self) -> Result<Leadership, Error> {
        self.check()?;
        let hub = self.engine.hub();
        let priority = self.candidacy.priority;
        let span =
            tracing::info_span!("campaign", election = %self.name(), node = %hub.identity().node, priority);
        let standing = async {
            loop {
                let leadership = self.campaign_once().await?;
                // A process that was frozen since it was elected goes on standing.
                if leadership.is_valid() || planted(Bug::ExpiredGrantHandedOut) {
                    return Ok(leadership);
                }
            }
        };
        let since = hub.runtime().now();
        let elected = standing.instrument(span).await;
        if elected.is_ok() {
            hub.meters().waited(self.engine.ports.office(), hub.runtime().now().saturating_since(since));
        }
        elected
    }

    async fn campaign_once(&self) -> Result<Leadership, Error> {
        let (caller, answer) = self.engine.ports.wait_campaign();
        let mut cancel = CancelOnDrop { engine: &self.engine, caller: Some(caller) };
        self.engine.request(Request::Campaign { caller, candidacy: self.candidacy.clone() });
        let answer = answer.await;
        cancel.caller = None;
        answer.unwrap_or_else(|_gone| Err(closed("campaign", self.name())))
    }

    /// Runs `work` whenever this node leads. Returns its output once it ends by itself, after resigning.
    ///
    /// When leadership is lost the future of `work` is dropped first; then this node resigns if it still can, stands again, and calls `work` again with a new grant.
    /// What `work` has spawned must watch [`Grant::cancellation`]. Work that keeps its thread busy cannot be dropped: that is
    /// reported as an overrun. If `work` panics, leadership is resigned and the panic goes on.
    ///
    /// # Errors
    /// As [`campaign`](Self::campaign). After a shutdown: `Closed`, with the work ended.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work, then resigns in the background.
    pub async fn run<F, Fut>(&self, mut work: F) -> Result<Fut::Output, Error>
    where
        F: FnMut(Grant) -> Fut + Send,
        Fut: Future + Send,
    {
        loop {
            let leadership = self.campaign().await?;
            let ended = guarded(&leadership, work(leadership.grant())).await;
            leadership.resign().await?;
            if let Some(output) = ended {
                return Ok(output);
            }
        }
    }

    /// Hands leadership, which this process holds through [`run`](Self::run) or another task's [`Leadership`], over to the node `node`.
    ///
    /// The holder's grant is lost with the reason `Transferred`; once the holder has let go, leadership is handed over, and this call returns. A task that holds the
    /// [`Leadership`] itself calls [`Leadership::transfer_to`] instead.
    ///
    /// # Errors
    /// `InvalidInput` when this node does not lead or `node` does not stand as a candidate: nothing was changed. `Unavailable` when the candidate vanished at the
    /// last moment: leadership was resigned. `SessionLost` when it was lost meanwhile.
    ///
    /// # Cancel safety
    /// The transfer goes on.
    pub async fn transfer_to(&self, node: &str) -> Result<(), Error> {
        let target = Name::parse_user("node", node)?;
        let (caller, done) = self.engine.ports.wait_transfer();
        self.engine.request(Request::Transfer { target, caller });
        done.await.unwrap_or_else(|_gone| Err(closed("transfer leadership", self.name())))
    }

    /// Follows who leads, without standing.
    #[must_use]
    pub fn observe(&self) -> Observer {
        Observer::new(self.engine.hub(), self.engine.ports.name())
    }

    fn check(&self) -> Result<(), Error> {
        let identity = self.engine.hub().identity();
        let name = self.engine.ports.name();
        if identity.observer {
            return Err(Error::new(ErrorKind::Unsupported, "campaign")
                .on(format_args!("\"{name}\""))
                .because(
                    "this coordinator is an observer and can hold nothing; connect without `observer()`",
                ));
        }
        if let Some(missing) = self.requires.iter().find(|wanted| !identity.capabilities.contains(*wanted)) {
            return Err(leadership::not_eligible(name, &identity.node, missing));
        }
        let length = self.candidacy.address.as_ref().map_or(0, String::len);
        if length > Self::ADDRESS_BYTES {
            return Err(Error::new(ErrorKind::TooLarge, "campaign").on(format_args!("\"{name}\"")).because(
                format_args!("the address has {length} bytes, at most {} are taken", Self::ADDRESS_BYTES),
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Election")
            .field("name", &self.name())
            .field("candidacy", &self.candidacy)
            .finish_non_exhaustive()
    }
}

/// Withdraws when the future of a campaign is dropped.
struct CancelOnDrop<'a> {
    engine: &'a Arc<Engine<State>>,
    caller: Option<u64>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(caller) = self.caller {
            self.engine.ports.cancel_campaign(caller);
            self.engine.request(Request::Cancel { caller });
        }
    }
}

/// Runs `work` until it ends or the grant is lost; in both cases it is dropped before this returns.
async fn guarded<T>(grant: &Grant, work: impl Future<Output = T> + Send) -> Option<T> {
    // Declared first, so dropped last: the work is noted as running until it is gone, also in a panic.
    let _running = Running::start(grant);
    let work = std::pin::pin!(work);
    tokio::select! {
        biased;
        _ = grant.lost() => None,
        output = work => Some(output),
    }
}

/// Notes that guarded work runs, for the watch on overruns.
struct Running {
    life: Arc<Lifetime>,
    id: u64,
}

impl Running {
    fn start(grant: &Grant) -> Self {
        let life = Arc::clone(grant.life());
        let id = life.work_started(format!("election \"{}\"", grant.name()));
        Self { life, id }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.life.work_ended(self.id);
    }
}
