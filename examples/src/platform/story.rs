//! The story of a run: what is done to the nodes, and in which order.

use std::collections::BTreeSet;
use std::time::Duration;

use ha_core::Coordinator;
use ha_core::election::{Observation, Observer};
use ha_core::group::{Change, Group, View};

use super::failure::Failure;
use super::inputs::Sensor;
use super::node::Node;
use super::records::{PLATFORM, TIMERS};
use super::site::{CONSOLE, NODES, Site};
use super::timeline::{Event, Fault, Timeline};
use super::trackers;

/// How often the story looks whether what it waits for has come.
const LOOK: Duration = Duration::from_millis(1);
/// How much longer than a ttl the story waits for anything. The verification is stricter, but excuses a machine that stands still.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the last writes need to arrive.
const LAST_LOOK: Duration = Duration::from_millis(200);

/// The one who does it all.
#[derive(Debug)]
pub(super) struct Story {
    site: Site,
    nodes: Vec<Node>,
    /// The operator's view: an observer holds nothing and does not count as a node.
    console: Coordinator,
    timers: Observer,
    members: Group,
}

/// Starts the nodes, loses some, and stops the others.
pub(super) async fn tell(site: Site) -> Result<(), Failure> {
    let runtime = site.runtime.clone();
    let console = site.connect(CONSOLE, |builder| builder.observer().runtime(runtime)).await?;
    let timers = console.election(TIMERS)?.observe();
    let members = console.group(PLATFORM)?;
    let mut story = Story { site, nodes: Vec::new(), console, timers, members };
    let watching = watch(story.members.clone(), story.site.timeline.clone());
    story.site.runtime.spawn("members", Box::pin(watching));
    for name in NODES {
        story.nodes.push(Node::start(&story.site, name)?);
    }
    story.everybody().await;
    let trackers = tokio::spawn(trackers::play(story.site.clone()));
    story.rest(1.0).await;
    let killed = story.kill_the_leader().await;
    story.freeze_the_leader().await;
    story.cut_off_the_leader().await;
    story.hand_over().await;
    story.restart(killed).await?;
    story.shut_the_leader_down().await;
    let gone = |_| Failure::new("the operator of the trackers is gone");
    trackers.await.map_err(gone)??;
    story.end().await
}

/// Writes down who comes and goes, as the operator sees it.
async fn watch(members: Group, timeline: Timeline) {
    let (mut changes, mut here) = (members.changes(), BTreeSet::new());
    while let Some(change) = changes.next().await {
        match change {
            Change::Joined(member) | Change::Restarted { member, .. } => {
                here.insert(member.node.clone());
                timeline.record(Event::Here { node: member.node.clone() });
            }
            Change::Left(member) => {
                here.remove(&member.node);
                timeline.record(Event::Gone { node: member.node.clone() });
            }
            Change::Resynced(view) => {
                let now: BTreeSet<String> = view.members().map(|member| member.node.clone()).collect();
                now.difference(&here).for_each(|node| timeline.record(Event::Here { node: node.clone() }));
                here.difference(&now).for_each(|node| timeline.record(Event::Gone { node: node.clone() }));
                here = now;
            }
            _ => {}
        }
    }
}

impl Story {
    async fn kill_the_leader(&mut self) -> Option<&'static str> {
        self.act("The process of the timers' leader is killed.");
        let leader = self.leader().await?;
        let name = leader.name;
        // First the note: a store that sees the death of a process has a successor in no time.
        self.fault(name, Fault::Killed);
        leader.kill();
        self.nodes.retain(|node| node.name != name);
        self.successor(name).await;
        self.rest(1.0).await;
        Some(name)
    }

    async fn freeze_the_leader(&self) {
        self.act("The process of the next leader is stopped while it is emitting a tick, until another one has led for a ttl.");
        let Some(leader) = self.leader().await else { return };
        let is_frozen = leader.freeze_while_it_emits();
        if tokio::time::timeout(self.site.ttl + PATIENCE, is_frozen).await.is_err() {
            leader.resume();
            return;
        }
        // A store that loses servers of its own ends sessions late; before that nothing that is late is too late.
        self.successor(leader.name).await;
        self.rest(1.0).await;
        // First the note: what it was sending is there in no time.
        self.fault(leader.name, Fault::Resumed);
        leader.resume();
        self.rest(1.0).await;
    }

    async fn cut_off_the_leader(&self) {
        self.act("The next leader can no longer reach the store.");
        let Some(leader) = self.leader().await else { return };
        leader.set_cut(&self.site.store, true);
        self.fault(leader.name, Fault::CutOff);
        self.successor(leader.name).await;
        self.rest(0.5).await;
        leader.set_cut(&self.site.store, false);
        self.fault(leader.name, Fault::Healed);
        self.rest(1.0).await;
    }

    async fn hand_over(&self) {
        self.act("The leader is asked to hand over: planned changes are quick.");
        let Some(leader) = self.leader().await else { return };
        let Some(heir) = self.heir(leader.name).await else { return };
        self.fault(leader.name, Fault::HandsOver);
        leader.hand_over(heir);
        self.successor(leader.name).await;
        self.rest(0.5).await;
    }

    /// A member that is here and can serve, as the operator sees it, other than `leader`.
    async fn heir(&self, leader: &str) -> Option<&'static str> {
        let can_lead = |view: &View| view.available().any(|member| member.node != leader);
        let view = self.members.wait_until(can_lead).await.ok()?;
        NODES.into_iter().find(|name| *name != leader && view.get(name).is_some_and(|m| m.is_available()))
    }

    async fn restart(&mut self, killed: Option<&'static str>) -> Result<(), Failure> {
        self.act("The node that was killed comes back, and gets its share of the sensors.");
        let Some(name) = killed else { return Ok(()) };
        self.fault(name, Fault::Restarted);
        self.nodes.push(Node::start(&self.site, name)?);
        self.everybody().await;
        self.rest(1.0).await;
        Ok(())
    }

    async fn shut_the_leader_down(&mut self) {
        self.act("The leader is shut down for good.");
        let Some(name) = self.leader().await.map(|leader| leader.name) else { return };
        self.fault(name, Fault::ShutsDown);
        if let Some(leader) = self.nodes.iter_mut().find(|node| node.name == name) {
            leader.shut_down().await;
        }
        self.successor(name).await;
        self.rest(1.0).await;
        self.nodes.retain(|node| node.name != name);
    }

    /// Stops the world, lets every sensor see how it ended, and stops the nodes.
    async fn end(&mut self) -> Result<(), Failure> {
        self.site.world.stop();
        let since = self.site.clock.now();
        let is_seen = |sensor: &Sensor| self.site.resource.was_polled(&sensor.name, since);
        // Whatever was not seen by then, the verification names.
        self.wait_for(|| self.site.inputs.sensors.iter().all(is_seen).then_some(())).await;
        self.site.clock.sleep(LAST_LOOK).await;
        self.site.timeline.record(Event::Stopping);
        for node in &mut self.nodes {
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

    /// Waits until every node is a member, as the operator sees it.
    async fn everybody(&self) {
        let is_complete = |view: &View| self.nodes.iter().all(|node| view.get(node.name).is_some());
        let arrival = tokio::time::timeout(self.site.ttl + PATIENCE, self.members.wait_until(is_complete));
        if arrival.await.is_err() {
            let message = "not every node has become a member".into();
            self.site.timeline.record(Event::Trouble { node: None, message });
        }
    }

    /// The node that leads the timers, as soon as there is one.
    async fn leader(&self) -> Option<&Node> {
        self.wait_for(|| self.current_leader()).await
    }

    /// The node that leads the timers, as the operator sees it.
    fn current_leader(&self) -> Option<&Node> {
        let Observation::Leader(leader) = self.timers.current() else { return None };
        self.nodes.iter().find(|node| node.name == leader.node)
    }

    /// Waits until the timers are led by another node than `predecessor`.
    async fn successor(&self, predecessor: &str) {
        let other = || self.current_leader().filter(|leader| leader.name != predecessor);
        if self.wait_for(other).await.is_none() {
            let message = format!("nobody took the timers over from {predecessor}");
            self.site.timeline.record(Event::Trouble { node: None, message });
        }
    }

    async fn wait_for<T>(&self, look: impl Fn() -> Option<T>) -> Option<T> {
        let give_up = self.site.clock.now() + self.site.ttl + self.site.patience + PATIENCE;
        while self.site.clock.now() < give_up {
            if let Some(found) = look() {
                return Some(found);
            }
            self.site.clock.sleep(LOOK).await;
        }
        None
    }
}
