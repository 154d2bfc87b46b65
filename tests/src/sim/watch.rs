//! Watches across the simulated network: in order, late, and broken now and then.

use std::sync::Arc;
use std::time::Duration;

use ha_core::spi::{Change, WatchEvent, WatchStream, WatchTarget};
use tokio::sync::mpsc;

use super::counters::Counter;
use super::network::Road;
use super::store::{Client, Wire};
use super::zoo::StoreBug;

/// Per mille of watch items at which the connection breaks, in bad weather.
const GAP: u64 = 20;
/// How often a broken connection is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// Opens a watch: a task at the server forwards what it sees to the client.
pub(super) fn open(client: &Arc<Client>, target: WatchTarget) -> WatchStream {
    let (items, received) = mpsc::unbounded_channel();
    let (wire, session) = (client.wire.clone(), Arc::clone(&client.at_server));
    let forward = async move {
        let mut first = true;
        loop {
            until_connected(&wire, &items).await;
            wire.server.world.sleep(wire.network.delay()).await;
            let mut watch = session.inner.watch(target.clone());
            if !first && wire.server.bug == Some(StoreBug::NoSnapshotAfterGap) {
                watch.next().await;
            }
            first = false;
            if !forward_until_broken(&wire, &mut watch, &items).await {
                return;
            }
            wire.network.counters().add(Counter::WatchGap);
        }
    };
    client.wire.server.world.spawn(client.wire.server.node, Box::pin(forward));
    WatchStream::new(Received { received, client: Arc::clone(client) })
}

type Items = mpsc::UnboundedSender<WatchEvent>;

async fn until_connected(wire: &Wire, items: &Items) {
    while !wire.link.is_whole() && !items.is_closed() {
        wire.server.world.sleep(RETRY).await;
    }
}

/// Forwards items. True when the connection broke, false when the session is over or nobody listens.
async fn forward_until_broken(wire: &Wire, watch: &mut WatchStream, items: &Items) -> bool {
    loop {
        let item = tokio::select! {
            biased;
            () = items.closed() => return false,
            item = watch.next() => item,
        };
        wire.server.write_log(None);
        wire.server.world.sleep(wire.network.delay()).await;
        let Some(mut item) = item else { return false };
        let bad_weather = wire.network.weather().lose_reply > 0;
        let broken = !wire.link.replies_pass(Road::Data)
            || (bad_weather && wire.server.world.draw(|random| random.chance(GAP)));
        if broken {
            // The client notices once it is reconnected, or by its own timeout: both look like this to it.
            return items.send(WatchEvent::Interrupted).is_ok();
        }
        if wire.server.bug == Some(StoreBug::WatchLosesRemovals) {
            lose_removals(&mut item);
        }
        if items.send(item).is_err() {
            return false;
        }
    }
}

fn lose_removals(item: &mut WatchEvent) {
    if let WatchEvent::Changed { changes, .. } = item {
        changes
            .retain(|change| !matches!(change, Change::Removed(stamp) if stamp.created().as_u64() % 7 == 0));
    }
}

/// The receiving end.
struct Received {
    received: mpsc::UnboundedReceiver<WatchEvent>,
    client: Arc<Client>,
}

impl futures_core::Stream for Received {
    type Item = WatchEvent;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<WatchEvent>> {
        let item = self.received.poll_recv(cx);
        let client = &self.client;
        let heard = |lineage| client.wire.server.lineage_for(lineage, &*client.runtime);
        item.map(|item| {
            item.map(|item| match item {
                WatchEvent::Snapshot { entries, revision, lineage } => {
                    client.saw(revision);
                    WatchEvent::Snapshot { entries, revision, lineage: heard(lineage) }
                }
                WatchEvent::Changed { changes, revision, lineage } => {
                    client.saw(revision);
                    WatchEvent::Changed { changes, revision, lineage: heard(lineage) }
                }
                WatchEvent::Discontinuity(lineage) => WatchEvent::Discontinuity(heard(lineage)),
                other => other,
            })
        })
    }
}
