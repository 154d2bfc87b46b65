//! How long it takes until the next one leads when the leader's process dies.

use std::time::Duration;

use crate::processes::{LEADER, Part};
use crate::{Failure, failed, figure, node, now};

const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// What remains of the time from the kill to the next leadership once the ttl is taken off, at the worst.
pub(crate) async fn crash(address: &str) -> Result<(), Failure> {
    let node = node(address, "survivor").await?;
    let mut worst: f64 = f64::NEG_INFINITY;
    for _ in 0..ROUNDS {
        let mut doomed = Part::start(LEADER, address)?;
        let ttl = Duration::from_millis(doomed.line().await?.trim().parse()?);
        let election = node.election("crash")?;
        let campaign = tokio::spawn(async move { Ok::<_, Failure>((election.campaign().await?, now())) });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let killed = now();
        doomed.child.kill().await?;
        let elected = tokio::time::timeout(PATIENCE, campaign).await;
        let (leading, at) = elected.map_err(|_late| failed("see the survivor lead"))???;
        worst = worst.max(at.duration_since(killed).as_secs_f64() - ttl.as_secs_f64());
        leading.resign().await?;
    }
    figure("crash_failover_beyond_ttl", worst, "seconds", "<= 1");
    drop(node.shutdown(Duration::from_secs(5)).await);
    Ok(())
}
