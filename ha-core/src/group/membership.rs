//! Being a member.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::profile::Profile;
use super::state::{Request, State};
use crate::coordinator::{Engine, Heartbeat, closed};
use crate::error::Error;
use crate::sync::lock;
use crate::token::Token;

/// This node's membership in a group, as long as it is kept: in a new session after a loss as well.
///
/// Dropping it leaves in the background.
#[must_use = "dropping a membership leaves the group"]
pub struct Membership {
    engine: Arc<Engine<State>>,
    id: u64,
    wanted: Mutex<Wanted>,
    left: bool,
}

/// What the member wants to say of itself, and how often it changed its mind.
struct Wanted {
    profile: Profile,
    version: u64,
}

impl Membership {
    pub(super) fn new(engine: Arc<Engine<State>>, id: u64, profile: Profile) -> Self {
        Self { engine, id, wanted: Mutex::new(Wanted { profile, version: 0 }), left: false }
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &str {
        self.engine.hub().identity().node.as_str()
    }

    /// As which incarnation it is in the group now. `None` while it is not: between the loss of a session and the next one, or after its
    /// entry was deleted by somebody. Each is larger than all before it.
    #[must_use]
    pub fn incarnation(&self) -> Option<Token> {
        self.engine.ports.incarnation(self.id)
    }

    /// What the member wants to say of itself.
    pub fn profile(&self) -> Profile {
        lock(&self.wanted).profile.clone()
    }

    /// Changes what the member says of itself; returns once it is stored.
    ///
    /// # Guarantees
    /// The latest change wins, and stays: what is stored in between, and after a new session or a store that forgot, is never older than what this
    /// call returned for.
    ///
    /// # Errors
    /// `InvalidInput`, `TooLarge`: beyond the limits of a [`Profile`]; nothing changed. `Closed` after a shutdown. The errors of a commit that trying again
    /// does not help against, such as `Denied`; it is tried again nevertheless, until it works or another change replaces it.
    ///
    /// # Cancel safety
    /// The change is made.
    pub async fn update(&self, change: impl FnOnce(Profile) -> Profile) -> Result<(), Error> {
        let (caller, done) = {
            let mut wanted = lock(&self.wanted);
            let profile = change(wanted.profile.clone());
            profile.check("update membership", &self.engine.hub().identity().node)?;
            wanted.profile = profile.clone();
            wanted.version += 1;
            let version = wanted.version;
            drop(wanted);
            let (caller, done) = self.engine.ports.wait_update();
            let (membership, profile) = (self.id, Box::new(profile));
            self.engine.request(Request::Update { membership, caller, version, profile });
            (caller, done)
        };
        let answer = done.await;
        answer.unwrap_or_else(|_gone| {
            tracing::debug!(caller, "nobody is left to store the change");
            Err(closed("update membership", self.engine.ports.name().as_str()))
        })
    }

    /// Says whether it can serve; see [`Profile::ready`] and [`update`](Self::update).
    ///
    /// # Errors
    /// As [`update`](Self::update).
    ///
    /// # Cancel safety
    /// The change is made.
    pub async fn set_ready(&self, ready: bool) -> Result<(), Error> {
        self.update(|profile| profile.ready(ready)).await
    }

    /// Says what it is doing; see [`Profile::state`] and [`update`](Self::update).
    ///
    /// # Errors
    /// As [`update`](Self::update).
    ///
    /// # Cancel safety
    /// The change is made.
    pub async fn set_state(&self, state: &str) -> Result<(), Error> {
        self.update(|profile| profile.state(state)).await
    }

    /// Shows the member as not ready while `heartbeat` is not fed, whatever it says itself. It stays a member. A health check that is a closure is a
    /// [`Heartbeat::checked`]. The limit runs from this call on: a service that is not healthy yet joins with [`Profile::ready`] false.
    pub fn ready_while(&self, heartbeat: &Heartbeat) {
        let engine = Arc::downgrade(&self.engine);
        let (membership, stop) = (self.id, self.engine.ports.gone.clone());
        heartbeat.monitor(self.engine.hub().runtime(), stop, move |healthy| {
            engine.upgrade().map(|engine| engine.request(Request::Health { membership, healthy })).is_some()
        });
    }

    /// Leaves, and returns once the member is in no new view.
    ///
    /// A broken connection does not lose it: it is repeated until it is done or the session is over.
    ///
    /// # Errors
    /// None at present.
    ///
    /// # Cancel safety
    /// Leaving goes on in the background.
    pub async fn leave(mut self) -> Result<(), Error> {
        let (caller, done) = self.engine.ports.wait_leave();
        self.let_go(Some(caller));
        // An answer that cannot come any more means that the session is over.
        drop(done.await);
        Ok(())
    }

    fn let_go(&mut self, caller: Option<u64>) {
        self.left = true;
        self.engine.request(Request::Leave { membership: self.id, caller });
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if !self.left {
            self.let_go(None);
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("group", &self.engine.ports.name())
            .field("incarnation", &self.incarnation())
            .finish_non_exhaustive()
    }
}
