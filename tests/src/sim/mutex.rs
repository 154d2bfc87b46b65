//! The mutex under simulation: every node's callers want the same one.

use std::sync::Arc;
use std::time::Duration;

use ha_core::lock::{Mutex, MutexGuard};

use super::cluster::{Cluster, Life, Program};
use super::counters::Counter;
use super::fate::{Fate, suffer};
use crate::history::{EndReason, Recipe};

const NAME: &str = "deploy";

/// The program of every node.
#[must_use]
pub(super) fn program() -> Program {
    Arc::new(|cluster, life| Box::pin(run(cluster, life)))
}

async fn run(cluster: Arc<Cluster>, life: Life) {
    let start = cluster.recorder.start();
    let coordinator = cluster.connect(&life).await;
    let mutex = match coordinator.mutex(NAME) {
        Ok(mutex) => mutex,
        Err(error) => {
            cluster.recorder.mistake(error.to_string());
            return;
        }
    };
    super::events::follow(&cluster, &life, coordinator.events());
    for _ in 0..cluster.plan.callers {
        let (cluster_, life_, mutex) = (Arc::clone(&cluster), life.clone(), mutex.clone());
        cluster.spawn(&life, async move {
            while cluster_.goes_on(start) {
                turn(&cluster_, &life_, &mutex).await;
            }
        });
    }
    // Whoever is in the middle of a turn finishes it; then the session owns nothing any more.
    std::future::pending::<()>().await;
    drop(coordinator);
}

/// One caller asks once, and does with the lock what it does.
async fn turn(cluster: &Arc<Cluster>, life: &Life, mutex: &Mutex) {
    let (think, how, wait, fate) = cluster.world.draw(|random| {
        let wait = Duration::from_millis(random.between(1, 3_000));
        let fate = Fate::draw(random, cluster.plan.drop_calls, wait / 4);
        (random.between(1, 400), random.below(10), wait, fate)
    });
    cluster.world.sleep(Duration::from_millis(think)).await;
    let call = cluster.recorder.asked(life, Recipe::Mutex, NAME);
    let acquired = async {
        match how {
            0 | 1 => mutex.try_acquire().await,
            2..=4 => mutex.acquire_timeout(wait).await.map(Some),
            _ => mutex.acquire().await.map(Some),
        }
    };
    let Some(guard) = suffer(cluster, fate, acquired).await else {
        cluster.recorder.gave_up(life, call, "dropped");
        return;
    };
    match guard {
        Ok(Some(guard)) => hold(cluster, life, call, guard).await,
        Ok(None) => cluster.recorder.gave_up(life, call, "contended"),
        Err(error) => {
            cluster.counters.add(Counter::Failed);
            cluster.recorder.gave_up(life, call, &format!("{:?}", error.kind()));
        }
    }
}

async fn hold(cluster: &Arc<Cluster>, life: &Life, call: u64, guard: MutexGuard) {
    let grant = cluster.recorder.granted(life, call, Recipe::Mutex, NAME, &guard);
    super::events::notice_loss(cluster, life, grant, guard.grant());
    let acts = cluster.world.draw(|random| random.below(4));
    for _ in 0..acts {
        let pause = cluster.pause();
        let over = tokio::select! {
            biased;
            _ = guard.lost() => true,
            () = cluster.world.sleep(pause) => false,
        };
        // A careful holder stops here; a careless one writes nevertheless, and the resource has to refuse it.
        let careless = cluster.world.draw(|random| random.chance(300));
        if (over || !guard.is_valid()) && !careless {
            cluster.counters.add(Counter::LostWhileHeld);
            break;
        }
        if !cluster.recorder.wrote(NAME, guard.token()) {
            cluster.counters.add(Counter::StaleWrite);
        }
    }
    let (how, fate) = cluster.world.draw(|random| {
        (random.below(10), Fate::draw(random, 100 + cluster.plan.drop_calls, Duration::from_millis(50)))
    });
    cluster.recorder.ended(grant, EndReason::Released);
    if how < 2 {
        drop(guard);
    } else if suffer(cluster, fate, guard.release()).await.is_some() {
        // A release whose future is dropped goes on all the same.
        cluster.recorder.released(life, grant);
    }
}
