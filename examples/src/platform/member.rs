//! The process of one node: a coordinator, and the services that it coordinates.

use std::io::BufRead as _;
use std::sync::Arc;
use std::time::Duration;

use ha_core::group::Profile;
use ha_core::runtime::TokioRuntime;
use ha_core::{Coordinator, Error, ErrorKind, Events};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::clock::Clock;
use super::failure::Failure;
use super::outbox::Outbox;
use super::records::{PLATFORM, TIMERS};
use super::timeline::Event;
use super::wire::{Errand, ToNode};
use super::{maintenance, sensors, timers};

/// How long a shutdown waits for the node's own work to end.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Lives as a node that an operator has started, until it is asked to shut down or the operator is gone.
///
/// # Errors
/// When it cannot begin. What it meets later is told to the operator.
pub fn live() -> Result<(), Failure> {
    in_a_child(async {
        let mut orders = listen();
        match orders.recv().await {
            Some(ToNode::Live(errand)) => serve(*errand, orders).await,
            _ => Err(Failure::new("--node is for processes that the platform starts itself")),
        }
    })
}

/// Runs what a process of an operator does, on this thread, as long as the operator lives.
pub(super) fn in_a_child(life: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // An operator that dies may leave nobody behind who could continue a node that is stopped.
    let failed = |error| Failure::new(format!("cannot be told of the operator's death: {error}"));
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    let failed = |error| Failure::new(format!("cannot start a tokio runtime: {error}"));
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    tokio.block_on(life)
}

/// What the operator says, until it is gone.
pub(super) fn listen<T: DeserializeOwned + Send + 'static>() -> mpsc::UnboundedReceiver<T> {
    let (heard, orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        let messages = lines.map_while(|line| serde_json::from_str(&line).ok());
        for message in messages {
            if heard.send(message).is_err() {
                return;
            }
        }
    });
    orders
}

/// What the services of a node work with.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) errand: Arc<Errand>,
    pub(super) clock: Clock,
    pub(super) coordinator: Coordinator,
    pub(super) outbox: Outbox,
}

async fn serve(errand: Errand, orders: mpsc::UnboundedReceiver<ToNode>) -> Result<(), Failure> {
    let clock = Clock::started(Arc::new(TokioRuntime::current()?), errand.start());
    let outbox = Outbox::new(clock.clone());
    // With a handler, a file that must not grow is an error and not the end of the process.
    let failed = |error| Failure::new(format!("cannot handle a signal: {error}"));
    let _survives = signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map_err(failed)?;
    let builder = ha::builder().namespace(errand.namespace.as_str()).node(errand.node.as_str());
    // Its connection and renewals run on a thread of their own, as in any service.
    let coordinator = match builder.ttl(errand.ttl).connect(&errand.url).await {
        Ok(coordinator) => coordinator,
        Err(error) => {
            outbox.tell(Event::Trouble { node: Some(errand.node), message: error.to_string() });
            return Ok(());
        }
    };
    let member = Member { errand: Arc::new(errand), clock, coordinator, outbox };
    member.tell(Event::Started { node: member.node() });
    let teller = member.clone();
    tokio::spawn(report(member.node(), member.coordinator.events(), move |event| teller.tell(event)));
    member.serve(timers::serve(member.clone()));
    member.serve(sensors::serve(member.clone()));
    member.serve(maintenance::serve(member.clone()));
    member.serve(belong(member.clone()));
    obey(&member, orders).await;
    Ok(())
}

impl Member {
    /// The name of the node.
    pub(super) fn node(&self) -> String {
        self.errand.node.clone()
    }

    /// Runs a service of this node; what stops it is told, except a shutdown.
    fn serve(&self, service: impl Future<Output = Result<(), Error>> + Send + 'static) {
        let member = self.clone();
        tokio::spawn(async move {
            match service.await {
                Err(error) if error.kind() != ErrorKind::Closed => member.complain(&error),
                _ => {}
            }
        });
    }

    fn complain(&self, error: &Error) {
        self.tell(Event::Trouble { node: Some(self.node()), message: error.to_string() });
    }

    /// Tells what happened.
    pub(super) fn tell(&self, event: Event) {
        self.outbox.tell(event);
    }
}

/// Is a member of the platform for as long as the node lives, in new sessions too.
async fn belong(member: Member) -> Result<(), Error> {
    let profile = Profile::new().role("timers").role("sensors");
    let _membership = member.coordinator.group(PLATFORM)?.join(profile).await?;
    std::future::pending().await
}

/// Does what the operator says, up to a shutdown.
async fn obey(member: &Member, mut orders: mpsc::UnboundedReceiver<ToNode>) {
    while let Some(order) = orders.recv().await {
        match order {
            ToNode::Answer { number, answer } => member.outbox.answered(number, answer),
            ToNode::HandOver { to } => {
                let member = member.clone();
                // Beside the answers, which its own work waits for.
                tokio::spawn(async move {
                    if let Err(error) = hand_over(&member.coordinator, &to).await {
                        member.complain(&error);
                    }
                });
            }
            ToNode::ShutDown => {
                let mut shutdown = std::pin::pin!(member.coordinator.shutdown(SHUTDOWN));
                let result = loop {
                    tokio::select! {
                        biased;
                        result = &mut shutdown => break result,
                        Some(order) = orders.recv() => {
                            if let ToNode::Answer { number, answer } = order {
                                member.outbox.answered(number, answer);
                            }
                        }
                    }
                };
                if let Err(error) = result {
                    member.complain(&error);
                }
                return member.tell(Event::Stopped { node: member.node() });
            }
            ToNode::Live(_) => {}
        }
    }
}

async fn hand_over(coordinator: &Coordinator, to: &str) -> Result<(), Error> {
    coordinator.election(TIMERS)?.transfer_to(to).await
}

/// Tells what the coordinator says about its elections and its session.
pub(super) async fn report(name: String, mut events: Events, tell: impl Fn(Event) + Send) {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    while let Some(event) = events.next().await {
        let node = name.clone();
        tell(match event {
            ha_core::Event::Granted { kind: "election", name, token } => {
                Event::Granted { node, thing: name, token: token.as_u64() }
            }
            ha_core::Event::Ended { kind: "election", name, token, reason } => {
                let token = token.as_u64();
                Event::Ended { node, thing: name, token, reason: reason.to_string() }
            }
            ha_core::Event::Suspect { remaining, .. } => {
                Event::Suspect { node, remaining_ms: millis(remaining) }
            }
            ha_core::Event::Recovered => Event::Recovered { node },
            ha_core::Event::SessionLost(reason) => Event::SessionLost { node, reason: reason.to_string() },
            ha_core::Event::SessionOpened { .. } => Event::Reconnected { node },
            ha_core::Event::Missed(events) => {
                let message = format!("{events} events of its coordinator were not read in time");
                Event::Trouble { node: Some(node), message }
            }
            ha_core::Event::Overrun { what } => {
                Event::Trouble { node: Some(node), message: format!("{what} went on after its loss") }
            }
            _ => continue,
        });
    }
}
