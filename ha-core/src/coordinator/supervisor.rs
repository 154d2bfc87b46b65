//! Keeps one session open: opens it, renews it, notices its loss, opens the next, closes the last.

mod opening;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::events::Event;
use super::hub::{Control, Hub};
use super::identity::Identified;
use super::keeper::Keeper;
use super::lifetime::{Lifetime, LossReason};
use super::overrun::{self, OverrunPolicy};
use super::renewal::Step;
use crate::error::{Error, ErrorKind};
use crate::runtime::{Instant, IoThread};
use crate::spi::{Backend, SessionId, SessionRequest};
use crate::zoo::{Bug, planted};

/// The pause after the first failure to open a session; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long closing a session may take when no other bound is known.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a coordinator keeps its sessions.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) connect_timeout: Duration,
    pub(super) overrun: OverrunPolicy,
    /// Who this process is; `None` for an observer, which needs no name of its own.
    pub(super) identified: Option<Identified>,
}

type Done = oneshot::Sender<Result<(), Error>>;

/// The task that owns the session of a coordinator. Ends when the coordinator is shut down.
pub(super) struct Supervisor {
    hub: Arc<Hub>,
    backend: Arc<dyn Backend>,
    request: SessionRequest,
    settings: Settings,
    commands: mpsc::UnboundedReceiver<Control>,
    healthy: bool,
    epoch: u64,
    /// Who waits for the first session.
    connected: Option<Done>,
    /// Whether the session that is kept has the name of the node, and was told to everybody.
    announced: bool,
    /// The generation in which the name was last taken, or is being taken.
    claimed: u64,
    /// The sessions of this coordinator, the present one last.
    sessions: Vec<SessionId>,
    closing: Option<Closing>,
    /// The thread that all of this runs on, if it is the coordinator's own. It ends with the supervisor.
    _io_thread: Option<IoThread>,
}

struct Closing {
    deadline: Instant,
    done: Vec<Done>,
}

/// Why the supervisor stopped keeping a session.
enum Ended {
    Lost(LossReason),
    /// Shutting down: everything is released, or the deadline has passed.
    Drained {
        complete: bool,
    },
    /// Another process has the name of this node.
    Refused(Error),
}

/// No session lived until it could be used.
fn lost_early() -> Error {
    Error::new(ErrorKind::Unavailable, "connect").because(
        "sessions are lost before they can be used; is the ttl long enough for the way to the servers?",
    )
}

impl Supervisor {
    pub(super) fn new(
        hub: Arc<Hub>,
        backend: Arc<dyn Backend>,
        request: SessionRequest,
        settings: Settings,
        commands: mpsc::UnboundedReceiver<Control>,
        io_thread: Option<IoThread>,
    ) -> Self {
        Self {
            hub,
            backend,
            request,
            settings,
            commands,
            healthy: true,
            epoch: 0,
            connected: None,
            announced: false,
            claimed: 0,
            sessions: Vec::new(),
            closing: None,
            _io_thread: io_thread,
        }
    }

    /// Opens the first session, tells `connected`, and keeps sessions until the coordinator is shut down.
    pub(super) async fn run(mut self, connected: Done) {
        let give_up = self.now() + self.settings.connect_timeout;
        self.connected = Some(connected);
        let mut pause = PAUSE_MIN;
        let mut complete = true;
        while self.closing.is_none() {
            if !self.healthy || (planted(Bug::SessionNotReplaced) && self.epoch > 0) {
                self.wait(None).await;
                continue;
            }
            self.announced = false;
            let kept = self.open_and_keep().await;
            if self.announced {
                pause = PAUSE_MIN;
            }
            match kept {
                Ok(None) => {}
                // Lost before anybody could use it: the next one may be, but not for ever.
                Ok(Some(_))
                    if self.connected.is_some() && self.closing.is_none() && self.now() >= give_up =>
                {
                    if let Some(connected) = self.connected.take() {
                        drop(connected.send(Err(lost_early())));
                    }
                    break;
                }
                Ok(Some(drained)) => complete = drained,
                Err(error) => {
                    // A session that is lost while it is opened is like one that could not be opened.
                    let is_transient = error.is_transient() || error.kind() == ErrorKind::SessionLost;
                    let is_final = !is_transient || self.now() + pause >= give_up;
                    if let Some(connected) = self.connected.take_if(|_| is_final) {
                        drop(connected.send(Err(error)));
                        break;
                    }
                    self.pause(&error, pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
        self.finish(complete);
    }

    async fn pause(&mut self, error: &Error, pause: Duration) {
        tracing::warn!(%error, "cannot open a session; trying again");
        self.hub.emit(Event::OpenFailed { cause: error.to_string() });
        let jitter = Duration::from_micros(self.hub.runtime().random() % 10_000);
        self.wait(Some(self.now() + pause + jitter)).await;
    }

    fn now(&self) -> Instant {
        self.hub.runtime().now()
    }

    /// Keeps a session until it is lost or drained, then ends it. Returns whether everything was released.
    async fn keep(&mut self, mut keeper: Keeper) -> Result<bool, Error> {
        let ended = self.renew_until_ended(&mut keeper).await;
        let (reason, kept) = match ended {
            Ended::Lost(reason) => (reason, Ok(true)),
            Ended::Drained { complete } => (LossReason::Shutdown, Ok(complete)),
            // What the session has granted, if anything, was granted before the store forgot who has the name.
            Ended::Refused(error) => (LossReason::Forgotten, Err(error)),
        };
        let life = keeper.life;
        if !planted(Bug::LossNotAnnounced) {
            life.end(reason);
        }
        if reason == LossReason::Shutdown {
            overrun::report(&self.hub, &life, self.settings.overrun);
        } else if self.announced {
            tracing::warn!(%reason, "session lost");
            self.hub.emit(Event::SessionLost(reason));
            overrun::watch(&self.hub, &life, keeper.validity, self.settings.overrun);
        }
        self.hub.session_down(life.epoch());
        let wait = matches!(reason, LossReason::Shutdown | LossReason::Unhealthy) || kept.is_err();
        self.close(&life, wait).await;
        kept
    }

    async fn renew_until_ended(&mut self, keeper: &mut Keeper) -> Ended {
        loop {
            let now = self.now();
            let mut until = match keeper.schedule.as_mut().map(|schedule| schedule.step(now)) {
                Some(Step::Lost) => return Ended::Lost(LossReason::Expired),
                Some(Step::Send) => {
                    self.send_renewal(keeper, now);
                    continue;
                }
                Some(Step::Wait(until)) => Some(until),
                None => None,
            };
            keeper.report(&self.hub, None);
            if let Some(closing) = &self.closing {
                if self.hub.is_idle() {
                    return Ended::Drained { complete: true };
                }
                if now >= closing.deadline {
                    return Ended::Drained { complete: false };
                }
                until = Some(until.map_or(closing.deadline, |until| until.min(closing.deadline)));
            }
            let Some(control) = self.wait(until).await else { continue };
            if let Some(ended) = self.take(control, keeper) {
                return ended;
            }
        }
    }

    fn send_renewal(&self, keeper: &mut Keeper, now: Instant) {
        let (Some(schedule), Some(validity)) = (&mut keeper.schedule, keeper.validity) else { return };
        schedule.on_sent(now);
        let (hub, session, epoch) = (Arc::clone(&self.hub), Arc::clone(keeper.life.session()), self.epoch);
        let given_up = hub.runtime().sleep_until(now + validity.patience());
        let task = async move {
            let result = tokio::select! {
                biased;
                result = session.renew() => result,
                () = given_up => return hub.meters().renewal_failed(),
            };
            hub.control(Control::Renewed { epoch, sent: now, result });
        };
        self.hub.runtime().spawn("renew", Box::pin(task));
    }

    /// Takes a message about the session that is kept. Returns how it ends, if it does.
    fn take(&mut self, control: Control, keeper: &mut Keeper) -> Option<Ended> {
        match control {
            Control::Renewed { epoch, sent, result } if epoch == self.epoch => {
                let lost = match result {
                    Ok(renewal) => keeper.renewed(&self.hub, sent, renewal),
                    Err(error) => keeper.failed(&self.hub, &error),
                };
                return lost.map(Ended::Lost);
            }
            Control::Claimed { epoch, generation, result } if epoch == self.epoch => {
                return self.take_claim(generation, result, &keeper.life);
            }
            Control::SessionLost { epoch } if epoch == self.epoch => {
                return Some(Ended::Lost(LossReason::SessionLost));
            }
            Control::Reconciled => {
                // The store may have forgotten who has the name.
                if self.announced && self.claimed < self.hub.lineage().generation() {
                    self.claim(&keeper.life, None);
                }
                return keeper.reconciled(&self.hub).map(Ended::Lost);
            }
            Control::Health(false) => return Some(Ended::Lost(LossReason::Unhealthy)),
            Control::Shutdown { .. } => {
                keeper.life.end(LossReason::Shutdown);
                self.hub.begin_closing();
            }
            Control::Renewed { .. }
            | Control::Claimed { .. }
            | Control::SessionLost { .. }
            | Control::Idle
            | Control::Health(true) => {}
        }
        None
    }

    /// Waits for a message, at most until `until`. Notes what concerns the coordinator as a whole.
    async fn wait(&mut self, until: Option<Instant>) -> Option<Control> {
        let timer = async {
            match until {
                Some(until) => self.hub.runtime().sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let control = tokio::select! {
            biased;
            control = self.commands.recv() => control?,
            () = timer => return None,
        };
        match control {
            Control::Health(healthy) => {
                self.healthy = healthy;
                Some(Control::Health(healthy))
            }
            Control::Shutdown { deadline, done } => {
                let closing = self.closing.get_or_insert(Closing { deadline, done: Vec::new() });
                closing.deadline = closing.deadline.min(deadline);
                closing.done.extend(done);
                Some(Control::Shutdown { deadline, done: None })
            }
            other => Some(other),
        }
    }

    /// Closes the session of `life`: waits for it where somebody waits for us, otherwise in the background.
    async fn close(&self, life: &Arc<Lifetime>, wait: bool) {
        let session = Arc::clone(life.session());
        let timeout = self
            .hub
            .runtime()
            .sleep_until(self.now() + session.ttl().unwrap_or(CLOSE_TIMEOUT).min(CLOSE_TIMEOUT));
        let closing = async move {
            tokio::select! {
                biased;
                closed = session.close() => if let Err(error) = closed {
                    tracing::debug!(%error, "the session could not be closed; it ends by its ttl");
                },
                () = timeout => tracing::debug!("closing the session took too long; it ends by its ttl"),
            }
        };
        if wait {
            closing.await;
        } else {
            self.hub.runtime().spawn("close", Box::pin(closing));
        }
    }

    /// Answers those who wait for the shutdown.
    fn finish(&mut self, complete: bool) {
        self.hub.abandon();
        let Some(closing) = &mut self.closing else { return };
        for done in closing.done.drain(..) {
            let result = if complete {
                Ok(())
            } else {
                Err(Error::new(ErrorKind::Timeout, "shut down").because(
                    "not everything was released before the deadline; the session was closed nevertheless",
                ))
            };
            // Whoever asked may have stopped waiting.
            drop(done.send(result));
        }
    }
}

impl Drop for Supervisor {
    /// Without a supervisor nothing is renewed or released any more, also when the runtime under it is torn down in the middle.
    fn drop(&mut self) {
        self.hub.abandon();
    }
}

#[cfg(test)]
#[path = "supervisor_test.rs"]
mod tests;
