//! The story of a run: what is done to the nodes, and in which order.

use std::time::Duration;

use ha_core::Coordinator;
use ha_core::election::{Observation, Observer};

use super::failure::Failure;
use super::inputs::Sensor;
use super::node::Node;
use super::records::TIMERS;
use super::site::{NODES, Site};
use super::timeline::{Event, Fault};

/// How often the story looks whether what it waits for has come.
const LOOK: Duration = Duration::from_millis(1);
/// How much longer than a ttl the story waits for a take-over. The verification is stricter.
const PATIENCE: Duration = Duration::from_secs(3);
/// What the last writes need to arrive, and the last polls to be made.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// The one who does it all.
#[derive(Debug)]
pub(super) struct Story {
    site: Site,
    nodes: Vec<Node>,
    /// The operator's view: an observer holds nothing and does not count as a node.
    console: Coordinator,
    timers: Observer,
}

/// Starts the nodes, loses some, and stops the others.
pub(super) async fn tell(site: Site) -> Result<(), Failure> {
    let runtime = site.runtime.clone();
    let console = site.coordinator().node("console").observer().runtime(runtime).connect().await?;
    let timers = console.election(TIMERS)?.observe();
    let mut story = Story { site, nodes: Vec::new(), console, timers };
    story.nodes = NODES.map(|name| Node::start(&story.site, name)).into();
    story.rest(1.0).await;
    let killed = story.kill_the_leader().await;
    story.freeze_the_leader().await;
    story.cut_off_the_leader().await;
    story.hand_over().await;
    story.restart(killed).await;
    story.shut_the_leader_down().await;
    story.end().await
}

impl Story {
    async fn kill_the_leader(&mut self) -> Option<&'static str> {
        self.act("The leader of the timers dies.");
        let leader = self.leader()?;
        leader.process.kill();
        self.fault(leader.name, Fault::Killed);
        let name = leader.name;
        self.nodes.retain(|node| node.name != name);
        self.successor(name).await;
        self.rest(1.0).await;
        Some(name)
    }

    async fn freeze_the_leader(&self) {
        self.act("The next leader freezes while it is emitting a tick, for two ttl.");
        let Some(leader) = self.leader_with_ticks_under_way().await else { return };
        leader.process.freeze();
        self.fault(leader.name, Fault::Frozen);
        self.rest(2.0).await;
        leader.process.resume();
        self.fault(leader.name, Fault::Resumed);
        self.rest(1.0).await;
    }

    async fn cut_off_the_leader(&self) {
        self.act("The next leader can no longer reach the store.");
        let Some(leader) = self.leader() else { return };
        self.site.store.faults().cut(leader.name);
        self.fault(leader.name, Fault::CutOff);
        self.successor(leader.name).await;
        self.rest(0.5).await;
        self.site.store.faults().heal(leader.name);
        self.fault(leader.name, Fault::Healed);
        self.rest(1.0).await;
    }

    async fn hand_over(&self) {
        self.act("The leader is asked to hand over: planned changes are quick.");
        let Some(leader) = self.leader() else { return };
        let Some(heir) = self.nodes.iter().find(|node| node.name != leader.name) else { return };
        self.fault(leader.name, Fault::HandsOver);
        leader.hand_over(heir.name);
        self.successor(leader.name).await;
        self.rest(0.5).await;
    }

    async fn restart(&mut self, killed: Option<&'static str>) {
        self.act("The node that was killed comes back, and with it the sensors that are at home there.");
        let Some(name) = killed else { return };
        self.fault(name, Fault::Restarted);
        self.nodes.push(Node::start(&self.site, name));
        self.rest(1.0).await;
    }

    async fn shut_the_leader_down(&mut self) {
        self.act("The leader is shut down for good.");
        let Some(leader) = self.leader() else { return };
        let name = leader.name;
        self.fault(name, Fault::ShutsDown);
        leader.shut_down().await;
        self.successor(name).await;
        self.rest(1.0).await;
        self.nodes.retain(|node| node.name != name);
    }

    /// Stops the world, lets every sensor see how it ended, and stops the nodes.
    async fn end(&self) -> Result<(), Failure> {
        self.site.world.stop();
        let longest = self.site.inputs.sensors.iter().map(Sensor::interval).max();
        self.site.clock.sleep(longest.unwrap_or_default() * 2 + LAST_LOOK).await;
        self.site.timeline.record(Event::Stopping);
        for node in &self.nodes {
            node.shut_down().await;
        }
        self.site.clock.sleep(LAST_LOOK).await;
        Ok(self.console.shutdown(LAST_LOOK).await?)
    }

    fn act(&self, text: &str) {
        self.site.timeline.record(Event::Act { text: text.into() });
    }

    fn fault(&self, node: &str, fault: Fault) {
        self.site.timeline.record(Event::Fault { node: node.into(), fault });
    }

    /// Lets the platform work for so many ttl.
    async fn rest(&self, ttls: f64) {
        self.site.clock.sleep(self.site.ttl.mul_f64(ttls)).await;
    }

    /// The node that leads the timers, as the operator sees it.
    fn leader(&self) -> Option<&Node> {
        let Observation::Leader(leader) = self.timers.current() else { return None };
        self.nodes.iter().find(|node| node.name == leader.node)
    }

    /// Waits until the timers are led by another node than `predecessor`.
    async fn successor(&self, predecessor: &str) {
        let other = || self.leader().filter(|leader| leader.name != predecessor);
        if self.wait_for(other).await.is_none() {
            let message = format!("nobody took the timers over from {predecessor}");
            self.site.timeline.record(Event::Trouble { node: None, message });
        }
    }

    /// Waits until the leader has sent ticks that have not arrived.
    async fn leader_with_ticks_under_way(&self) -> Option<&Node> {
        self.wait_for(|| self.leader().filter(|leader| leader.outbox.has_ticks_under_way())).await
    }

    async fn wait_for<T>(&self, look: impl Fn() -> Option<T>) -> Option<T> {
        let give_up = self.site.clock.now() + self.site.ttl + PATIENCE;
        while self.site.clock.now() < give_up {
            if let Some(found) = look() {
                return Some(found);
            }
            self.site.clock.sleep(LOOK).await;
        }
        None
    }
}
