//! Opening a session: the session itself, the record of the namespace, and the name of the node.

use std::sync::Arc;

use super::{Ended, Supervisor};
use crate::coordinator::claim::{self, Claim, Found};
use crate::coordinator::format::{self, Format};
use crate::coordinator::hub::Control;
use crate::coordinator::identity;
use crate::coordinator::keeper::Keeper;
use crate::coordinator::lifetime::{Lifetime, LossReason};
use crate::coordinator::renewal::{Schedule, Validity};
use crate::error::{Error, ErrorKind};
use crate::runtime::{Instant, Runtime};
use crate::spi::Session;

/// How many of its own earlier sessions a coordinator knows again. Older ones have long expired.
const KNOWN_SESSIONS: usize = 32;

impl Supervisor {
    /// Opens a session, takes the name of the node for it, and keeps it. Returns whether everything was released, if it was kept.
    pub(super) async fn open_and_keep(&mut self) -> Result<Option<bool>, Error> {
        let Some((keeper, found)) = self.open().await? else { return Ok(None) };
        if !self.healthy {
            // The service stopped being healthy meanwhile: nothing is to be granted to it.
            self.close(&keeper.life, true).await;
            return Ok(None);
        }
        match found {
            Some(found) => self.claim(&keeper.life, Some(found)),
            None => self.announce(&keeper.life),
        }
        self.keep(keeper).await.map(Some)
    }

    /// Takes the name of the node in the background; the session is renewed meanwhile.
    pub(super) fn claim(&mut self, life: &Arc<Lifetime>, found: Option<Found>) {
        let Some(identified) = self.settings.identified.clone() else { return };
        let generation = self.hub.lineage().generation();
        self.claimed = generation;
        let (hub, life, epoch) = (Arc::clone(&self.hub), Arc::clone(life), self.epoch);
        let session = Arc::clone(life.session());
        let earlier = self.sessions.iter().filter(|own| *own != session.id()).cloned().collect();
        let claim = Claim::new(Arc::clone(&hub), session, identified, earlier);
        let task = async move {
            let result = tokio::select! {
                biased;
                () = life.over().cancelled() => return,
                result = claim.take(found) => result,
            };
            hub.control(Control::Claimed { epoch, generation, result });
        };
        self.hub.runtime().spawn("claim", Box::pin(task));
    }

    /// From now on the session can be used.
    fn announce(&mut self, life: &Arc<Lifetime>) {
        self.announced = true;
        self.hub.session_up(Arc::clone(life));
        if let Some(connected) = self.connected.take() {
            // A caller that no longer waits has dropped the coordinator: a shutdown follows.
            drop(connected.send(Ok(())));
        }
    }

    /// The name of the node was taken, in the history `generation`, or could not be.
    pub(super) fn take_claim(
        &mut self,
        generation: u64,
        result: Result<(), Error>,
        life: &Arc<Lifetime>,
    ) -> Option<Ended> {
        match result {
            Ok(()) if generation < self.hub.lineage().generation() => self.claim(life, None),
            Ok(()) if !self.announced => self.announce(life),
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::SessionLost => {
                return Some(Ended::Lost(LossReason::SessionLost));
            }
            Err(error) => return Some(Ended::Refused(error)),
        }
        None
    }

    /// Opens a session, reads the record of the namespace and who has the name of the node. `None`: shut down meanwhile.
    async fn open(&mut self) -> Result<Option<(Keeper, Option<Found>)>, Error> {
        let sent = self.now();
        let (backend, request, hub) =
            (Arc::clone(&self.backend), self.request.clone(), Arc::clone(&self.hub));
        let validity_per_mille = self.hub.capabilities().validity_per_mille;
        let opening = async move {
            let runtime = Arc::clone(&request.runtime);
            let name = request.ttl.map(|_| identity::key(&request.node));
            let session = hub.meters().wrap(backend.open_session(request).await?, &runtime);
            let found = async {
                match &name {
                    Some(name) => claim::read(&*session, name).await.map(Some),
                    None => Ok(None),
                }
            };
            let prove = |sent| prove_if_late(&*session, &*runtime, sent, validity_per_mille);
            // Beside what is read: on a slow way there may be no time for one after the other.
            let (sent, format, found) = tokio::join!(biased; prove(sent), format::check(&*session), found);
            let opened = async {
                let (sent, format, found) = (sent?, format?, found?);
                Ok((prove(sent).await?, format, found))
            };
            match opened.await {
                Ok((sent, format, found)) => Ok((sent, session, format, found)),
                Err(error) => {
                    // Of no use, and the next attempt opens another: not left to its ttl.
                    runtime.spawn("close", Box::pin(async move { drop(session.close().await) }));
                    Err(error)
                }
            }
        };
        tokio::pin!(opening);
        let deadline = sent + self.settings.connect_timeout;
        let (sent, session, format, found) = loop {
            let control = tokio::select! {
                biased;
                opened = &mut opening => break opened?,
                control = self.wait(Some(deadline)) => control,
            };
            if self.closing.is_some() {
                return Ok(None);
            }
            if control.is_none() && self.now() >= deadline {
                return Err(Error::new(ErrorKind::Unavailable, "open a session").because(format_args!(
                    "no answer in {:?}; can the server be reached?",
                    self.settings.connect_timeout
                )));
            }
        };
        if self.epoch == 0 {
            self.hub.adopt(format.lineage);
        } else {
            self.hub.observe(format.lineage);
        }
        self.epoch += 1;
        self.sessions.push(session.id().clone());
        let forgotten = self.sessions.len().saturating_sub(KNOWN_SESSIONS);
        self.sessions.drain(..forgotten);
        Ok(Some((self.keeper(sent, session, format), found)))
    }

    fn keeper(&self, sent: Instant, session: Arc<dyn Session>, format: Format) -> Keeper {
        let granted = session.ttl();
        let validity = granted.map(|ttl| Validity::new(ttl, self.hub.capabilities().validity_per_mille));
        let schedule = validity.map(|validity| Schedule::new(validity, sent));
        // An observer holds nothing that could be lost.
        let until = schedule.as_ref().map_or(Instant::from_nanos(u64::MAX), Schedule::deadline);
        let runtime = Arc::clone(self.hub.runtime());
        let life = Lifetime::new(session, runtime, self.epoch, format, until);
        Keeper::new(life, schedule, validity)
    }
}

/// A session that took long to open has used up much of its validity, which counts from when it was asked for: it proves its life once more before it is used. Returns
/// from when on it is valid.
async fn prove_if_late(
    session: &dyn Session,
    runtime: &dyn Runtime,
    sent: Instant,
    validity_per_mille: u32,
) -> Result<Instant, Error> {
    let now = runtime.now();
    let half = |ttl| Validity::new(ttl, validity_per_mille).patience();
    let is_late = session.ttl().is_some_and(|ttl| now >= sent + half(ttl));
    if !is_late {
        return Ok(sent);
    }
    session.renew().await?;
    Ok(now)
}
