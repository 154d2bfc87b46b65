//! How long it takes until the next one acts when a holder is killed.

use std::path::Path;

use crate::parts::{HOLDER, Part};
use crate::{Failure, failed, figure, median, millis, node, now};

const ROUNDS: usize = 50;

/// From the last action of the holder, as it says itself, to the first one of its successor.
pub(crate) async fn killed(path: &Path) -> Result<(), Failure> {
    let node = node(path, "successor").await?;
    let mutex = node.mutex("failover")?;
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let mut doomed = Part::start(HOLDER, path)?;
        doomed.line().await?.ok_or_else(|| failed("see a child hold the lock"))?;
        let waiting = {
            let mutex = mutex.clone();
            tokio::spawn(async move { mutex.acquire().await.map(|guard| (guard, now())) })
        };
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        doomed.child.start_kill()?;
        let mut last = 0;
        while let Some(line) = doomed.line().await? {
            // The last line may be torn.
            last = line.parse::<u64>().map_or(last, |at| last.max(at));
        }
        let (guard, first) = waiting.await??;
        took.push(millis(first.saturating_sub(last)));
        doomed.child.wait().await?;
        guard.release().await?;
    }
    figure("failover_after_kill", median(took), "ms", "<= 100");
    drop(node.shutdown(std::time::Duration::from_secs(5)).await);
    Ok(())
}
