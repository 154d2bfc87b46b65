//! Elections under simulation: campaigns, runs, hand-overs and observers on every node.

use std::sync::Arc;
use std::time::Duration;

use ha_core::election::{Election, Leadership, Observation, Predecessor};

use super::cluster::{Cluster, Life, Program};
use super::counters::Counter;
use super::fate::{Fate, suffer};
use crate::history::{EndReason, Recipe, Sight};

const NAME: &str = "timers";

/// The program of every node.
#[must_use]
pub(super) fn program() -> Program {
    Arc::new(|cluster, life| Box::pin(run(cluster, life)))
}

async fn run(cluster: Arc<Cluster>, life: Life) {
    let start = cluster.recorder.start();
    let coordinator = cluster.connect(&life).await;
    let election = match coordinator.election(NAME) {
        Ok(election) => election,
        Err(error) => {
            cluster.recorder.mistake(error.to_string());
            return;
        }
    };
    super::events::follow(&cluster, &life, coordinator.events());
    observe(&cluster, &life, &election);
    let priority = i32::try_from(cluster.world.draw(|random| random.below(3))).unwrap_or(0);
    let election = election.priority(priority);
    let callers = cluster.plan.callers.min(2);
    for _ in 0..callers {
        let (cluster_, life_, election) = (Arc::clone(&cluster), life.clone(), election.clone());
        cluster.spawn(&life, async move {
            while cluster_.goes_on(start) {
                turn(&cluster_, &life_, &election).await;
            }
        });
    }
    while cluster.goes_on(start) {
        let (pause, target, hand_over) = cluster.world.draw(|random| {
            (random.between(500, 6_000), random.below(cluster.plan.nodes as u64), random.chance(300))
        });
        cluster.world.sleep(Duration::from_millis(pause)).await;
        if hand_over && election.transfer_to(&format!("n{target}")).await.is_ok() {
            cluster.counters.add(Counter::Transferred);
        }
    }
    // Whoever is in the middle of a turn finishes it; then the session owns nothing any more.
    std::future::pending::<()>().await;
    drop(coordinator);
}

fn observe(cluster: &Arc<Cluster>, life: &Life, election: &Election) {
    let mut observer = election.observe();
    let number = cluster.recorder.observer();
    let (cluster_, life_) = (Arc::clone(cluster), life.clone());
    cluster.spawn(life, async move {
        while let Some(seen) = observer.next().await {
            let sight = match seen {
                Observation::Leader(leader) => {
                    Sight::Leader { term: leader.term.as_u64(), node: leader.node }
                }
                Observation::Vacant => Sight::Vacant,
                _ => Sight::Unknown,
            };
            cluster_.recorder.observed(&life_, number, NAME, sight);
        }
    });
}

/// One caller stands once, and leads for a while if it is elected.
async fn turn(cluster: &Arc<Cluster>, life: &Life, election: &Election) {
    let (think, fate) = cluster.world.draw(|random| {
        let fate = Fate::draw(random, cluster.plan.drop_calls, Duration::from_secs(4));
        (random.between(1, 800), fate)
    });
    cluster.world.sleep(Duration::from_millis(think)).await;
    let call = cluster.recorder.asked(life, Recipe::Election, NAME);
    let Some(elected) = suffer(cluster, fate, election.campaign()).await else {
        cluster.recorder.gave_up(life, call, "dropped");
        return;
    };
    match elected {
        Ok(leadership) => lead(cluster, life, call, leadership).await,
        Err(error) => {
            cluster.counters.add(Counter::Failed);
            cluster.recorder.gave_up(life, call, &format!("{:?}", error.kind()));
        }
    }
}

async fn lead(cluster: &Arc<Cluster>, life: &Life, call: u64, leadership: Leadership) {
    let grant = cluster.recorder.granted(life, call, Recipe::Election, NAME, &leadership);
    super::events::notice_loss(cluster, life, grant, leadership.grant());
    if matches!(leadership.predecessor(), Predecessor::Vanished { .. }) {
        cluster.counters.add(Counter::Vanished);
    }
    let acts = cluster.world.draw(|random| random.below(12));
    for _ in 0..acts {
        if !cluster.goes_on(cluster.recorder.start()) {
            break;
        }
        let pause = cluster.pause();
        let over = tokio::select! {
            biased;
            _ = leadership.lost() => true,
            () = cluster.world.sleep(pause) => false,
        };
        let careless = cluster.world.draw(|random| random.chance(200));
        if (over || !leadership.is_valid()) && !careless {
            cluster.counters.add(Counter::LostWhileHeld);
            break;
        }
        if !cluster.recorder.wrote(NAME, leadership.token()) {
            cluster.counters.add(Counter::StaleWrite);
        }
    }
    let (how, target, fate) = cluster.world.draw(|random| {
        let fate = Fate::draw(random, 100 + cluster.plan.drop_calls, Duration::from_millis(50));
        (random.below(10), random.below(cluster.plan.nodes as u64), fate)
    });
    if how > 1 && how < 4 {
        let transferred = suffer(cluster, fate, leadership.transfer_to(&format!("n{target}"))).await;
        if transferred.is_some_and(|transferred| transferred.is_ok()) {
            cluster.counters.add(Counter::Transferred);
        }
        cluster.recorder.ended(grant, EndReason::Released);
        return;
    }
    cluster.recorder.ended(grant, EndReason::Released);
    if how < 2 {
        drop(leadership);
    } else if suffer(cluster, fate, leadership.resign()).await.is_some() {
        cluster.recorder.released(life, grant);
    }
}
