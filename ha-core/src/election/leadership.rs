//! Leadership, held.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::state::{Predecessor, Request, State};
use crate::coordinator::{Engine, Grant, LossReason, closed};
use crate::error::{Error, ErrorKind};
use crate::names::Name;

/// Leadership of an election, held. Derefs to [`Grant`]: watch [`lost`](Grant::lost), hand on the [`token`](Grant::token), which is the term.
///
/// Dropping it resigns in the background. End the guarded work before, or let [`Election::run`](super::Election::run) see to it.
#[must_use = "dropping leadership resigns it"]
pub struct Leadership {
    engine: Arc<Engine<State>>,
    id: u64,
    grant: Grant,
    predecessor: Predecessor,
    resigned: bool,
}

/// Why [`Leadership::transfer_to`] failed, and the leadership if it is still held.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransferError {
    /// What went wrong.
    pub error: Error,
    /// The leadership, unchanged, when nothing was done. `None` when it was resigned or lost on the way.
    pub leadership: Option<Leadership>,
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl std::error::Error for TransferError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Leadership {
    pub(super) fn new(engine: Arc<Engine<State>>, id: u64, grant: Grant, predecessor: Predecessor) -> Self {
        Self { engine, id, grant, predecessor, resigned: false }
    }

    /// A clone of the grant, for work that is spawned.
    #[must_use]
    pub fn grant(&self) -> Grant {
        self.grant.clone()
    }

    /// How the leader before ended: whether its work may be half done.
    #[must_use]
    pub fn predecessor(&self) -> &Predecessor {
        &self.predecessor
    }

    /// Resigns, and returns once others can be elected. End the guarded work before.
    ///
    /// A broken connection does not lose the resignation: it is repeated until it is done or the session is over.
    ///
    /// # Errors
    /// None at present.
    ///
    /// # Cancel safety
    /// The resignation goes on in the background.
    pub async fn resign(mut self) -> Result<(), Error> {
        let (caller, done) = self.engine.ports.wait_resignation();
        self.let_go(Some(caller));
        // An answer that cannot come any more means that the session is over.
        drop(done.await);
        Ok(())
    }

    /// Hands leadership over to the candidate of the node `node`. End the guarded work before.
    ///
    /// The node is looked up first: if it does not stand as a candidate nothing is changed, and the leadership comes back with the error. Should the
    /// candidate vanish after that, leadership is resigned, and the next candidate takes over.
    ///
    /// # Errors
    /// `InvalidInput` when the node does not stand; the errors of a listing; `SessionLost` when leadership was lost meanwhile.
    ///
    /// # Cancel safety
    /// The transfer may or may not be made; in both cases this node no longer leads.
    pub async fn transfer_to(self, node: &str) -> Result<(), Box<TransferError>> {
        let target = match Name::parse_user("node", node) {
            Ok(target) => target,
            Err(error) => return Err(Box::new(TransferError { error, leadership: Some(self) })),
        };
        let (caller, mut done) = self.engine.ports.wait_transfer();
        self.engine.request(Request::Transfer { target, caller });
        let early = tokio::select! {
            biased;
            early = &mut done => Some(early),
            _ = self.grant.lost() => None,
        };
        let gone = || closed("transfer leadership", node);
        if let Some(result) = early {
            let error = match result {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_gone) => gone(),
            };
            let leadership = self.grant.is_valid().then_some(self);
            return Err(Box::new(TransferError { error, leadership }));
        }
        drop(self);
        match done.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Box::new(TransferError { error, leadership: None })),
            Err(_gone) => Err(Box::new(TransferError { error: gone(), leadership: None })),
        }
    }

    fn let_go(&mut self, caller: Option<u64>) {
        self.resigned = true;
        if let Some(grant) = self.engine.ports.end(self.id, LossReason::Released) {
            self.engine.hub().ended(self.engine.ports.office(), &grant);
        }
        self.engine.request(Request::Resign { leadership: self.id, caller });
    }
}

impl Deref for Leadership {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.grant
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        if !self.resigned {
            self.let_go(None);
        }
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leadership")
            .field("grant", &self.grant)
            .field("predecessor", &self.predecessor)
            .finish_non_exhaustive()
    }
}

/// The error of a node that cannot do what the election requires.
pub(super) fn not_eligible(election: &Name, node: &Name, capability: &Name) -> Error {
    Error::new(ErrorKind::Unsupported, "campaign").on(format_args!("\"{election}\"")).because(format_args!(
        "it requires the capability \"{capability}\", which node \"{node}\" was not given"
    ))
}
