//! How long it takes until the next one leads when the leader's process dies.

use std::time::Duration;

use super::processes::{LEADER, Part};
use super::{Failure, Subject, failed, figure, leave, node, now};

const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// What remains of the time from the kill to the next leadership once the ttl is taken off, at the worst.
pub(super) async fn crash<S: Subject>(address: &str) -> Result<(), Failure> {
    let node = node::<S>(address, "survivor").await?;
    let mut worst: f64 = f64::NEG_INFINITY;
    for _ in 0..ROUNDS {
        let mut doomed = Part::start(LEADER, address)?;
        let ttl = Duration::from_millis(doomed.number().await?);
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
    figure::<S>("crash_failover_beyond_ttl", worst, "seconds", S::TARGETS.failover);
    leave(node).await;
    Ok(())
}
