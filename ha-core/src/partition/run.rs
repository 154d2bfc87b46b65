//! Owning partitions by a future or by callbacks.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use super::Partitions;
use super::crew::Crew;
use super::owned::{OwnedPartition, Partition};
use super::ownership::Ownership;
use crate::coordinator::{Grant, Hub, Lifetime, closed};
use crate::error::Error;

impl Partitions {
    /// Joins, and runs `work` for each partition that this process owns, all in this one task. Never returns but with an error.
    ///
    /// When a partition is revoked its work may end by itself within [`drain`](Self::drain): it learns by [`Partition::revoked`]. After that, or as soon as the grant is lost, its future is
    /// dropped; only then can the partition move. What `work` has spawned must watch [`Grant::cancellation`]. Work that ends earlier is not called again before the partition has moved. If
    /// `work` panics, everything is given up and the panic goes on.
    ///
    /// ```no_run
    /// # async fn example(node: ha_core::Coordinator) -> Result<(), ha_core::Error> {
    /// node.partitions("sensors", 64)?
    ///     .run(|partition, grant| async move {
    ///         while !partition.is_revoked() {
    ///             println!("sensor {partition} polled with token {}", grant.token());
    ///             tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    ///         }
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`join`](Self::join). After a shutdown: `Closed`, with all work ended.
    ///
    /// # Cancel safety
    /// Dropping the future drops all work, then leaves in the background.
    pub async fn run<F, Fut>(&self, mut work: F) -> Result<(), Error>
    where
        F: FnMut(Partition, Grant) -> Fut + Send,
        Fut: Future<Output = ()> + Send,
    {
        let hub = self.hub.clone();
        self.drive(|owned| {
            let work = work(owned.partition(), owned.grant());
            guarded(hub.clone(), owned, work)
        })
        .await
    }

    /// Joins, and calls `on_assigned` for each partition that this process owns from now on, and `on_revoked` when it is to be given up or its grant is lost; the partition can move once the
    /// future that this returns has ended. Never returns but with an error.
    ///
    /// # Errors
    /// As [`join`](Self::join). After a shutdown: `Closed`, with everything given up.
    ///
    /// # Cancel safety
    /// Dropping the future gives everything up without a call of `on_revoked`, and leaves in the background.
    pub async fn each<A, R, Fut>(&self, mut on_assigned: A, on_revoked: R) -> Result<(), Error>
    where
        A: FnMut(Partition, Grant) + Send,
        R: Fn(Partition) -> Fut + Send + Sync,
        Fut: Future<Output = ()> + Send,
    {
        let on_revoked = &on_revoked;
        self.drive(|owned| {
            on_assigned(owned.partition(), owned.grant());
            async move {
                until_over(&owned).await;
                on_revoked(owned.partition()).await;
            }
        })
        .await
    }

    /// Owns partitions, and makes a future of each, until the coordinator is shut down.
    async fn drive<F: Future<Output = ()>>(
        &self,
        mut begin: impl FnMut(OwnedPartition) -> F,
    ) -> Result<(), Error> {
        // Declared in the order in which they have to be dropped last to first: the work ends before the membership does.
        let mut ownership: Ownership = self.join().await?;
        let mut crew = Crew::new();
        let mut over = false;
        std::future::poll_fn(|cx| {
            while !over {
                match futures_core::Stream::poll_next(Pin::new(&mut ownership), cx) {
                    Poll::Ready(Some(owned)) => crew.add(begin(owned)),
                    Poll::Ready(None) => over = true,
                    Poll::Pending => break,
                }
            }
            crew.poll(cx);
            if over && crew.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Err(closed("run partitions", self.name()))
    }
}

/// Waits until the partition is revoked or its grant is lost.
async fn until_over(owned: &OwnedPartition) {
    tokio::select! {
        biased;
        _ = owned.lost() => {}
        () = owned.revoked() => {}
    }
}

/// Runs `work` until it ends, is overdue, or the grant is lost; in each case it is dropped before the partition is let go.
async fn guarded(hub: Arc<Hub>, owned: OwnedPartition, work: impl Future<Output = ()> + Send) {
    {
        // Declared first, so dropped last: the work is noted as running until it is gone, also in a panic.
        let _running = Running::start(&owned);
        let work = pin!(work);
        let overdue = async {
            owned.revoked().await;
            let until = owned.partition().until().unwrap_or_else(|| hub.runtime().now());
            hub.runtime().sleep_until(until).await;
        };
        tokio::select! {
            biased;
            _ = owned.lost() => {}
            () = work => {}
            () = overdue => {}
        }
    }
    until_over(&owned).await;
}

/// Notes that guarded work runs, for the watch on overruns.
struct Running {
    life: Arc<Lifetime>,
    id: u64,
}

impl Running {
    fn start(owned: &OwnedPartition) -> Self {
        let life = Arc::clone(owned.life());
        let id = life.work_started(format!("partition {} of \"{}\"", owned.id(), owned.name()));
        Self { life, id }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.life.work_ended(self.id);
    }
}
