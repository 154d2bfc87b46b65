//! Group membership: who is here, what can they do, are they ready.

mod board;
mod driver;
mod membership;
mod profile;
mod records;
mod state;
mod status;
mod view;
mod viewing;

use std::fmt;
use std::sync::{Arc, OnceLock};

pub use board::Changes;
pub use membership::Membership;
pub use profile::Profile;
pub use view::{Change, Member, Status, View};

pub(crate) use driver::Presence;
pub(crate) use records::MemberRecord;
pub(crate) use view::is_drained;

use crate::coordinator::{Engine, Hub, closed};
use crate::error::{Error, ErrorKind};
use crate::names::{Collection, Name};
use crate::spi::Stamp;
use board::Board;
use driver::Ports;
use records::Keys;
use state::{Request, State};
use viewing::Viewing;

/// A group of nodes that know of each other.
///
/// Cheap to clone. Get one from [`Coordinator::group`](crate::Coordinator::group). Joining is for members; views, changes and
/// statuses are for everybody, observers without a lease included (except [`set_status`](Self::set_status)).
///
/// # Guarantees
/// * A member is soon in every current view, until it leaves or its process dies; after that it is soon in none. One that lost its session, or whose
///   entry somebody deleted, joins again by itself, as a larger incarnation.
/// * A member that died is out of every view within its ttl and the expiry slack of the backend; one that renews its session in time never is.
/// * One node is a member once. The next life of a node has a larger incarnation, and the late end of an earlier life never removes it.
/// * Views and changes are numbered without a gap; where something may have been missed, [`Change::Resynced`] says so.
///
/// # Not promised
/// A view is news, not a right: a member can have died since. Nor do two processes see the same changes in the same batches, or number them alike.
#[derive(Clone)]
pub struct Group {
    engine: Arc<Engine<State>>,
    /// Whose group it is, and under what name its view is shared.
    kind: &'static str,
    view_of: &'static str,
    /// Watching begins with the first look: a member that looks at nobody costs one watched key.
    viewing: Arc<OnceLock<Arc<Engine<Viewing>>>>,
}

impl Group {
    pub(crate) fn new(hub: &Arc<Hub>, name: Name) -> Self {
        Self::of("group", "group view", hub, name, None)
    }

    /// The group that another recipe, `kind`, stands on. Whoever acts as a member has another entry in `acts`: the member's own is deleted only while that is there, or once the recipe has said that
    /// it [ceased](Self::tell_ceased) to act.
    pub(crate) fn of(
        kind: &'static str,
        view: &'static str,
        hub: &Arc<Hub>,
        name: Name,
        acts: Option<Collection>,
    ) -> Self {
        let engine = hub.recipe(format!("{kind} members"), &name, || {
            let node = hub.identity().node.clone();
            let keys = Keys::of(kind, &name, &node).with_acts(acts);
            let state = State::new(keys, node, hub.capabilities().expiry_slack);
            Engine::start(hub, state, Ports::new(name.clone()))
        });
        Self { engine, kind, view_of: view, viewing: Arc::new(OnceLock::new()) }
    }

    /// Tells `follower` of every entry and end of this node's membership from now on.
    pub(crate) fn follow(&self, follower: impl Fn(Presence) + Send + Sync + 'static) {
        self.engine.ports.follow(Box::new(follower));
    }

    /// Tells the group that nobody acts any more as the member of an entry that [is gone](Presence::Gone).
    pub(crate) fn tell_ceased(&self) -> impl Fn(Stamp) + Send + Sync + 'static {
        let weak = Arc::downgrade(&self.engine);
        move |member| {
            weak.upgrade().into_iter().for_each(|engine| engine.request(Request::Ceased(member.clone())))
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.engine.ports.name().as_str()
    }

    /// Joins, and stays a member until the membership is left or dropped, in new sessions as well.
    ///
    /// Waits through outages of the backend. Where the node is a member already, of a session that is not over yet, waits until that is gone.
    ///
    /// # Errors
    /// `InvalidInput`, `TooLarge` for the profile; `InvalidInput` when this coordinator has joined the group already; `Unsupported` on an observer;
    /// `DuplicateNode` when another process is a member as the same node, for longer than a dead one could be; `Closed` after a shutdown; `Denied` from the
    /// backend.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no member behind.
    pub async fn join(&self, profile: Profile) -> Result<Membership, Error> {
        let identity = self.engine.hub().identity();
        if identity.observer {
            return Err(Error::new(ErrorKind::Unsupported, "join group")
                .on(format_args!("\"{}\"", self.name()))
                .because(
                    "this coordinator is an observer and can be no member; connect without `observer()`",
                ));
        }
        profile.check("join group", &identity.node)?;
        let (caller, answer) = self.engine.ports.wait_join();
        let membership = self.engine.ports.number();
        let mut cancel = CancelOnDrop { engine: &self.engine, joining: Some((caller, membership)) };
        self.engine.request(Request::Join { caller, membership, profile: Box::new(profile) });
        let answer = answer.await;
        cancel.joining = None;
        answer.unwrap_or_else(|_gone| Err(closed("join group", self.name())))
    }

    /// The present view; the first time, once anything is known. Later without waiting, as long as this handle, a clone or its [`Changes`] are kept:
    /// with the last of them the watch ends, and another handle begins anew.
    ///
    /// # Errors
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn view(&self) -> Result<View, Error> {
        self.until("look at group", |view| Some(view.clone())).await
    }

    /// What changes from now on, beginning with the present view.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes::new(Arc::clone(self.viewing()))
    }

    /// Waits until the group has `count` members at least, and returns that view.
    ///
    /// # Errors
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn wait_for(&self, count: usize) -> Result<View, Error> {
        self.wait_until(|view| view.len() >= count).await
    }

    /// Waits until a current view is as `wanted` says, and returns it.
    ///
    /// # Errors
    /// `Closed` after a shutdown.
    ///
    /// # Cancel safety
    /// Reads only.
    pub async fn wait_until(&self, mut wanted: impl FnMut(&View) -> bool) -> Result<View, Error> {
        self.until("wait for group", |view| (view.is_current() && wanted(view)).then(|| view.clone())).await
    }

    /// Sets what an operator wants of a node: of one that is not there as well, and for its next lives too. Whoever may write may set it, also of nodes that are not its
    /// own.
    ///
    /// # Errors
    /// `InvalidInput` for a bad name; `Unsupported` on an observer; `Unavailable` while there is no session, and the errors of a commit.
    ///
    /// # Cancel safety
    /// The status may or may not have been set.
    pub async fn set_status(&self, node: &str, status: Status) -> Result<(), Error> {
        let node = Name::parse_user("node", node)?;
        status::set(self.engine.hub(), (self.kind, self.engine.ports.name()), node, status).await
    }

    async fn until<T>(
        &self,
        operation: &'static str,
        mut look: impl FnMut(&View) -> Option<T>,
    ) -> Result<T, Error> {
        let closed = || closed(operation, self.name());
        board::until(self.viewing(), |board| board.view().and_then(|view| look(&view)), closed).await
    }

    fn viewing(&self) -> &Arc<Engine<Viewing>> {
        self.viewing.get_or_init(|| {
            let (hub, name) = (self.engine.hub(), self.engine.ports.name());
            hub.recipe(self.view_of, name, || {
                let keys = Keys::of(self.kind, name, &hub.identity().node);
                Engine::start(hub, Viewing::new(keys), Board::new(self.name()))
            })
        })
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Leaves when the future of a join is dropped.
struct CancelOnDrop<'a> {
    engine: &'a Arc<Engine<State>>,
    joining: Option<(u64, u64)>,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if let Some((caller, membership)) = self.joining {
            self.engine.ports.cancel_join(caller);
            self.engine.request(Request::Cancel { membership });
        }
    }
}
