//! A garbage collector in active-passive: one node collects, the others stand by and take over.
//!
//! Objects are entries that say until when they are kept. Collecting has to be careful about one thing: an object that is kept longer at the last
//! moment must survive. So the deletion is guarded by the very state that was seen to be expired, and by leadership.

use std::sync::Arc;
use std::time::Duration;

use ha::runtime::Runtime;
use ha::spi::{Page, Txn};
use ha::store::Documents;
use ha::{Coordinator, Error, ErrorKind, Grant};
use serde::{Deserialize, Serialize};

/// The name of the election and of the record of what was done.
pub const GARBAGE: &str = "garbage";
/// The collection of objects.
pub const OBJECTS: &str = "objects";
/// How many objects one transaction collects.
const BATCH: usize = 20;

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Object {
    /// Until when it is kept, in milliseconds since 1970.
    pub kept_until_ms: u64,
}

impl Object {
    /// An object that is kept until then.
    #[must_use]
    pub fn kept_until(kept_until_ms: u64) -> Self {
        Self { kept_until_ms }
    }
}

/// What was collected by all collectors together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How many objects, each counted once.
    pub collected: u64,
    /// Who collected last.
    pub by: String,
}

/// Collects whenever this node leads, every `interval`, until it is shut down.
///
/// # Errors
/// What the toolkit cannot ride out: `Denied`, `Corrupt`. `Closed` is the end after a shutdown, and no error here.
pub async fn serve(node: Coordinator, interval: Duration, clock: Arc<dyn Runtime>) -> Result<(), Error> {
    let collector = Arc::new(Collector {
        objects: node.store().documents(OBJECTS)?,
        reports: node.store().documents(GARBAGE)?,
        node: node.clone(),
        interval,
        clock,
    });
    let work = |grant| Arc::clone(&collector).collect(grant);
    match node.election(GARBAGE)?.run(work).await {
        Ok(error) => Err(error),
        Err(error) if error.kind() == ErrorKind::Closed => Ok(()),
        Err(error) => Err(error),
    }
}

struct Collector {
    node: Coordinator,
    objects: Documents<Object>,
    reports: Documents<Report>,
    interval: Duration,
    clock: Arc<dyn Runtime>,
}

impl Collector {
    /// Collects until leadership is lost, which drops this. Ends only with an error that does not pass.
    async fn collect(self: Arc<Self>, grant: Grant) -> Error {
        loop {
            match self.round(&grant).await {
                Err(error) if !error.is_transient() && error.kind() != ErrorKind::SessionLost => {
                    return error;
                }
                // What was missed is found by the next round, whatever became of this one.
                _ => self.clock.sleep_until(self.clock.now() + self.interval).await,
            }
        }
    }

    /// Goes through all objects once.
    async fn round(&self, grant: &Grant) -> Result<(), Error> {
        let mut page = Page::by_name(BATCH);
        loop {
            let listing = self.objects.entries().list(page).await?;
            let now = u64::try_from(self.clock.wall_clock().as_millis()).unwrap_or(u64::MAX);
            let mut txn = Txn::new();
            let mut count = 0;
            for entry in listing.entries() {
                let object = self.objects.decode(entry)?;
                if object.value().kept_until_ms <= now {
                    // `unchanged`: whoever keeps it longer meanwhile is faster than this.
                    txn = txn.unchanged(entry.stamp().clone()).delete(entry.stamp().clone());
                    count += 1;
                }
            }
            if count > 0 {
                self.commit(grant, txn, count).await?;
            }
            let Some(last) = listing.entries().last().filter(|_| listing.has_more()) else { return Ok(()) };
            page = Page::after(last.key().name().clone(), BATCH);
        }
    }

    /// Deletes and counts in one step. A conflict leaves both to the next round.
    async fn commit(&self, grant: &Grant, txn: Txn, count: u64) -> Result<(), Error> {
        let report = self.reports.get("report").await?;
        let collected = report.as_ref().map_or(0, |report| report.value().collected) + count;
        let next = self.reports.encode(&Report { collected, by: self.node.node().into() })?;
        let txn = match report {
            Some(report) => txn.update(report.stamp().clone(), next),
            None => txn.create(self.reports.entries().key("report")?, next),
        };
        drop(self.node.store().commit(grant.fence(txn)).await?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{GARBAGE, OBJECTS, Object, Report, serve};
    use crate::doomed::Platform;
    use ha::spi::Page;
    use std::time::Duration;

    const INTERVAL: Duration = Duration::from_millis(10);

    #[tokio::test(flavor = "multi_thread")]
    async fn everything_expired_is_collected_once_though_collectors_are_killed_and_what_is_kept_longer_stays()
    {
        let platform = Platform::new(["box-1", "box-2", "box-3"]).await;
        let writer = platform.writer();
        let objects = writer.store().documents::<Object>(OBJECTS).unwrap();
        let reports = writer.store().documents::<Report>(GARBAGE).unwrap();
        let kept = Object::kept_until(u64::MAX);
        for at in 0..5 {
            assert!(objects.create(&format!("kept-{at}"), &kept).await.unwrap().is_done());
        }
        for node in platform.nodes() {
            node.start(|node, clock| Box::pin(async { drop(serve(node, INTERVAL, clock).await) }));
        }
        let collected =
            async || reports.get("report").await.unwrap().map_or(0, |report| report.value().collected);
        let mut leader = platform.leader(GARBAGE).await;
        let mut expired = 0;
        for round in 0..3 {
            let is_killed = round < 2;
            let victim = platform.node(&leader.0);
            for at in 0..30 {
                let name = format!("expired-{round}-{at}");
                assert!(objects.create(&name, &Object::kept_until(0)).await.unwrap().is_done());
                // In the middle of its work.
                (is_killed && at == 15).then(|| victim.kill());
            }
            expired += 30;
            if is_killed {
                leader = platform.next_leader(GARBAGE, &leader).await;
            }
            while collected().await < expired {
                tokio::time::sleep(INTERVAL).await;
            }
        }
        let left = objects.entries().list(Page::by_name(100)).await.unwrap();
        assert_eq!(left.entries().len(), 5, "{left:?}");
        let report = reports.get("report").await.unwrap().unwrap().into_value();
        assert_eq!(report, Report { collected: expired, by: leader.0 }, "each one counted once");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_object_that_is_kept_longer_in_time_is_not_collected() {
        let platform = Platform::new(["box-1", "box-2"]).await;
        let objects = platform.writer().store().documents::<Object>(OBJECTS).unwrap();
        for node in platform.nodes() {
            node.start(|node, clock| Box::pin(async { drop(serve(node, INTERVAL, clock).await) }));
        }
        platform.leader(GARBAGE).await;
        let mut kept = 0;
        for at in 0..50 {
            let name = format!("object-{at}");
            let stamp = objects.create(&name, &Object::kept_until(0)).await.unwrap().done().unwrap();
            tokio::time::sleep(Duration::from_micros(300 * (at % 50))).await;
            // Either the collector was faster, or it stays.
            if objects.update(&stamp, &Object::kept_until(u64::MAX)).await.unwrap().is_done() {
                kept += 1;
            }
        }
        tokio::time::sleep(INTERVAL * 5).await;
        let left = objects.entries().list(Page::by_name(100)).await.unwrap().into_entries().len();
        assert_eq!(left, kept);
        assert!((1..50).contains(&kept), "both happened: {kept} of 50 were kept");
    }
}
