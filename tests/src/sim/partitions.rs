//! Partitions under simulation: every node owns what it is given, acts on it, and gives it up now early, now late, now by force.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ha_core::partition::{DrainPolicy, OwnedPartition, Ownership, Partitions};
use ha_core::{Coordinator, Error};

use super::cluster::{Cluster, Life, Program};
use super::counters::Counter;
use super::fate::{Fate, suffer};
use crate::history::{EndReason, Recipe};

const NAME: &str = "sensors";
/// The partitions, as the history calls them. The last two are added while the others run.
const THINGS: [&str; 7] =
    ["sensors/0", "sensors/1", "sensors/2", "sensors/3", "sensors/4", "sensors/5", "sensors/6"];
const AT_FIRST: u32 = 5;

/// How the nodes of a run assign: the same on all of them.
#[derive(Clone, Copy, Debug)]
struct Manner {
    drain: Duration,
    overdue: DrainPolicy,
    keep: Duration,
}

impl Manner {
    /// Drawn from the plan, which is the same for all nodes of a run.
    fn of(cluster: &Cluster) -> Self {
        let plan = &cluster.plan;
        let draw = plan.ttl.subsec_nanos() as usize + plan.drop_calls as usize;
        let overdue = [
            DrainPolicy::Wait,
            DrainPolicy::Evict,
            DrainPolicy::Wait,
            DrainPolicy::Force,
            DrainPolicy::Evict,
        ];
        Self {
            drain: Duration::from_millis(plan.drop_calls),
            overdue: overdue[draw % overdue.len()],
            keep: if draw.is_multiple_of(3) { plan.ttl / 2 } else { Duration::ZERO },
        }
    }

    fn apply(self, partitions: Partitions) -> Partitions {
        let partitions = partitions.drain(self.drain, self.overdue).keep_for(self.keep);
        if self.overdue == DrainPolicy::Force { partitions.fenced() } else { partitions }
    }
}

/// The program of every node.
#[must_use]
pub(super) fn program() -> Program {
    Arc::new(|cluster, life| Box::pin(run(cluster, life)))
}

async fn run(cluster: Arc<Cluster>, life: Life) {
    let start = cluster.recorder.start();
    let coordinator = cluster.connect(&life).await;
    super::events::follow(&cluster, &life, coordinator.events());
    while cluster.goes_on(start) && !cluster.has_crashed(&life) {
        let Some(ownership) = join(&cluster, &coordinator).await else { continue };
        let member = Member::new(&cluster, &life);
        member.own(ownership, start).await;
        // A member that left comes again.
        let pause = cluster.pause();
        cluster.world.sleep(pause).await;
    }
    std::future::pending::<()>().await;
    drop(coordinator);
}

/// From when on there are two partitions more.
fn half_way(cluster: &Cluster) -> u64 {
    cluster.recorder.start() + super::cluster::nanos(cluster.plan.safety / 2)
}

async fn join(cluster: &Arc<Cluster>, coordinator: &Coordinator) -> Option<Ownership> {
    let count = if cluster.world.now() < half_way(cluster) { AT_FIRST } else { AT_FIRST + 2 };
    let partitions = match coordinator.partitions(NAME, count) {
        Ok(partitions) => Manner::of(cluster).apply(partitions),
        Err(error) => {
            cluster.recorder.mistake(error.to_string());
            return None;
        }
    };
    let fate =
        cluster.world.draw(|random| Fate::draw(random, cluster.plan.drop_calls, Duration::from_millis(50)));
    let joined: Option<Result<Ownership, Error>> = suffer(cluster, fate, partitions.join()).await;
    match joined {
        Some(Ok(ownership)) => Some(ownership),
        // A second life of one name, a shutdown, or a partition more than there were when it looked.
        Some(Err(_)) => {
            cluster.counters.add(Counter::Failed);
            cluster.world.sleep(Duration::from_millis(100)).await;
            None
        }
        None => None,
    }
}

/// A member, and which call of its own waits for each partition.
struct Member {
    cluster: Arc<Cluster>,
    life: Life,
    /// `None` once it has left.
    calls: Mutex<Option<Vec<u64>>>,
}

impl Member {
    fn new(cluster: &Arc<Cluster>, life: &Life) -> Arc<Self> {
        let ask = |name| cluster.recorder.asked(life, Recipe::Partition, name);
        let calls = THINGS.map(ask).to_vec();
        Arc::new(Self { cluster: Arc::clone(cluster), life: life.clone(), calls: Mutex::new(Some(calls)) })
    }

    fn calls(&self) -> MutexGuard<'_, Option<Vec<u64>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was lost or given up is wanted again.
    fn ask_again(&self, partition: usize) {
        if let Some(calls) = &mut *self.calls() {
            calls[partition] = self.cluster.recorder.asked(&self.life, Recipe::Partition, THINGS[partition]);
        }
    }

    /// Owns partitions until the member leaves, for once, or the run is over.
    async fn own(self: Arc<Self>, mut ownership: Ownership, start: u64) {
        let cluster = &self.cluster;
        let span = cluster.plan.safety + cluster.plan.liveness;
        let (leaves, stay) = cluster.world.draw(|random| {
            let stay = random.between(1, 40_000);
            (random.chance(300), Duration::from_millis(stay))
        });
        let until = if leaves && cluster.goes_on(start) && !self.is_healed() { stay } else { span };
        let (leaving, growing) = (cluster.world.sleep(until), cluster.world.sleep_until(half_way(cluster)));
        tokio::pin!(leaving, growing);
        let (mut has_grown, mut stays) = (false, false);
        loop {
            let next = tokio::select! {
                biased;
                () = &mut leaving, if !stays => {
                    if !self.is_healed() && cluster.goes_on(start) {
                        break;
                    }
                    // Too late to leave: from now on it owns what it is given.
                    stays = true;
                    continue;
                }
                () = &mut growing, if !has_grown => {
                    has_grown = true;
                    drop(ownership.grow(AT_FIRST + 2));
                    continue;
                }
                next = ownership.next() => next,
            };
            let Some(owned) = next else { return };
            self.record(owned);
        }
        let announced = cluster.world.draw(|random| random.below(3)) == 0;
        if announced {
            // Whoever assigns may be away: nobody waits for the answer for long.
            let announcing = ownership.announce_restart(Duration::from_secs(2));
            let (patience, counters) = (cluster.world.sleep(Duration::from_secs(1)), &cluster.counters);
            tokio::select! {
                biased;
                _ = announcing => counters.add(Counter::Announced),
                () = patience => {}
            }
        }
        self.give_up_calls();
        if cluster.world.draw(|random| random.chance(500)) {
            drop(ownership);
        } else {
            drop(ownership.leave().await);
        }
        cluster.counters.add(Counter::MemberLeft);
    }

    fn is_healed(&self) -> bool {
        let safety = super::cluster::nanos(self.cluster.plan.safety);
        self.cluster.world.now() >= self.cluster.recorder.start() + safety
    }

    fn give_up_calls(&self) {
        let calls = self.calls().take().unwrap_or_default();
        calls.into_iter().for_each(|call| self.cluster.recorder.gave_up(&self.life, call, "left"));
    }

    /// Writes down that the member owns a partition, and starts to act on it.
    fn record(self: &Arc<Self>, owned: OwnedPartition) {
        let (cluster, life) = (&self.cluster, &self.life);
        let partition = owned.id() as usize;
        let call = self.calls().as_ref().map(|calls| calls[partition]);
        let Some(call) = call.filter(|_| owned.is_valid()) else { return };
        let (name, grant) = (THINGS[partition], owned.grant());
        let number = cluster.recorder.granted(life, call, Recipe::Partition, name, &grant);
        if Manner::of(cluster).overdue == DrainPolicy::Force {
            // It may be moved by force: its tokens alone protect it.
            cluster.recorder.shares(life, number, 1, 1_000);
        }
        super::events::notice_loss(cluster, life, number, grant);
        let member = Arc::clone(self);
        cluster.spawn(life, async move { member.hold(owned, number).await });
    }

    async fn hold(self: Arc<Self>, owned: OwnedPartition, number: u64) {
        let cluster = &self.cluster;
        let partition = owned.id() as usize;
        let (name, grant) = (THINGS[partition], owned.grant());
        loop {
            let pause = cluster.pause();
            let over = tokio::select! {
                biased;
                _ = grant.lost() => true,
                () = owned.revoked() => true,
                () = cluster.world.sleep(pause) => false,
            };
            if over {
                break;
            }
            if !cluster.recorder.wrote(name, grant.token()) {
                cluster.counters.add(Counter::StaleWrite);
            }
        }
        if grant.is_valid() {
            cluster.counters.add(Counter::Revoked);
            self.finish(&owned, name).await;
        } else {
            cluster.counters.add(Counter::LostWhileHeld);
            cluster.recorder.loss_noticed(&self.life, number, grant.lost().await);
        }
        cluster.recorder.ended(number, EndReason::Released);
        self.ask_again(partition);
        drop(owned);
    }

    /// Ends its work after the revocation: at once, within its time, or far too late.
    async fn finish(&self, owned: &OwnedPartition, name: &'static str) {
        let cluster = &self.cluster;
        let late = cluster.world.draw(|random| random.below(4));
        let longest =
            if self.is_healed() { 50 } else { [1, 50, 300, 5_000][usize::try_from(late).unwrap_or(0)] };
        let pause = cluster.world.draw(|random| Duration::from_millis(random.between(0, longest)));
        tokio::select! {
            biased;
            _ = owned.lost() => {}
            () = cluster.world.sleep(pause) => {
                // The last act of whoever gives it up.
                if owned.is_valid() && !cluster.recorder.wrote(name, owned.token()) {
                    cluster.counters.add(Counter::StaleWrite);
                }
            }
        }
    }
}
