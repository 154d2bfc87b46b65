//! A lock that nobody else wants.

use std::path::Path;
use std::time::Duration;

use crate::{Failure, figure, median, millis, node, now};

const ROUNDS: usize = 31;
const PAIRS: usize = 200;

/// Acquire and release, one after the other, in one process.
pub(crate) async fn uncontended(path: &Path) -> Result<(), Failure> {
    let node = node(path, "uncontended").await?;
    let mutex = node.mutex("uncontended")?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let started = now();
        for _ in 0..PAIRS {
            mutex.acquire().await?.release().await?;
        }
        rates.push(PAIRS as f64 / (millis(now() - started) / 1e3));
    }
    figure("mutex_uncontended", median(rates), "per_second", ">= 5000");
    drop(node.shutdown(Duration::from_secs(5)).await);
    Ok(())
}
