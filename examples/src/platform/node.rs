//! One node of the platform: a coordinator, and the services that it coordinates.

use std::sync::Arc;
use std::time::Duration;

use ha_core::group::Profile;
use ha_core::runtime::Runtime;
use ha_core::{Coordinator, Error, Events};
use tokio::sync::{mpsc, oneshot};

use super::outbox::Outbox;
use super::process::Process;
use super::records::{PLATFORM, TIMERS};
use super::site::Site;
use super::timeline::Event;
use super::{maintenance, sensors, timers};

/// How long a shutdown waits for the node's own work to end.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// A node, seen from outside.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) process: Process,
    pub(super) outbox: Outbox,
    operator: mpsc::UnboundedSender<Command>,
}

/// What an operator asks of a node.
#[derive(Debug)]
enum Command {
    HandOver { to: &'static str },
    ShutDown { done: oneshot::Sender<()> },
}

impl Node {
    /// Starts a node.
    pub(super) fn start(site: &Site, name: &'static str) -> Self {
        let process = Process::start(Arc::clone(&site.runtime));
        let outbox = Outbox::new(name, process.clone(), site.clock.clone(), Arc::clone(&site.resource));
        let (operator, commands) = mpsc::unbounded_channel();
        let main = main(site.clone(), name, process.clone(), outbox.clone(), commands);
        process.spawn("node", Box::pin(main));
        Self { name, process, outbox, operator }
    }

    /// Asks the node to hand the timers over to another one.
    pub(super) fn hand_over(&self, to: &'static str) {
        // A node that is gone has nothing to hand over.
        drop(self.operator.send(Command::HandOver { to }));
    }

    /// Asks the node to shut down, and waits until it is done.
    pub(super) async fn shut_down(&self) {
        let (done, down) = oneshot::channel();
        drop(self.operator.send(Command::ShutDown { done }));
        // A node that cannot answer is down.
        drop(down.await);
    }
}

/// What the services of a node work with.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) site: Site,
    pub(super) process: Process,
    pub(super) coordinator: Coordinator,
    pub(super) outbox: Outbox,
}

impl Member {
    /// Runs a service of this node; what stops it is told, except a shutdown.
    pub(super) fn serve(
        &self,
        name: &'static str,
        service: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        let member = self.clone();
        let task = async move {
            match service.await {
                Err(error) if error.kind() != ha_core::ErrorKind::Closed => member.complain(&error),
                _ => {}
            }
        };
        self.process.spawn(name, Box::pin(task));
    }

    fn complain(&self, error: &Error) {
        self.tell(Event::Trouble { node: Some(self.name.into()), message: error.to_string() });
    }

    /// Notes what happened.
    pub(super) fn tell(&self, event: Event) {
        self.site.timeline.record(event);
    }
}

async fn main(
    site: Site,
    name: &'static str,
    process: Process,
    outbox: Outbox,
    commands: mpsc::UnboundedReceiver<Command>,
) {
    let runtime = Arc::new(process.clone());
    let connected = site.connect(name, |builder| builder.runtime(runtime)).await;
    let coordinator = match connected {
        Ok(coordinator) => coordinator,
        Err(error) => {
            let message = error.to_string();
            return site.timeline.record(Event::Trouble { node: Some(name.into()), message });
        }
    };
    let member = Member { name, site, process, coordinator, outbox };
    member.tell(Event::Started { node: name.into() });
    let reporter = report(member.clone(), member.coordinator.events());
    member.process.spawn("reporter", Box::pin(reporter));
    member.serve("timers", timers::serve(member.clone()));
    for (at, sensor) in member.site.inputs.sensors.iter().enumerate() {
        member.serve("sensor", sensors::serve(member.clone(), sensor.clone(), at));
    }
    member.serve("maintenance", maintenance::serve(member.clone()));
    member.serve("membership", belong(member.clone()));
    obey(&member, commands).await;
}

/// Is a member of the platform for as long as the node lives, in new sessions too.
async fn belong(member: Member) -> Result<(), Error> {
    let profile = Profile::new().role("timers").role("sensors");
    let _membership = member.coordinator.group(PLATFORM)?.join(profile).await?;
    std::future::pending().await
}

async fn obey(member: &Member, mut commands: mpsc::UnboundedReceiver<Command>) {
    while let Some(command) = commands.recv().await {
        let result = match command {
            Command::HandOver { to } => hand_over(&member.coordinator, to).await,
            Command::ShutDown { done } => {
                let result = member.coordinator.shutdown(SHUTDOWN).await;
                member.tell(Event::Stopped { node: member.name.into() });
                // Whoever asked may have stopped waiting.
                done.send(()).ok();
                result
            }
        };
        if let Err(error) = result {
            member.complain(&error);
        }
    }
}

async fn hand_over(coordinator: &Coordinator, to: &str) -> Result<(), Error> {
    coordinator.election(TIMERS)?.transfer_to(to).await
}

/// Tells what the coordinator says about its elections and its session.
async fn report(member: Member, mut events: Events) {
    let node = || member.name.to_owned();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    while let Some(event) = events.next().await {
        member.tell(match event {
            ha_core::Event::Granted { kind: "election", name, token } => {
                Event::Leads { node: node(), election: name, token: token.as_u64() }
            }
            ha_core::Event::Ended { kind: "election", name, token, reason } => {
                let token = token.as_u64();
                Event::Ended { node: node(), election: name, token, reason: reason.to_string() }
            }
            ha_core::Event::Suspect { remaining, .. } => {
                Event::Suspect { node: node(), remaining_ms: millis(remaining) }
            }
            ha_core::Event::Recovered => Event::Recovered { node: node() },
            ha_core::Event::SessionLost(reason) => {
                Event::SessionLost { node: node(), reason: reason.to_string() }
            }
            ha_core::Event::SessionOpened { .. } => Event::Reconnected { node: node() },
            ha_core::Event::Missed(events) => {
                let message = format!("{events} events of its coordinator were not read in time");
                Event::Trouble { node: Some(node()), message }
            }
            ha_core::Event::Overrun { what } => {
                Event::Trouble { node: Some(node()), message: format!("{what} went on after its loss") }
            }
            _ => continue,
        });
    }
}
