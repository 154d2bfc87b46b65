//! Leader election at its shortest: two nodes, one works, and when it shuts down the other goes on.
#![expect(clippy::print_stdout, reason = "a program that talks to its reader")]

use std::time::Duration;

use ha::election::Observation;
use ha::{Coordinator, Error, ErrorKind};

const A_WHILE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Error> {
    // On a store of several machines these are two processes, and the URL is all that differs.
    let (first, second) = (connect("box-1").await?, connect("box-2").await?);
    let first_works = tokio::spawn(work_when_elected(first.clone()));
    let mut leaders = second.election("timers")?.observe();
    while let Some(seen) = leaders.next().await {
        if let Observation::Leader(leader) = seen {
            println!("box-2 sees that {} leads, and stands by", leader.node);
            break;
        }
    }
    let second_works = tokio::spawn(work_when_elected(second.clone()));
    for (node, works) in [(first, first_works), (second, second_works)] {
        tokio::time::sleep(A_WHILE).await;
        println!("{} shuts down", node.node());
        // Ends the work, then resigns: the other node need not wait for a ttl.
        node.shutdown(A_WHILE).await?;
        works.await.map_err(|panic| Error::new(ErrorKind::Closed, "work").with_source(panic))??;
    }
    Ok(())
}

async fn connect(node: &str) -> Result<Coordinator, Error> {
    ha::builder().namespace("example").node(node).ttl(Duration::from_secs(2)).connect("memory:").await
}

/// Works whenever the node is elected, until it shuts down.
async fn work_when_elected(node: Coordinator) -> Result<(), Error> {
    let work = |grant: ha::Grant| {
        let name = node.node().to_owned();
        async move {
            println!("{name} leads, token {}", grant.token());
            loop {
                // Whoever takes the result should check the token: a node that freezes here does not know what it has missed.
                println!("{name} works, token {}", grant.token());
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    };
    match node.election("timers")?.run(work).await {
        Err(error) if error.kind() == ErrorKind::Closed => Ok(()),
        other => other,
    }
}
