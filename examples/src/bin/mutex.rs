//! A mutex at its shortest: three nodes count together, and lose no number.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ha::{Error, ErrorKind};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let counter = Arc::new(AtomicU64::new(0));
    let nodes: Vec<_> =
        ["box-1", "box-2", "box-3"].map(|name| tokio::spawn(count(name, Arc::clone(&counter)))).into();
    for node in nodes {
        node.await.map_err(|panic| Error::new(ErrorKind::Closed, "count").with_source(panic))??;
    }
    println!("counted to {}", counter.load(Ordering::Relaxed));
    Ok(())
}

/// Adds one, five times, in a way that loses numbers when somebody else does it at the same time.
async fn count(name: &str, counter: Arc<AtomicU64>) -> Result<(), Error> {
    // On a store of several machines these are three processes, and the URL is all that differs.
    let node = ha::builder().namespace("example").node(name).connect("memory:").await?;
    let mutex = node.mutex("counter")?;
    for _ in 0..5 {
        let guard = mutex.acquire_timeout(Duration::from_secs(5)).await?;
        let seen = counter.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
        counter.store(seen + 1, Ordering::Relaxed);
        println!("{name} counts {}, token {}", seen + 1, guard.token());
        guard.release().await?;
    }
    node.shutdown(Duration::from_secs(1)).await
}
