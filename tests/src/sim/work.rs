//! A work-set under simulation: nodes add, claim, work and settle, early, late and too late. Beside that they want slots, of which there are fewer than nodes.

use std::sync::Arc;
use std::time::Duration;

use ha_core::work_set::{Item, Retention, Retry, WorkSet};
use ha_core::{Coordinator, Error};

use super::cluster::{Cluster, Life, Program};
use super::counters::Counter;
use super::fate::{Fate, suffer};
use super::handler::Handler;
use super::items::SET;
use super::plan::Plan;
use super::random::Random;
use crate::history::{Addition, Event, Recipe};

/// The items, as the history calls them: few, so that they are added again and again.
const THINGS: [&str; 8] = ["jobs/0", "jobs/1", "jobs/2", "jobs/3", "jobs/4", "jobs/5", "jobs/6", "jobs/7"];

/// What the nodes of a run want of the work-set: the same on all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    retention: Retention,
    /// How long a claim may take, if there is a limit.
    pub(super) deadline: Option<Duration>,
    /// How many items are claimed at once.
    batch: usize,
}

impl Manner {
    /// Drawn from the plan, which is the same for all nodes of a run.
    pub(super) fn of(plan: &Plan) -> Self {
        let draw = plan.ttl.subsec_nanos() as usize / 1_000_000 + plan.drop_calls as usize;
        let few = draw.is_multiple_of(5);
        let time = [Duration::from_secs(3), Duration::from_secs(10), Duration::from_secs(3_600)][draw % 3];
        Self {
            retention: retention(time, if few { 3 } else { 1_000_000 }),
            deadline: draw.is_multiple_of(4).then(|| plan.ttl / 2),
            batch: 1 + draw % 4,
        }
    }

    /// How long it is remembered for sure that an item is done.
    pub(super) fn remembered(self) -> Duration {
        if self.retention.count < THINGS.len() as u64 { Duration::ZERO } else { self.retention.time }
    }

    fn apply(self, work: WorkSet<u64>) -> WorkSet<u64> {
        let mut retry = Retry::default();
        (retry.max_failures, retry.backoff) = (4, Duration::from_millis(300));
        let work = work.retry(retry).retention(self.retention);
        match self.deadline {
            Some(deadline) => work.deadline(deadline),
            None => work,
        }
    }
}

fn retention(time: Duration, count: u64) -> Retention {
    let mut retention = Retention::default();
    (retention.time, retention.count) = (time, count);
    retention
}

/// The name of an item in the history.
pub(super) fn thing(id: &str) -> Option<&'static str> {
    THINGS.into_iter().find(|thing| thing.split_once('/').is_some_and(|(_, of)| of == id))
}

/// The program of every node.
#[must_use]
pub(super) fn program() -> Program {
    Arc::new(|cluster, life| Box::pin(run(cluster, life)))
}

async fn run(cluster: Arc<Cluster>, life: Life) {
    let coordinator = cluster.connect(&life).await;
    super::events::follow(&cluster, &life, coordinator.events());
    let manner = Manner::of(&cluster.plan);
    let work = match coordinator.work_set::<u64>(SET) {
        Ok(work) => manner.apply(work),
        Err(error) => return cluster.recorder.mistake(error.to_string()),
    };
    cluster.spawn(&life, feed(Arc::clone(&cluster), life.clone(), work.clone()));
    cluster.spawn(&life, super::desks::want(Arc::clone(&cluster), life.clone(), coordinator.clone()));
    for caller in 0..cluster.plan.callers {
        let (cluster_, life_, work) = (Arc::clone(&cluster), life.clone(), work.clone());
        cluster.spawn(&life, async move {
            match caller {
                0 => follow_stream(&cluster_, &life_, &work, manner).await,
                _ => claim_in_turn(&cluster_, &life_, &work, manner).await,
            }
        });
    }
    keep(coordinator).await;
}

/// Lives as long as its process.
async fn keep(coordinator: Coordinator) {
    std::future::pending::<()>().await;
    drop(coordinator);
}

// Those who add ---------------------------------------------------------------------------------------------------

/// Adds items, and now and then removes one or gives a dead letter another chance.
async fn feed(cluster: Arc<Cluster>, life: Life, work: WorkSet<u64>) {
    let start = cluster.recorder.start();
    while cluster.goes_on(start) {
        let (think, how, ids, fate) = cluster.world.draw(|random| {
            let fate = Fate::draw(random, cluster.plan.drop_calls, Duration::from_millis(50));
            (random.between(50, 2_500), random.below(20), draw_ids(random), fate)
        });
        cluster.world.sleep(Duration::from_millis(think)).await;
        match how {
            0 => {
                for id in &ids {
                    cluster.recorder.event(&life, Event::Removing { item: name(*id) });
                }
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                let removed = work.remove(ids.iter().map(String::as_str));
                count(&cluster, suffer(&cluster, fate, removed).await);
            }
            1 | 2 => {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                let redriven = work.redrive(ids.iter().map(String::as_str));
                count(&cluster, suffer(&cluster, fate, redriven).await);
            }
            3 => count(&cluster, suffer(&cluster, fate, work.stats()).await),
            how => add(&cluster, &life, &work, &ids, how, fate).await,
        }
    }
}

/// One to four of the items, now and then one of them twice.
fn draw_ids(random: &mut Random) -> Vec<u64> {
    let count = random.between(1, 4);
    (0..count).map(|_| random.below(THINGS.len() as u64)).collect()
}

fn name(id: u64) -> String {
    format!("{SET}/{id}")
}

fn count<T>(cluster: &Cluster, answer: Option<Result<T, Error>>) {
    if let Some(Err(_)) = answer {
        cluster.counters.add(Counter::Failed);
    }
}

async fn add(cluster: &Arc<Cluster>, life: &Life, work: &WorkSet<u64>, ids: &[u64], how: u64, fate: Fate) {
    let items: Vec<Item<u64>> = ids
        .iter()
        .map(|id| {
            let item = Item::new(id.to_string(), *id).priority(i8::try_from(how % 3).unwrap_or(0));
            if how < 8 { item.after(Duration::from_millis(how * 300)) } else { item }
        })
        .collect();
    let Some(answer) = suffer(cluster, fate, work.add_all(items)).await else { return };
    let Ok(added) = answer else { return cluster.counters.add(Counter::Failed) };
    for (id, added) in ids.iter().zip(added) {
        let answer = if added.is_new() { Addition::New } else { Addition::Known };
        cluster.world.note(*id << 1 | u64::from(added.is_new()));
        cluster.recorder.event(life, Event::Added { item: name(*id), answer });
    }
}

// Those who work --------------------------------------------------------------------------------------------------

/// Takes what a stream brings, one or several at a time.
async fn follow_stream(cluster: &Arc<Cluster>, life: &Life, work: &WorkSet<u64>, manner: Manner) {
    let mut claims = work.stream(manner.batch);
    loop {
        let call = cluster.recorder.asked(life, Recipe::Claim, SET);
        let fate = draw_fate(cluster);
        match suffer(cluster, fate, claims.next()).await {
            Some(Ok(claim)) => {
                let handler = Handler::new(cluster, life, manner);
                if let Some(number) = handler.record(call, &claim) {
                    let work = async move { handler.work_on(claim, number).await };
                    // Others of the stream may come meanwhile.
                    cluster.spawn(life, work);
                }
            }
            Some(Err(_)) => failed(cluster, life, call).await,
            None => cluster.recorder.gave_up(life, call, "dropped"),
        }
    }
}

/// Claims some items, works on one after the other, and begins again.
async fn claim_in_turn(cluster: &Arc<Cluster>, life: &Life, work: &WorkSet<u64>, manner: Manner) {
    let start = cluster.recorder.start();
    loop {
        let (think, waits) = cluster.world.draw(|random| (random.between(1, 400), random.chance(600)));
        cluster.world.sleep(Duration::from_millis(think)).await;
        let waits = waits || !cluster.goes_on(start);
        let call = cluster.recorder.asked(life, Recipe::Claim, SET);
        let claimed =
            async { if waits { work.next(manner.batch).await } else { work.claim(manner.batch).await } };
        match suffer(cluster, draw_fate(cluster), claimed).await {
            Some(Ok(claims)) => {
                let handler = Handler::new(cluster, life, manner);
                handler.work_on_all(work, call, claims).await;
            }
            Some(Err(_)) => failed(cluster, life, call).await,
            None => cluster.recorder.gave_up(life, call, "dropped"),
        }
    }
}

/// Once all is healed nobody who waits is dropped: then it shows whether it is served.
fn draw_fate(cluster: &Cluster) -> Fate {
    if cluster.is_healed() {
        return Fate::Lives;
    }
    cluster.world.draw(|random| Fate::draw(random, cluster.plan.drop_calls, Duration::from_millis(500)))
}

async fn failed(cluster: &Cluster, life: &Life, call: u64) {
    cluster.counters.add(Counter::Failed);
    cluster.recorder.gave_up(life, call, "failed");
    cluster.world.sleep(Duration::from_millis(100)).await;
}
