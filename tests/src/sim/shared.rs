//! A read-write lock and a semaphore under simulation: callers of every node want shares of different sizes.

use std::sync::Arc;
use std::time::Duration;

use ha_core::lock::{ReadGuard, RwLock, Semaphore, SemaphoreGuard, WriteGuard};
use ha_core::{Error, Grant};

use super::cluster::{Cluster, Life, Program};
use super::counters::Counter;
use super::fate::{Fate, suffer};
use crate::history::{EndReason, Recipe};

const LOCK: &str = "config";
const PERMITS_OF: &str = "jobs";
const PERMITS: u32 = 3;
/// As many readers as the history allows at once.
const READERS: u64 = 1_000;

/// The program of every node.
#[must_use]
pub(super) fn program() -> Program {
    Arc::new(|cluster, life| Box::pin(run(cluster, life)))
}

async fn run(cluster: Arc<Cluster>, life: Life) {
    let start = cluster.recorder.start();
    let coordinator = cluster.connect(&life).await;
    let (lock, semaphore) = match (coordinator.rw_lock(LOCK), coordinator.semaphore(PERMITS_OF, PERMITS)) {
        (Ok(lock), Ok(semaphore)) => (lock, semaphore),
        (lock, semaphore) => {
            cluster.recorder.mistake(format!("{:?} {:?}", lock.err(), semaphore.err()));
            return;
        }
    };
    super::events::follow(&cluster, &life, coordinator.events());
    for caller in 0..cluster.plan.callers {
        let (cluster_, life_) = (Arc::clone(&cluster), life.clone());
        let (lock, semaphore) = (lock.clone(), semaphore.clone());
        cluster.spawn(&life, async move {
            while cluster_.goes_on(start) {
                if (caller + life_.index) % 2 == 0 {
                    use_lock(&cluster_, &life_, &lock).await;
                } else {
                    use_permits(&cluster_, &life_, &semaphore).await;
                }
            }
        });
    }
    // Whoever is in the middle of a turn finishes it; then the session owns nothing any more.
    std::future::pending::<()>().await;
    drop(coordinator);
}

/// What a caller holds.
enum Share {
    Read(ReadGuard),
    Write(WriteGuard),
    Permits(SemaphoreGuard),
}

impl Share {
    fn grant(&self) -> Grant {
        match self {
            Self::Read(guard) => guard.grant(),
            Self::Write(guard) => guard.grant(),
            Self::Permits(guard) => guard.grant(),
        }
    }

    fn name(&self) -> &'static str {
        if matches!(self, Self::Permits(_)) { PERMITS_OF } else { LOCK }
    }

    /// Its weight, and what there is.
    fn weight(&self) -> (u64, u64) {
        match self {
            Self::Read(_) => (1, READERS),
            Self::Write(_) => (READERS, READERS),
            Self::Permits(guard) => (u64::from(guard.weight()), u64::from(PERMITS)),
        }
    }

    async fn release(self) -> Result<(), Error> {
        match self {
            Self::Read(guard) => guard.release().await,
            Self::Write(guard) => guard.release().await,
            Self::Permits(guard) => guard.release().await,
        }
    }
}

/// How a caller asks.
struct Ask {
    call: u64,
    how: u64,
    wait: Duration,
    fate: Fate,
}

async fn ask(cluster: &Arc<Cluster>, life: &Life, name: &'static str) -> Ask {
    let (think, how, wait, fate) = cluster.world.draw(|random| {
        let wait = Duration::from_millis(random.between(1, 3_000));
        let fate = Fate::draw(random, cluster.plan.drop_calls, wait / 4);
        (random.between(1, 400), random.below(10), wait, fate)
    });
    cluster.world.sleep(Duration::from_millis(think)).await;
    Ask { call: cluster.recorder.asked(life, Recipe::Shared, name), how, wait, fate }
}

async fn use_lock(cluster: &Arc<Cluster>, life: &Life, lock: &RwLock) {
    let Ask { call, how, wait, fate } = ask(cluster, life, LOCK).await;
    let acquired = async {
        match how {
            0 => lock.try_read().await.map(|guard| guard.map(Share::Read)),
            1 => lock.try_write().await.map(|guard| guard.map(Share::Write)),
            2 => lock.read_timeout(wait).await.map(Share::Read).map(Some),
            3 => lock.write_timeout(wait).await.map(Share::Write).map(Some),
            4..=6 => lock.write().await.map(Share::Write).map(Some),
            _ => lock.read().await.map(Share::Read).map(Some),
        }
    };
    let answer = suffer(cluster, fate, acquired).await;
    answered(cluster, life, call, answer).await;
}

async fn use_permits(cluster: &Arc<Cluster>, life: &Life, semaphore: &Semaphore) {
    let Ask { call, how, wait, fate } = ask(cluster, life, PERMITS_OF).await;
    let weight = cluster.world.draw(|random| random.between(1, u64::from(PERMITS)));
    let weight = u32::try_from(weight).unwrap_or(1);
    let acquired = async {
        match how {
            0 | 1 => semaphore.try_acquire_many(weight).await,
            2..=4 => semaphore.acquire_many_timeout(weight, wait).await.map(Some),
            _ => semaphore.acquire_many(weight).await.map(Some),
        }
    };
    let answer =
        suffer(cluster, fate, acquired).await.map(|answer| answer.map(|guard| guard.map(Share::Permits)));
    answered(cluster, life, call, answer).await;
}

async fn answered(
    cluster: &Arc<Cluster>,
    life: &Life,
    call: u64,
    answer: Option<Result<Option<Share>, Error>>,
) {
    match answer {
        None => cluster.recorder.gave_up(life, call, "dropped"),
        Some(Ok(Some(share))) => hold(cluster, life, call, share).await,
        Some(Ok(None)) => cluster.recorder.gave_up(life, call, "contended"),
        Some(Err(error)) => {
            cluster.counters.add(Counter::Failed);
            cluster.recorder.gave_up(life, call, &format!("{:?}", error.kind()));
        }
    }
}

async fn hold(cluster: &Arc<Cluster>, life: &Life, call: u64, share: Share) {
    let number = record(cluster, life, call, &share);
    act(cluster, &share).await;
    let (how, fate) = cluster.world.draw(|random| {
        (random.below(10), Fate::draw(random, 100 + cluster.plan.drop_calls, Duration::from_millis(50)))
    });
    cluster.recorder.ended(number, EndReason::Released);
    let share = match share {
        Share::Write(guard) if how > 6 => {
            let call = cluster.recorder.asked(life, Recipe::Shared, LOCK);
            match suffer(cluster, fate, guard.downgrade()).await {
                Some(Ok(guard)) => {
                    let share = Share::Read(guard);
                    let number = record(cluster, life, call, &share);
                    cluster.counters.add(Counter::Downgraded);
                    act(cluster, &share).await;
                    cluster.recorder.ended(number, EndReason::Released);
                    share
                }
                Some(Err(_)) | None => {
                    cluster.recorder.gave_up(life, call, "not downgraded");
                    return;
                }
            }
        }
        share => share,
    };
    if how < 2 {
        drop(share);
    } else if suffer(cluster, fate, share.release()).await.is_some() {
        // A release whose future is dropped goes on all the same.
        cluster.recorder.released(life, number);
    }
}

fn record(cluster: &Arc<Cluster>, life: &Life, call: u64, share: &Share) -> u64 {
    let (weight, permits) = share.weight();
    let number = cluster.recorder.granted(life, call, Recipe::Shared, share.name(), &share.grant());
    cluster.recorder.shares(life, number, weight, permits);
    super::events::notice_loss(cluster, life, number, share.grant());
    number
}

/// Holds for a while. A writer writes; shared holders are not fenced from each other.
async fn act(cluster: &Arc<Cluster>, share: &Share) {
    let grant = share.grant();
    for _ in 0..cluster.world.draw(|random| random.below(3)) {
        let pause = cluster.pause();
        let over = tokio::select! {
            biased;
            _ = grant.lost() => true,
            () = cluster.world.sleep(pause) => false,
        };
        let careless = cluster.world.draw(|random| random.chance(300));
        if (over || !grant.is_valid()) && !careless {
            cluster.counters.add(Counter::LostWhileHeld);
            return;
        }
        if matches!(share, Share::Write(_)) && !cluster.recorder.wrote(LOCK, grant.token()) {
            cluster.counters.add(Counter::StaleWrite);
        }
    }
}
