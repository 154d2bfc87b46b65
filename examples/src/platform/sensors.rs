//! The sensor service: each sensor is a partition, which one node at a time owns and polls. They are spread evenly, and move when nodes come and go.

use std::time::Duration;

use ha_core::partition::Partition;
use ha_core::{Error, Grant, Standing};

use super::clock::Clock;
use super::inputs::Sensor;
use super::member::Member;
use super::options::Sabotage;
use super::outbox::Outbox;
use super::records::{Poll, SENSORS, Write, sensor_thing};
use super::timeline::Event;

/// How long after the first look of a poll the second one comes: what is in the middle of a change settles meanwhile.
const SETTLE: Duration = Duration::from_millis(20);
/// How many nodes have to be here before sensors are given away for the first time: the first one does not get them all, and one that does not start keeps nobody waiting.
const ENOUGH: usize = 2;

/// Polls the sensors that this node owns, until it shuts down.
pub(super) async fn serve(member: Member) -> Result<(), Error> {
    // All nodes read the same list: a partition is a sensor's place in it.
    let sensors = &member.errand.inputs.sensors;
    let count = u32::try_from(sensors.len()).unwrap_or(u32::MAX);
    let partitions = member.coordinator.partitions(SENSORS, count)?.min_members(ENOUGH);
    partitions
        .run(|partition, grant| {
            let (member, sensor) = (member.clone(), sensors.get(partition.id() as usize).cloned());
            async move {
                if let Some(sensor) = sensor {
                    own(&member, &sensor, &partition, &grant).await;
                }
            }
        })
        .await
}

/// Polls a sensor until it is to be given up. `run` drops this when the grant is lost before.
async fn own(member: &Member, sensor: &Sensor, partition: &Partition, grant: &Grant) {
    let _told = Told::granted(member, sensor, grant);
    if member.errand.is_sabotaged(Sabotage::IgnoreLoss) {
        // Spawned work is not dropped with `run`; it has to watch the grant, and this does not.
        let (member, sensor, grant) = (member.clone(), sensor.clone(), grant.clone());
        tokio::spawn(async move {
            loop {
                // It is always in the middle of a poll, so that no run misses its successor's by luck.
                poll(&member, &sensor, &grant, sensor.interval()).await;
            }
        });
        return partition.revoked().await;
    }
    // The poll that is under way is finished: the sensor is still ours, and its next owner waits for that.
    while !partition.is_revoked() {
        poll(member, sensor, grant, SETTLE).await;
        tokio::select! {
            biased;
            () = partition.revoked() => {}
            () = member.clock.sleep(sensor.interval()) => {}
        }
    }
}

/// Tells that a sensor was granted, and however that ends, that it has ended.
struct Told<'a> {
    member: &'a Member,
    sensor: &'a Sensor,
    grant: &'a Grant,
}

impl<'a> Told<'a> {
    fn granted(member: &'a Member, sensor: &'a Sensor, grant: &'a Grant) -> Self {
        let (thing, token) = (sensor_thing(&sensor.name), grant.token().as_u64());
        member.tell(Event::Granted { node: member.node(), thing, token });
        Self { member, sensor, grant }
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let (thing, token) = (sensor_thing(&self.sensor.name), self.grant.token().as_u64());
        let reason = match self.grant.standing() {
            Standing::Lost(reason) => reason.to_string(),
            _ => "given up".into(),
        };
        self.member.tell(Event::Ended { node: self.member.node(), thing, token, reason });
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
