//! Keeps one session open: opens it, renews it, notices its loss, opens the next, closes the last.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::events::Event;
use super::format::{self, Format};
use super::hub::{Control, Hub};
use super::keeper::Keeper;
use super::lifetime::{Lifetime, LossReason};
use super::overrun::{self, OverrunPolicy};
use super::renewal::{Schedule, Step, Validity};
use crate::error::{Error, ErrorKind};
use crate::runtime::{Instant, IoThread};
use crate::spi::{Backend, Session, SessionRequest};
use crate::zoo::{Bug, planted};

/// The pause after the first failure to open a session; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long closing a session may take when no other bound is known.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a coordinator keeps its sessions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) connect_timeout: Duration,
    pub(super) overrun: OverrunPolicy,
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
            closing: None,
            _io_thread: io_thread,
        }
    }

    /// Opens the first session, tells `connected`, and keeps sessions until the coordinator is shut down.
    pub(super) async fn run(mut self, connected: oneshot::Sender<Result<(), Error>>) {
        let give_up = self.now() + self.settings.connect_timeout;
        let mut connected = Some(connected);
        let mut pause = PAUSE_MIN;
        let mut complete = true;
        while self.closing.is_none() {
            if !self.healthy || (planted(Bug::SessionNotReplaced) && self.epoch > 0) {
                self.wait(None).await;
                continue;
            }
            match self.open().await {
                Ok(None) => {}
                // The service stopped being healthy meanwhile: nothing is to be granted to it.
                Ok(Some(keeper)) if !self.healthy => self.close(&keeper.life, true).await,
                Ok(Some(keeper)) => {
                    pause = PAUSE_MIN;
                    self.hub.session_up(Arc::clone(&keeper.life));
                    if let Some(connected) = connected.take() {
                        // A caller that no longer waits has dropped the coordinator: a shutdown follows.
                        drop(connected.send(Ok(())));
                    }
                    complete = self.keep(keeper).await;
                }
                Err(error) => {
                    let is_final = !error.is_transient() || self.now() + pause >= give_up;
                    if let Some(connected) = connected.take_if(|_| is_final) {
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

    /// Opens a session and reads the record of the namespace. `None`: shut down meanwhile.
    async fn open(&mut self) -> Result<Option<Keeper>, Error> {
        let sent = self.now();
        let (backend, request, hub) =
            (Arc::clone(&self.backend), self.request.clone(), Arc::clone(&self.hub));
        let opening = async move {
            let runtime = Arc::clone(&request.runtime);
            let session = hub.meters().wrap(backend.open_session(request).await?, &runtime);
            match format::check(&*session).await {
                Ok(format) => Ok((session, format)),
                Err(error) => {
                    // Of no use, and the next attempt opens another: not left to its ttl.
                    runtime.spawn("close", Box::pin(async move { drop(session.close().await) }));
                    Err(error)
                }
            }
        };
        tokio::pin!(opening);
        let deadline = sent + self.settings.connect_timeout;
        let (session, format) = loop {
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
        Ok(Some(self.keeper(sent, session, format)))
    }

    fn keeper(&self, sent: Instant, session: Arc<dyn Session>, format: Format) -> Keeper {
        let granted = session.ttl();
        let validity = granted.map(|ttl| Validity::new(ttl, self.hub.capabilities().validity_per_mille));
        let schedule = validity.map(|validity| Schedule::new(validity, sent));
        // An observer holds nothing that could be lost.
        let until = schedule.as_ref().map_or(Instant::from_nanos(u64::MAX), Schedule::deadline);
        let runtime = Arc::clone(self.hub.runtime());
        let life = Lifetime::new(session, runtime, self.epoch, format.token_base, until);
        Keeper::new(life, schedule, validity)
    }

    /// Keeps a session until it is lost or drained, then ends it. Returns whether everything was released.
    async fn keep(&mut self, mut keeper: Keeper) -> bool {
        let ended = self.renew_until_ended(&mut keeper).await;
        let (reason, complete) = match ended {
            Ended::Lost(reason) => (reason, true),
            Ended::Drained { complete } => (LossReason::Shutdown, complete),
        };
        let life = keeper.life;
        if !planted(Bug::LossNotAnnounced) {
            life.end(reason);
        }
        if reason == LossReason::Shutdown {
            overrun::report(&self.hub, &life, self.settings.overrun);
        } else {
            tracing::warn!(%reason, "session lost");
            self.hub.emit(Event::SessionLost(reason));
            overrun::watch(&self.hub, &life, keeper.validity, self.settings.overrun);
        }
        self.hub.session_down(life.epoch());
        self.close(&life, reason == LossReason::Shutdown || reason == LossReason::Unhealthy).await;
        complete
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
            if let Some(reason) = self.take(control, keeper) {
                return Ended::Lost(reason);
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

    /// Takes a message about the session that is kept. Returns why it is lost, if it is.
    fn take(&mut self, control: Control, keeper: &mut Keeper) -> Option<LossReason> {
        match control {
            Control::Renewed { epoch, sent, result } if epoch == self.epoch => {
                return match result {
                    Ok(renewal) => keeper.renewed(&self.hub, sent, renewal),
                    Err(error) => keeper.failed(&self.hub, &error),
                };
            }
            Control::SessionLost { epoch } if epoch == self.epoch => return Some(LossReason::SessionLost),
            Control::Reconciled => return keeper.reconciled(&self.hub),
            Control::Health(false) => return Some(LossReason::Unhealthy),
            Control::Shutdown { .. } => {
                keeper.life.end(LossReason::Shutdown);
                self.hub.begin_closing();
            }
            Control::Renewed { .. } | Control::SessionLost { .. } | Control::Idle | Control::Health(true) => {
            }
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
