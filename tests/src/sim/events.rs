//! What coordinators and grants say, written into the history.

use std::sync::Arc;

use ha_core::{Event, Events, Grant};

use super::cluster::{Cluster, Life, nanos};
use super::counters::Counter;

/// Follows the events of a coordinator.
pub(super) fn follow(cluster: &Arc<Cluster>, life: &Life, mut events: Events) {
    let (cluster_, life_) = (Arc::clone(cluster), life.clone());
    cluster.spawn(life, async move {
        while let Some(event) = events.next().await {
            match event {
                Event::SessionOpened { session, ttl } => {
                    cluster_.counters.add(Counter::Reopened);
                    cluster_.recorder.session(&life_, &session, nanos(ttl.unwrap_or_default()));
                }
                Event::Discontinuity { generation, .. } => cluster_.recorder.goes_on(&life_, generation),
                _ => {}
            }
        }
    });
}

/// Records when the holder is told that the grant is lost.
pub(super) fn notice_loss(cluster: &Arc<Cluster>, life: &Life, number: u64, grant: Grant) {
    let (cluster_, life_) = (Arc::clone(cluster), life.clone());
    cluster.spawn(life, async move {
        let reason = grant.lost().await;
        cluster_.recorder.loss_noticed(&life_, number, reason);
    });
}
