//! The sensor service: each sensor is polled by one node at a time. One election per sensor; they share the node's session.

use std::time::Duration;

use ha_core::{Error, Grant};

use super::clock::Clock;
use super::inputs::Sensor;
use super::member::Member;
use super::options::Sabotage;
use super::outbox::Outbox;
use super::records::{Poll, Write, sensor_election};
use super::site::NODES;

/// How long after the first look of a poll the second one comes: what is in the middle of a change settles meanwhile.
const SETTLE: Duration = Duration::from_millis(20);

/// Polls a sensor whenever this node is elected for it, until the node shuts down. `at` is the sensor's place in the list.
pub(super) async fn serve(member: Member, sensor: Sensor, at: usize) -> Result<(), Error> {
    // Each sensor has a node where it is at home, so that they do not all gather at the node that came first.
    let is_home = NODES.get(at % NODES.len()).is_some_and(|home| *home == member.errand.node);
    let election = member.coordinator.election(&sensor_election(&sensor.name))?.priority(i32::from(is_home));
    election
        .run(|grant| {
            let (member, sensor) = (member.clone(), sensor.clone());
            async move {
                if member.errand.is_sabotaged(Sabotage::IgnoreLoss) {
                    // Spawned work is not dropped with `run`; it has to watch the grant, and this does not.
                    tokio::spawn(async move { poll_forever(&member, &sensor, &grant).await });
                    std::future::pending().await
                } else {
                    poll_forever(&member, &sensor, &grant).await
                }
            }
        })
        .await
}

/// `run` drops this when leadership is lost.
async fn poll_forever(member: &Member, sensor: &Sensor, grant: &Grant) {
    // Whoever ignores its loss is always in the middle of a poll, so that no run misses its successor's by luck.
    let (settle, rest) = if member.errand.is_sabotaged(Sabotage::IgnoreLoss) {
        (sensor.interval(), Duration::ZERO)
    } else {
        (SETTLE, sensor.interval())
    };
    loop {
        poll(member, sensor, grant, settle).await;
        member.clock.sleep(rest).await;
    }
}

/// One poll, each look of which is guarded by the grant.
async fn poll(member: &Member, sensor: &Sensor, grant: &Grant, settle: Duration) {
    let world = &member.errand.places;
    let may_look = || grant.is_valid() || member.errand.is_sabotaged(Sabotage::IgnoreLoss);
    let clock = member.clock.clone();
    // Before the check: a process can be stopped between any two steps.
    let start = clock.now();
    if !may_look() {
        return;
    }
    let reading = world.look(&sensor.name);
    let end = clock.now();
    let poll = Poll { sensor: sensor.name.clone(), start, end, reading };
    let mut report = Report { outbox: member.outbox.clone(), clock, token: grant.token().as_u64(), poll };
    member.clock.sleep(settle).await;
    if may_look() {
        report.poll.reading = world.look(&sensor.name);
        report.poll.end = report.clock.now();
    }
}

/// A poll that is told to the resource however it ends, also when it is dropped halfway because the grant was lost: what was
/// done has to show in the output.
struct Report {
    outbox: Outbox,
    clock: Clock,
    token: u64,
    poll: Poll,
}

impl Drop for Report {
    fn drop(&mut self) {
        drop(self.outbox.send(self.token, Write::Poll(self.poll.clone())));
    }
}
