//! Slots under simulation: every node wants one, now and then, and there are fewer than nodes.

use std::sync::Arc;
use std::time::Duration;

use ha_core::Coordinator;
use ha_core::work_set::Slot;

use super::cluster::{Cluster, Life};
use super::counters::Counter;
use super::fate::{Fate, suffer};
use crate::history::{EndReason, Recipe};

/// Where they are in the store.
pub(super) const SLOTS: &[&str] = &["slot", DESKS];
const DESKS: &str = "desks";
/// The slots, as the history calls them.
const THINGS: [&str; 3] = ["desks/0", "desks/1", "desks/2"];

/// Takes a slot, holds it for a while, gives it back, and begins again.
pub(super) async fn want(cluster: Arc<Cluster>, life: Life, coordinator: Coordinator) {
    let start = cluster.recorder.start();
    let count = u32::try_from(THINGS.len()).unwrap_or(1);
    let slots = match coordinator.slots(DESKS, count) {
        Ok(slots) => slots,
        Err(error) => return cluster.recorder.mistake(error.to_string()),
    };
    while cluster.goes_on(start) {
        let (think, tries, fate) = cluster.world.draw(|random| {
            let fate = Fate::draw(random, cluster.plan.drop_calls, Duration::from_millis(500));
            (random.between(1, 2_000), random.chance(300), fate)
        });
        cluster.world.sleep(Duration::from_millis(think)).await;
        let call = cluster.recorder.asked(&life, Recipe::Slot, DESKS);
        let taken = async { if tries { slots.try_acquire().await } else { slots.acquire().await.map(Some) } };
        match suffer(&cluster, fate, taken).await {
            Some(Ok(Some(slot))) => hold(&cluster, &life, call, slot).await,
            Some(Ok(None)) => cluster.recorder.gave_up(&life, call, "all are taken"),
            Some(Err(_)) => {
                cluster.counters.add(Counter::Failed);
                cluster.recorder.gave_up(&life, call, "failed");
            }
            None => cluster.recorder.gave_up(&life, call, "dropped"),
        }
    }
}

async fn hold(cluster: &Arc<Cluster>, life: &Life, call: u64, slot: Slot) {
    let Some(name) = THINGS.get(slot.ordinal() as usize).filter(|_| slot.is_valid()) else {
        return cluster.recorder.gave_up(life, call, "lost on the way");
    };
    let number = cluster.recorder.granted(life, call, Recipe::Slot, name, &slot);
    cluster.counters.add(Counter::SlotTaken);
    super::events::notice_loss(cluster, life, number, slot.grant());
    for _ in 0..cluster.world.draw(|random| random.below(3)) {
        let pause = cluster.pause();
        tokio::select! {
            biased;
            _ = slot.lost() => break,
            () = cluster.world.sleep(pause) => {}
        }
        if !cluster.recorder.wrote(name, slot.token()) {
            cluster.counters.add(Counter::StaleWrite);
        }
    }
    let (drops, fate) = cluster.world.draw(|random| {
        (random.chance(300), Fate::draw(random, cluster.plan.drop_calls, Duration::from_millis(50)))
    });
    cluster.recorder.ended(number, EndReason::Released);
    if drops {
        drop(slot);
    } else if suffer(cluster, fate, slot.release()).await.is_some() {
        // A release whose future is dropped goes on all the same.
        cluster.recorder.released(life, number);
    }
}
