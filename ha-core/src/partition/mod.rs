//! Partition assignment: which of the partitions are mine, and when may I start and must I stop.
//!
//! So many partitions are shared among the members of a group, each with one owner at most. Who gets what is decided by a [planner] on one of the members, the assignor, which is
//! elected; owners go on while there is none. See [`Partitions`].

mod assignor;
pub(crate) mod codec;
mod crew;
mod driver;
mod layout;
mod options;
mod owned;
mod owner;
mod ownership;
pub mod planner;
mod preside;
mod records;
mod run;
mod table;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use layout::{Layout, Layouts, Owner};
pub use options::DrainPolicy;
pub use owned::{OwnedPartition, Partition};
pub use ownership::Ownership;

use crate::coordinator::{Engine, Hub};
use crate::error::{Error, ErrorKind};
use crate::group::{Group, Profile};
use crate::names::Name;
use assignor::Policy;
use driver::Ports;
use layout::Atlas;
use planner::{Planner, Sticky};
use records::{Keys, MAX_PARTITIONS};

/// A number of partitions that the members of a group share: each runs on one of them at most.
///
/// Cheap to clone; the options belong to the handle. Get one from [`Coordinator::partitions`](crate::Coordinator::partitions). All members should use the same options: those of whichever
/// member assigns count.
///
/// # Guarantees
/// * A partition has at most one owner whose grant is valid. The token of each grant is larger than those of all earlier grants of that partition.
/// * A partition leaves an owner that lives only after the owner has ended its work, or has been told to and holds no valid grant any more.
/// * Owners go on while nobody assigns. Nothing is written while nothing changes.
/// * A partition whose owner dies has another one within the granted ttl and the backend's expiry slack.
/// * What cannot be placed is reported and keeps nothing else from being placed.
///
/// # Not promised
/// A [fence](crate::Grant::fence) of a partition's grant holds as long as this life of its member: it refuses whoever lost its session, but not who lost one partition of several. Hand
/// the token to the resource where that matters.
#[derive(Clone)]
#[must_use = "partitions are owned by `run`, `each` or `join`"]
pub struct Partitions {
    hub: Arc<Hub>,
    name: Name,
    count: u32,
    profile: Profile,
    replaces: String,
    fenced: bool,
    policy: Policy,
    group: Group,
    engine: Arc<Engine<owner::Owner>>,
}

impl Partitions {
    /// The most partitions of one group.
    pub const MAX_COUNT: u32 = MAX_PARTITIONS;
    /// How long a partition may take to end when it is revoked, unless [`drain`](Self::drain) says otherwise.
    pub const DRAIN: Duration = Duration::from_secs(10);

    pub(crate) fn new(hub: &Arc<Hub>, name: Name, count: u32) -> Result<Self, Error> {
        check_count("use partitions", &name, count)?;
        let keys = Keys::new(&name);
        let acks = Some(keys.acks.clone());
        let engine = hub.recipe("partition owner", &name, || {
            Engine::start(hub, owner::Owner::new(keys), Ports::new(name.clone()))
        });
        let group = Group::of(Keys::KIND, "partition view", hub, name.clone(), acks);
        let policy = Policy {
            planner: Arc::new(Sticky::new()),
            drain: Self::DRAIN,
            overdue: DrainPolicy::default(),
            hold: Duration::ZERO,
            min_members: 1,
            replan_every: None,
        };
        let (profile, replaces) = (Profile::new(), String::new());
        Ok(Self {
            hub: Arc::clone(hub),
            name,
            count,
            profile,
            replaces,
            fenced: false,
            policy,
            group,
            engine,
        })
    }

    /// Who should own what. Default: [`Sticky`].
    pub fn planner(mut self, planner: impl Planner) -> Self {
        self.policy.planner = Arc::new(planner);
        self
    }

    /// What this member says of itself: planners look at its weight, zone, roles and labels, and a member that is not ready owns nothing.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// How long a partition may take to end when it is revoked, and what happens when it takes longer. Default: [`DRAIN`](Self::DRAIN), then
    /// [`Wait`](DrainPolicy::Wait).
    pub fn drain(mut self, within: Duration, overdue: DrainPolicy) -> Self {
        (self.policy.drain, self.policy.overdue) = (within, overdue);
        self
    }

    /// Declares that whatever the partitions write to refuses smaller tokens than it has seen: see [`FencingGate`](crate::FencingGate). [`Force`](DrainPolicy::Force) needs it.
    pub fn fenced(mut self) -> Self {
        self.fenced = true;
        self
    }

    /// Keeps what a member has for the next life of its node, for so long after it is gone: nothing moves when a node is restarted in that time, but what a node had that is really dead is
    /// without an owner for so long. Default: nothing is kept, unless the member [announced](Ownership::announce_restart) its restart. Each assignor counts from its own first sight.
    pub fn keep_for(mut self, span: Duration) -> Self {
        self.policy.hold = span;
        self
    }

    /// Gives away nothing that has never been owned before so many members are here, so that the first one of a cold start does not get it all. Default: 1.
    pub fn min_members(mut self, members: usize) -> Self {
        self.policy.min_members = members;
        self
    }

    /// Plans again after each such span, for planners that look at more than members, such as [`ByLoad`](planner::ByLoad). Default: only when members change.
    pub fn replan_every(mut self, span: Duration) -> Self {
        self.policy.replan_every = Some(span.max(Duration::from_millis(10)));
        self
    }

    /// Takes the place of another node: everything that it has moves here, and nothing else does. For replacing a node by a new one before the old one is stopped.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name, or the own one.
    pub fn replaces(mut self, node: &str) -> Result<Self, Error> {
        let node = Name::parse_user("node", node)?;
        if node == self.hub.identity().node {
            return Err(Error::new(ErrorKind::InvalidInput, "replace node")
                .on(format_args!("\"{node}\""))
                .because("a node does not replace itself; its next life gets what is kept for it"));
        }
        self.replaces = node.as_str().into();
        Ok(self)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// How many partitions this handle was made for.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The members: their view, changes and operators' statuses. A drained member gives up what it has, in good order.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Who owns the partition, as far as this process knows: news, not a right. The first time it waits until anything is known. Members and observers may ask.
    ///
    /// # Errors
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn owner_of(&self, partition: u32) -> Result<Option<Owner>, Error> {
        Ok(self.layout().await?.owner_of(partition))
    }

    /// Who owns what, as far as this process knows. The first time it waits until anything is known.
    ///
    /// # Errors
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn layout(&self) -> Result<Layout, Error> {
        let mut layouts = self.layouts();
        layouts.next().await.ok_or_else(|| crate::coordinator::closed("look at partitions", self.name()))
    }

    /// Who owns what, from now on.
    #[must_use]
    pub fn layouts(&self) -> Layouts {
        Layouts::new(Atlas::of(&self.hub, &self.name))
    }

    /// The member that ranks highest for a key among those that are available, by [rendezvous](planner::Rendezvous): the same one wherever it is asked, as long as the members are the
    /// same, and another one only if that member goes or a new one ranks higher. Members and observers may ask. `None` when nobody is here.
    ///
    /// # Errors
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn route(&self, key: &[u8]) -> Result<Option<crate::group::Member>, Error> {
        let view = self.group.view().await?;
        let ranked = view.available().filter(|member| member.weight > 0);
        let ranked = ranked.map(|member| (planner::rank(&member.node, key, member.weight), member));
        Ok(ranked
            .max_by(|(a, x), (b, y)| a.total_cmp(b).then(y.node.cmp(&x.node)))
            .map(|(_, member)| member.clone()))
    }

    fn check(&self) -> Result<(), Error> {
        let refused = |kind, reason: &str| {
            Err(Error::new(kind, "join partitions").on(format_args!("\"{}\"", self.name)).because(reason))
        };
        if self.hub.identity().observer {
            let reason = "this coordinator is an observer and can own nothing; connect without `observer()`";
            return refused(ErrorKind::Unsupported, reason);
        }
        if self.policy.overdue == DrainPolicy::Force && !self.fenced {
            let reason = "moving by force needs resources that check tokens; declare them with `fenced()`, or choose another policy";
            return refused(ErrorKind::InvalidInput, reason);
        }
        Ok(())
    }
}

fn check_count(operation: &'static str, name: &Name, count: u32) -> Result<(), Error> {
    if count == 0 || count > MAX_PARTITIONS {
        return Err(Error::new(ErrorKind::InvalidInput, operation)
            .on(format_args!("\"{name}\""))
            .because(format_args!("{count} partitions; there are 1 to {MAX_PARTITIONS}")));
    }
    Ok(())
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions")
            .field("name", &self.name)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
